"""GX's project for the time of a check: whoever else uses GX in this process finds it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations.data_context import EphemeralDataContext

# GX has one project a process, and tells nobody which: the name of its private attribute, as Python mangles it.
_PROJECT = "_ProjectManager__project"


@contextmanager
def own_project() -> Iterator[EphemeralDataContext]:
    """A context that lives as long as the check. It keeps nothing, calls nobody, and has no data docs of its own."""
    import great_expectations as gx
    from great_expectations.data_context.data_context.context_factory import project_manager
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={},
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    before = getattr(project_manager, _PROJECT)
    try:
        yield gx.get_context(mode="ephemeral", project_config=config)
    finally:
        project_manager.set_project(before)

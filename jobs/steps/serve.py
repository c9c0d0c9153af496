"""The embedded demo server, for a source that says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lib.config import Source
from lib.errors import ConfigError


@contextmanager
def served(source: Source) -> Iterator[Source]:
    """The source at its address; for one with a `demo` section, that of a server which lives as long as the job.

    Raises:
        ConfigError: the demo section asks for what the server cannot do.
    """
    if source.demo is None:
        yield source
        return
    from demo import DemoServer, DemoSettings, Faults

    settings = source.demo.model_dump()
    try:
        server = DemoServer(DemoSettings(**{**settings, "faults": Faults(**settings["faults"])}))
    except ValueError as error:
        message = f"demo: {error}"
        raise ConfigError(message) from error
    with server:
        yield source.with_url(server.url)

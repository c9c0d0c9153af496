"""The job new-source, with a folder of the test in place of the repo's own, and what it has written there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobs import new_source
from lib.config import Runtime, Source, load_source
from lib.errors import ConfigError, SourceError
from tests.documented_apis import ENV


def written_below(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Let the job write into a folder, with the secrets of the test in the environment."""
    for name, value in ENV.items():
        patch.setenv(name, value)
    of = Runtime.of

    class Elsewhere:
        @staticmethod
        def of(env: Mapping[str, str]) -> Runtime:
            return replace(of(env), conf=folder / "conf", expectations=folder / "expectations")

    patch.setattr(new_source, "Runtime", Elsewhere)
    return folder


def start(*words: str, status: int = 0) -> str:
    """What the job prints when it ends well; what it says when it does not."""
    result: Result = CliRunner().invoke(new_source.command, ["shop", *words])
    error = result.exception
    if isinstance(error, ConfigError | SourceError):
        assert error.exit_status == status, error
        return str(error)
    assert (error, result.exit_code, status) == (None, 0, 0), error
    return result.output


def yaml_in(folder: Path) -> Path:
    return folder / "conf" / "sources" / "shop.yml"


def source_in(folder: Path) -> Source:
    return load_source(str(yaml_in(folder)), conf_dir=folder / "conf", env=ENV)


def no_file_in(folder: Path) -> bool:
    return not [path for name in ("conf", "expectations") for path in (folder / name).rglob("*.*")]

"""A new expectation, tried on a table before it is part of a suite, and then added to it. For notebooks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from lib.errors import ConfigError
from lib.quality.docs import Docs
from lib.quality.suites import read_suite_files, suite_of
from lib.quality.validate import Finding, validate

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

# Within a frame no link leads anywhere, and nothing is run.
_FRAME = (
    '<div><iframe sandbox="" title="{title}" style="width: 100%; height: 40em; border: 1px solid #d9dee5" srcdoc="{page}">'
    "</iframe></div>"
)
_NO_LINKS = "<style>a { pointer-events: none }</style>"


@dataclass(frozen=True)
class Trial:
    """What a check of one table came to, and the page that its data docs would have, which shows itself in a notebook."""

    table: str
    findings: tuple[Finding, ...]
    page: str = field(repr=False)

    def _repr_html_(self) -> str:
        return _FRAME.format(title=f"Data docs of {escape(self.table)}", page=escape(self.page + _NO_LINKS))


def try_suite(source: str, table: str, frame: DataFrame, suite: Mapping[str, Any], at: datetime) -> Trial:
    """Check the live rows of a table against a suite, as a run at that time would, and render the page. Nothing is kept.

    Raises:
        ConfigError: an expectation that GX does not know or whose arguments it refuses.
    """
    rows = frame.persist()
    with tempfile.TemporaryDirectory() as folder:
        docs = Docs("trial", Path(folder) / "docs", f"{source}: a trial", alone=True)
        built = suite_of(source, table, suite, [])
        found = validate({table: rows}, {table: built}, at=at, docs=docs)
        page = next(path for path in docs.folder.glob("validations/**/*.html") if path.is_file()).read_text("utf-8")
    rows.unpersist()
    return Trial(table, found.all, page)


def with_expectation(folder: Path, source: str, table: str, expectation: Expectation) -> dict[str, Any]:
    """The suite of a table below `folder`, and the expectation at its end; in place of one of the same name, if it has one.

    Raises:
        ConfigError: the file there is no suite.
    """
    suite = read_suite_files(folder / source, (table,))[table]
    given = expectation.configuration.to_json_dict()
    new: dict[str, Any] = {key: value for key, value in given.items() if value and key != "id"}
    name = (new.get("meta") or {}).get("name")
    others = [one for one in suite["expectations"] if name is None or (one.get("meta") or {}).get("name") != name]
    return {"name": f"{source}.{table}", **suite, "expectations": [*others, new]}


def write_suite(folder: Path, source: str, table: str, suite: Mapping[str, Any]) -> Path:
    """Write a suite where the jobs find it, if `folder` is `expectations/`.

    Raises:
        ConfigError: the folder is not there.
    """
    if not folder.is_dir():
        message = f"{folder}: there is no such folder; the jobs read suites from expectations/"
        raise ConfigError(message)
    path = folder / source / f"{table}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(suite, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return path

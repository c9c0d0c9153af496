"""Names of expectations: what messages show, `sanity-check --accept` takes, and `ops/failures` holds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]


def name_expectations(table: str, entries: Sequence[Entry]) -> list[str]:
    """A name for each expectation of a table, in their order; no two are the same.

    `<table>.<meta's name>` where an expectation has one, else `<table>.<type without expect_>.<columns joined by +>`. Where
    that is taken, the later one gets `#2`: an own name keeps it from changing when one before it is taken away.
    """
    names: list[str] = []
    for entry in entries:
        plain = ".".join((table, *_parts(entry)))
        name, number = plain, 1
        while name in names:
            number += 1
            name = f"{plain}#{number}"
        names.append(name)
    return names


def named(entry: Entry, name: str) -> dict[str, Any]:
    """The expectation with its name in its meta, where GX hands it through to the result."""
    return {**entry, "meta": {**(entry.get("meta") or {}), "name": name}}


def columns_of(kwargs: Mapping[str, Any]) -> list[str]:
    """The columns whose values an expectation looks at."""
    columns = [kwargs.get("column"), *(kwargs.get("column_list") or ()), kwargs.get("column_A"), kwargs.get("column_B")]
    return [str(column) for column in columns if column]


def failures_command(docs_id: str, *options: str, name: str | None = None, lake: str = "") -> str:
    """What lists the rows that failed in one check: of every expectation, or of the one of that name.

    `options` say where, or `lake` alone, which knows its source.
    """
    options = (*options, "--lake", lake) if lake else options
    own = ["--run", docs_id, *(["--expectation", name] if name else [])]
    return shlex.join(["./spark-submit.sh", "failures", *options, *own])


def _parts(entry: Entry) -> list[str]:
    own = (entry.get("meta") or {}).get("name")
    if own:
        return [str(own)]
    kind = str(entry["type"]).removeprefix("expect_")
    # The columns of a table as a whole can be a hundred.
    columns = [] if kind.startswith("table_") else columns_of(entry.get("kwargs") or {})
    return [kind, "+".join(columns)] if columns else [kind]

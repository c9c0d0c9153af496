"""Runs the suites on the exact versions to be published, and has GX render the data docs of that one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.console import number_of
from lib.errors import CouldNotCheckError
from lib.quality.counts import Counts
from lib.quality.declared import NOTHING
from lib.quality.docs import Docs, write_docs
from lib.quality.inert import inert
from lib.quality.suites import parameters_at

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext

# Counts only: GX writes unexpected values raw into the docs, and they may be personal or hold markup.
_RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}
_DELETED_AT = "_deleted_at"


_RULES = {
    "expect_column_values_to_not_be_null": "must not be null",
    "expect_column_values_to_be_null": "must be null",
    "expect_column_values_to_be_unique": "must be unique",
    "expect_compound_columns_to_be_unique": "must be unique together",
    "expect_column_values_to_be_in_set": "must be one of the values allowed",
    "expect_column_values_to_match_regex": "must match its pattern",
}


MOST_KEYS = 20
"""So many keys of the rows that fail an expectation are on the page of its table."""
# And so many in a line elsewhere.
_FEW_KEYS = 5


@dataclass(frozen=True)
class Keys:
    """Keys of rows as text: of which columns, the first of them, and how many there are in all (None: nobody counted)."""

    names: str
    first: tuple[str, ...]
    total: int | None

    def shown(self, most: int) -> str:
        """Up to so many: `id 17, 18 and 2 more`; of several columns `user_id day: 5 2026-11-25, 6 2026-11-25`."""
        shown = self.first[:most]
        more = "more" if self.total is None else f"{self.total - len(shown):,} more"
        return f"{self.names} {', '.join(shown)}{'' if self.total == len(shown) else f' and {more}'}"


@dataclass(frozen=True)
class Finding:
    """What came of one expectation. `success` is None where it could not be checked; `severity` as in GX.

    `name` is the one of `lib.quality.names`: no other expectation of the source has it. `unexpected` is the number of rows
    that fail, None for an expectation that is about the whole table; `kwargs` are those of GX. `rows_query` selects the
    failing rows where a query of GX's only counts them; of a reference `meta` names the column, the table that it `refers_to`, and
    what it `meets` there. `keys` are some of the failing rows, if they are known and not personal (`lib.quality.failed_rows`).
    """

    name: str
    table: str
    expectation: str
    about: str
    severity: str
    success: bool | None
    said: str
    unexpected: int | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    rows_query: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    keys: Keys | None = None

    def __str__(self) -> str:
        """One line for people: the rule, how many rows fail it, a few of their keys, and its name in brackets.

        `listen_history.user_id -> users: 1 orphan (user_id 999) [listen_history.orphans.user_id]`
        """
        return self.line(_FEW_KEYS)

    def line(self, most: int) -> str:
        """The same with up to so many keys."""
        keys = f" ({self.keys.shown(most)})" if self.keys else ""
        return f"{self.rule}: {self._count}{keys} [{self.name}]"

    @property
    def is_of_reference(self) -> bool:
        """Whether the source YAML declares it for a reference, and no suite: its `meta` says which."""
        return {"reference", "refers_to", "meets"} <= self.meta.keys()

    @property
    def rule(self) -> str:
        """What must hold, in words: `tracks.updated_at must be at least created_at`; of a reference, what refers to what."""
        if self.is_of_reference:
            return f"{self.table}.{self.meta['reference']} -> {self.meta['refers_to']}"
        if self.expectation == "unexpected_rows_expectation":
            return f"{self.table}: {self.about.rstrip('.')}" if self.about else self.table
        about = f".{self.about}" if self.about else ""
        return f"{self.table}{about} {_rule_of(self.expectation, self.kwargs)}"

    @property
    def _count(self) -> str:
        if self.unexpected is None or self.expectation != "unexpected_rows_expectation":
            return self.said
        if not self.is_of_reference:
            return number_of(self.unexpected, "row")
        if self.meta["meets"] == NOTHING:
            return number_of(self.unexpected, "orphan")
        return f"{number_of(self.unexpected, 'reference')} to {self.meta['meets']} rows"


@dataclass(frozen=True)
class Findings:
    """Everything that was checked of one run, and how many rows each version holds.

    `rows` are all rows of a table, `deleted` those of them that are deleted: a table that is not named there has none.
    """

    all: tuple[Finding, ...]
    rows: Mapping[str, int]
    deleted: Mapping[str, int] = field(default_factory=dict)

    @property
    def gating(self) -> tuple[Finding, ...]:
        """Failed critical expectations: nothing may be published."""
        return tuple(f for f in self.all if f.success is False and f.severity == "critical")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Failed expectations that only report."""
        return tuple(f for f in self.all if f.success is False and f.severity != "critical")

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Failed expectations of any severity, the critical ones first."""
        return (*self.gating, *self.warnings)

    @property
    def unchecked(self) -> tuple[Finding, ...]:
        """Expectations that could not be checked, whatever their severity."""
        return tuple(f for f in self.all if f.success is None)

    @property
    def lines(self) -> list[str]:
        """A line for each that failed or could not be checked, behind its severity; the worst first."""
        kinds = {"critical": self.gating, "unchecked": self.unchecked, "warning": self.warnings}
        return [f"{kind}: {finding}" for kind, found in kinds.items() for finding in found]

    def of(self, table: str) -> Findings:
        """Those of one table."""
        deleted = {table: self.deleted.get(table, 0)}
        return Findings(tuple(f for f in self.all if f.table == table), {table: self.rows[table]}, deleted)

    @property
    def live_rows(self) -> dict[str, int]:
        """The rows of each table that are not deleted: those that were checked."""
        return {table: rows - self.deleted.get(table, 0) for table, rows in self.rows.items()}

    def shown_on(self, suite: str | None) -> Findings:
        """Those that the page of a suite (`source.table`) shows: its table's. All of them where there is no such table."""
        table = (suite or "").rpartition(".")[2]
        return self.of(table) if table in self.rows else self

    @property
    def counts(self) -> Counts:
        """How many there are of each kind."""
        passed = sum(1 for finding in self.all if finding.success)
        return Counts(len(self.gating), len(self.unchecked), len(self.warnings), passed)


def validate(
    frames: Mapping[str, DataFrame],
    suites: Mapping[str, ExpectationSuite],
    *,
    at: datetime,
    docs: Docs,
    wait_for: Callable[[str], object] = lambda _table: None,
    with_keys: Callable[[Findings], Findings] = lambda findings: findings,
) -> Findings:
    """Check the live rows of each frame against its suite, and write its docs.

    The tables are checked in the order of `frames`, each once `wait_for` it has returned; findings are in that of `suites`.
    `with_keys` adds the keys of rows that fail, for the docs to show.

    A suite makes a Spark job for all of its counts, one for each query, and one or two for each key and pair of columns: the
    frames had better be cached.

    GX reads a run's name as a date where it can, and fails on some; hence the word before it. One table after another
    because GX registers one fixed temporary view for queries: two at once would mix up.
    """
    from lib.quality.engine import forget_views
    from lib.quality.project import own_project

    with own_project() as context:
        try:
            findings = _validated(context, frames, suites, run_name=f"run_{docs.docs_id}", at=at, wait_for=wait_for)
        finally:
            forget_views(frames.values())
        findings = with_keys(findings)
        write_docs(context, docs, findings)
    _check_docs(docs.folder, len(frames))
    return findings


def _validated(
    context: EphemeralDataContext,
    frames: Mapping[str, DataFrame],
    suites: Mapping[str, ExpectationSuite],
    *,
    run_name: str,
    at: datetime,
    wait_for: Callable[[str], object],
) -> Findings:
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier

    from lib.quality.engine import count_only

    source = context.data_sources.add_spark("lake", persist=False)
    count_only(source)
    found: dict[str, list[Finding]] = {}
    rows: dict[str, int] = {}
    deleted: dict[str, int] = {}
    for table, frame in frames.items():
        wait_for(table)
        suite = context.suites.add(suites[table])
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("version")
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=suite.name, data=batch, suite=suite)
        )
        rows[table], deleted[table] = _count(frame)
        result = definition.run(
            batch_parameters={"dataframe": live_rows(frame)},
            expectation_parameters=parameters_at(at),
            result_format=_RESULT_FORMAT,
            run_id=RunIdentifier(run_name=run_name, run_time=at),
        )
        found[table] = [finding_of(table, one) for one in result.results]
    return Findings(tuple(finding for table in suites for finding in found.get(table, ())), rows, deleted)


def _count(frame: DataFrame) -> tuple[int, int]:
    """All rows, and the deleted ones among them."""
    marked = F.col(_DELETED_AT) if _DELETED_AT in frame.columns else F.lit(None)
    rows, deleted = frame.select(F.count(F.lit(1)), F.count(marked)).head() or (0, 0)
    return rows, deleted


def live_rows(frame: DataFrame) -> DataFrame:
    """The rows that are checked: those that are not deleted."""
    return frame.where(f"{_DELETED_AT} IS NULL") if _DELETED_AT in frame.columns else frame


def _check_docs(docs: Path, n_tables: int) -> None:
    """GX only logs that a page could not be rendered, and leaves it out.

    Raises:
        CouldNotCheckError: a page is missing.
    """
    pages = [path for path in docs.glob("validations/**/*.html") if path.is_file()]
    if len(pages) < n_tables or not (docs / "index.html").exists():
        message = (
            f"the data docs have {len(pages)} pages for {n_tables} tables: GX could not render them (see its log above)"
        )
        raise CouldNotCheckError(message)


def counts_of(results: Iterable[ExpectationValidationResult]) -> Counts:
    """What came of these results of GX, counted as `Findings.counts` counts them."""
    return Findings(tuple(finding_of("", one) for one in results), {}).counts


def finding_of(table: str, one: ExpectationValidationResult) -> Finding:
    """What came of one expectation, from GX's result."""
    config = one.expectation_config
    assert config is not None
    kwargs: dict[str, Any] = dict(config.kwargs)
    about = kwargs.get("column") or ", ".join(kwargs.get("column_list", ())) or kwargs.get("column_A") or ""
    if config.type == "unexpected_rows_expectation":
        about = config.description or " ".join(config.notes or ())
    broken = _broken(one.exception_info)
    counts = dict(one.result or {})
    return Finding(
        name=str((config.meta or {}).get("name") or table),
        table=table,
        expectation=config.type,
        about=str(about),
        severity=str(getattr(config.severity, "value", config.severity)),
        success=None if broken else bool(one.success),
        said=broken or _said(counts),
        unexpected=None if broken else _unexpected(config.type, counts),
        kwargs=kwargs,
        rows_query=(config.meta or {}).get("rows_query"),
        meta=config.meta or {},
    )


def _rule_of(kind: str, kwargs: Mapping[str, Any]) -> str:
    """What the expectation asks for, as the predicate of a sentence; its kind in words where that is not known here."""
    if kind == "expect_column_pair_values_a_to_be_greater_than_b":
        return f"must be {'at least' if kwargs.get('or_equal') else 'greater than'} {kwargs.get('column_B')}"
    if kind == "expect_column_values_to_be_between":
        return f"must be {_bounds(kwargs)}"
    return _RULES.get(kind, f"({kind.removeprefix('expect_').replace('_', ' ')})")


def _bounds(kwargs: Mapping[str, Any]) -> str:
    # GX makes a float of a number.
    low, high = (
        int(one) if isinstance(one, float) and one.is_integer() else one
        for one in (kwargs.get("min_value"), kwargs.get("max_value"))
    )
    if low is None or high is None:
        return f"at most {high}" if low is None else f"at least {low}"
    return f"between {low} and {high}"


def _broken(info: Any) -> str | None:
    """Why an expectation could not be checked. GX gives one such note, or one for each metric."""
    notes = [info] if "raised_exception" in info else list(info.values())
    for note in notes:
        if note.get("raised_exception"):
            return f"could not be checked: {inert(str(note.get('exception_message')))}"
    return None


def _unexpected(kind: str, counts: dict[str, Any]) -> int | None:
    # A query's observed value is the number of rows that it gave.
    found = counts.get("observed_value" if kind == "unexpected_rows_expectation" else "unexpected_count")
    return None if found is None else int(found)


def _said(counts: dict[str, Any]) -> str:
    if "unexpected_count" in counts:
        return f"{counts['unexpected_count']} of {counts.get('element_count', '?')} rows"
    return f"observed {counts.get('observed_value', 'nothing')}"

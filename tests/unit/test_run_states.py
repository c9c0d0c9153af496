"""Which state may follow which, and which runs can be published."""

from __future__ import annotations

import ast
import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.errors import LakeError, SourceIncompleteError
from lib.lake.complete import complete_set
from lib.lake.runs import Run, TableRun
from lib.lake.states import RunState, Step, TableState, missing_after

REPO = Path(__file__).parents[2]
AT = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE, DERIVED = ("tracks", "listen_history"), {"listens": ("listen_history",)}


def whole(**tables: TableRun) -> Run:
    """A run that came to the end of deriving; some of its tables otherwise."""
    made = [{"table": "listen_history", "version": 4}]
    found = {
        "tracks": TableRun("tracks", TableState.MERGED, path="silver/tracks", version=0),
        "listen_history": TableRun("listen_history", TableState.MERGED, path="silver/listen_history", version=4),
        "listens": TableRun("listens", TableState.BUILT, path="gold/listens", version=2, made_from=made),
    }
    return Run("r2", "demo", AT, "", "{}", state=RunState.MERGED, tables=found | tables, done=Step.DERIVE)


def kept(name: str, version: int) -> TableRun:
    return TableRun(name, TableState.KEPT, path=f"x/{name}", version=version)


def test_a_run_is_merged_at_the_end_of_deriving_only() -> None:
    for done in (None, *Step):
        run = Run("r1", "demo", AT, "", "{}", done=done)
        if done is Step.DERIVE:
            run.to(RunState.MERGED)
            assert run.state == "merged"
        else:
            with pytest.raises(LakeError, match=f"has not ended its step {missing_after(done)}"):
                run.to(RunState.MERGED)
            assert run.state == "running"


def test_only_what_is_merged_is_published_and_only_a_resume_runs_again() -> None:
    allowed = {
        ("running", "running"), ("running", "merged"), ("running", "failed"),
        ("merged", "running"), ("merged", "published"), ("merged", "checks_failed"), ("merged", "failed"),
        ("published", "published"), ("published", "checks_failed"),
        ("checks_failed", "running"), ("checks_failed", "published"), ("checks_failed", "checks_failed"),
        ("checks_failed", "failed"), ("failed", "running"), ("failed", "merged"),
    }  # fmt: skip
    for before, after in itertools.product(RunState, RunState):
        run = Run("r1", "demo", AT, "", "{}", state=before, done=Step.DERIVE)
        if (before, after) in allowed:
            run.to(after)
            assert run.state is after
        else:
            with pytest.raises(LakeError, match=f"run r1 is '{before}', which cannot become '{after}'"):
                run.to(after)


@pytest.mark.parametrize("before", [TableState.PLANNED, TableState.FAILED, TableState.KEPT, TableState.MERGED])
def test_a_table_is_merged_only_after_it_has_landed(before: TableState) -> None:
    record = TableRun("tracks", before)
    with pytest.raises(LakeError, match=f"table tracks of the run is '{before}', which cannot become 'merged'"):
        record.to(TableState.MERGED)


def test_a_complete_run_gives_each_table_at_the_version_that_it_left() -> None:
    found = complete_set(whole(), SOURCE, DERIVED).tables
    assert found == {
        "tracks": ("silver/tracks", 0),
        "listen_history": ("silver/listen_history", 4),
        "listens": ("gold/listens", 2),
    }
    all_kept = whole(listen_history=kept("listen_history", 3), listens=kept("listens", 1))
    assert complete_set(all_kept, SOURCE, DERIVED).tables["listens"] == ("x/listens", 1)
    # A table that the source has no more is not published any longer.
    assert "old" not in complete_set(whole(old=kept("old", 1)), SOURCE, DERIVED).tables


def test_a_derived_table_that_another_job_builds_is_published_as_it_was_and_stops_nothing() -> None:
    # Made from older versions than those of the run.
    found = complete_set(whole(recommendations=kept("recommendations", 7)), SOURCE, DERIVED, ["recommendations"])
    assert found.tables["recommendations"] == ("x/recommendations", 7)
    # Never published so far.
    assert "recommendations" not in complete_set(whole(), SOURCE, DERIVED, ["recommendations"]).tables


def test_what_a_run_makes_of_such_a_table_is_made_from_versions_that_it_has() -> None:
    def built(*versions: int) -> TableRun:
        made = [{"table": "tracks", "version": version} for version in versions]
        return TableRun("recommendations", TableState.BUILT, path="gold/recommendations", version=8, made_from=made)

    found = complete_set(whole(recommendations=built(0)), SOURCE, DERIVED, ["recommendations"])
    assert found.tables["recommendations"] == ("gold/recommendations", 8)
    for versions, why in (
        ((1,), "made from tracks version 1, and the run has tracks version 0"),
        ((), "nothing that is known"),
    ):
        with pytest.raises(SourceIncompleteError, match=why):
            complete_set(whole(recommendations=built(*versions)), SOURCE, DERIVED, ["recommendations"])


@pytest.mark.parametrize("done", [None, *list(Step)[:-1]])
def test_a_run_that_did_not_come_to_the_end_of_deriving_says_what_is_missing_and_what_goes_on(
    done: Step | None,
) -> None:
    run = whole()
    run.done = done
    with pytest.raises(SourceIncompleteError) as refused:
        complete_set(run, SOURCE, DERIVED)
    assert refused.value.exit_status == 4
    assert f"before its step '{missing_after(done)}' was done" in str(refused.value)
    assert "full-ingest --resume r2" in str(refused.value)


MADE_FROM_3 = [{"table": "listen_history", "version": 3}]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (TableRun("tracks", TableState.MERGED, path="silver/tracks"), "tracks is 'merged' in it, and has no version"),
        (TableRun("tracks", path="silver/tracks", version=1), "tracks is 'planned' in it"),
        (TableRun("tracks", TableState.LANDED, path="silver/tracks", version=1), "tracks is 'landed' in it"),
        (TableRun("tracks", TableState.FAILED, error="404", version=1), "tracks failed in it"),
        (kept("listens", 1), "listens was kept, and listen_history, which it is made from, was not"),
        (
            TableRun("listens", TableState.BUILT, path="x", version=1, made_from=MADE_FROM_3),
            "listens was made from listen_history version 3, and the run has listen_history version 4",
        ),
        (TableRun("listens", TableState.BUILT, path="x", version=1), "made from nothing that is known"),
        (kept("listen_history", 3), "made from listen_history version 4, and the run has listen_history version 3"),
    ],
)
def test_a_set_of_which_one_table_does_not_fit_is_refused(table: TableRun, why: str) -> None:
    with pytest.raises(SourceIncompleteError, match=why):
        complete_set(whole(**{table.table: table}), SOURCE, DERIVED)


@pytest.mark.parametrize("name", ["tracks", "listens"])
def test_a_set_without_one_table_is_refused(name: str) -> None:
    run = whole()
    del run.tables[name]
    with pytest.raises(SourceIncompleteError, match=f"it has no table {name}"):
        complete_set(run, SOURCE, DERIVED)


def test_states_are_changed_and_publications_are_made_in_one_place_each() -> None:
    states, makers = set(), set()
    for path in [*(REPO / "jobs").rglob("*.py"), *(REPO / "lib" / "lake").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            targets = node.targets if isinstance(node, ast.Assign) else []
            flat = [one for target in targets for one in (target.elts if isinstance(target, ast.Tuple) else [target])]
            if any(isinstance(one, ast.Attribute) and one.attr == "state" for one in flat):
                states.add(path.name)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Publication":
                makers.add(path.name)
    assert states == {"runs.py"}
    assert makers == {"publications.py", "complete.py", "rollback.py"}

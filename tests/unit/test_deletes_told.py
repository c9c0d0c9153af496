"""What a dry run and a run say of deletes: soft where the copy is not proved in a way that finds deleted rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.config import Source, load_source
from lib.config.runtime import REPO
from lib.lake.layout import lake_at
from lib.lake.runs import Run, TableRun
from lib.lake.states import RunState, TableState
from lib.landing.plan import Plan, TablePlan
from lib.reporting.summary import say_done, say_plan

AT = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = "    key: [id]\n    columns: {id: bigint!}\n"
TABLES = {
    "wanted": "    path: /wanted\n    deletes: soft\n",
    "unwanted": "    path: /unwanted\n",
    "read_twice": "    path: /read_twice\n    deletes: soft\n    prove: reread\n",
    "in_slices": "    path: /in_slices\n    deletes: soft\n    slices: {param: state, values: [open, closed]}\n",
    "nested": "    parent: {table: wanted, items: lines}\n    deletes: soft\n",
}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    tables = "".join(f"  {name}:\n{settings}{COLUMNS}" for name, settings in TABLES.items())
    text = (
        f"source: shop\napi:\n  url: http://127.0.0.1:9/\n  pagination: {{total: null, pages: null}}\ntables:\n{tables}"
    )
    (tmp_path / "shop.yml").write_text(text, "utf-8")
    return load_source(str(tmp_path / "shop.yml"), conf_dir=REPO / "conf", env={})


def test_which_proof_finds_deleted_rows_and_where_it_is_written(source: Source) -> None:
    assert {name: source.proof_for_deletes(name) for name in (*TABLES, "derived")} == {
        "wanted": ("tables.wanted", "swept"),
        "unwanted": None,
        "read_twice": None,
        # A second walk for the keys alone is not for a table that is read in parts.
        "in_slices": ("tables.in_slices", "reread"),
        # It has the proof of the pages that it is on.
        "nested": ("tables.wanted", "swept"),
        "derived": None,
    }


def test_what_is_to_be_written_is_taken(source: Source, tmp_path: Path) -> None:
    text = (tmp_path / "shop.yml").read_text("utf-8")
    for name in ("wanted", "in_slices"):
        _, level = source.proof_for_deletes(name) or ("", "")
        text = text.replace(f"path: /{name}\n", f"path: /{name}\n    prove: {level}\n")
    (tmp_path / "shop.yml").write_text(text, "utf-8")
    cured = load_source(str(tmp_path / "shop.yml"), conf_dir=REPO / "conf", env={})
    assert [cured.proof_for_deletes(name) for name in TABLES] == [None] * len(TABLES)


def test_a_dry_run_says_so_of_a_source_that_gives_no_total(source: Source, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run("r1", "shop", AT, "", "{}", tables={name: TableRun(name) for name in TABLES})
    plans = [TablePlan(name, f"/{name}", 1, 1, 10, None) for name in ("wanted", "unwanted", "read_twice")]
    say_plan(run, Plan(tuple(plans), {}), source)
    assert [line for line in capsys.readouterr().out.splitlines() if "delete" in line] == [
        "wanted: the source gives no total, so that deletes: soft will mark no row as deleted. Write prove: swept in "
        "tables.wanted: a second walk then proves the copy."
    ]
    say_plan(run, Plan((TablePlan("wanted", "/wanted", 1, 1, 10, 10),), {}), source)
    assert "delete" not in capsys.readouterr().out
    run.tables["wanted"].since = "17"
    say_plan(run, Plan(tuple(plans), {}), source)
    assert "delete" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "end"),
    [
        ("wanted", " Write prove: swept in tables.wanted: a second walk then proves the copy."),
        ("in_slices", " Write prove: reread in tables.in_slices: a second walk then proves the copy."),
        ("unwanted", ""),
    ],
)
def test_a_run_says_so_of_a_table_that_it_read_to_its_end(
    source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, end: str
) -> None:
    record = TableRun(table, TableState.MERGED, proof="ended")
    run = Run("r1", "shop", AT, "", "{}", state=RunState.MERGED, tables={table: record})
    say_done(lake_at(str(tmp_path / "lake")), run, None, source)
    said = f"Read to the end that its source declares, and not counted: {table} (ended); none of its rows was marked as deleted."
    assert f"\n{said}{end}\n" in capsys.readouterr().out

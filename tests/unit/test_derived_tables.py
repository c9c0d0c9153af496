"""Derived tables: which sources have them, which a run builds, and which of their columns are personal."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from jobs.steps import record
from jobs.steps.options import Job
from lib.config import DERIVATIONS, Derivation, Runtime, Source, derivations_of, load_source
from lib.config.runtime import REPO
from lib.console import Steps
from lib.gold import registry
from lib.gold.table import DerivedTable
from lib.lake.layout import claim, lake_at
from lib.lake.publications import Publication, PublishedTable, publish
from lib.lake.states import TableState

AT = datetime(2026, 1, 1, tzinfo=UTC)
# Made by another job, from two tables; the first of its columns is of one, the second of the other.
SCORES = Derivation(
    "scores",
    ("user_id", "name"),
    {"user_id": "string", "name": "string"},
    {"users": {"id": "bigint"}, "tracks": {"name": "string"}},
    {"user_id": ("users", "email"), "name": ("tracks", "name")},
    apart=True,
)


@pytest.fixture
def demo() -> Source:
    return load_source("demo", conf_dir=REPO / "conf", env={})


def test_a_source_has_the_derived_tables_whose_bases_have_the_columns_and_types_that_they_need(
    demo: Source, tmp_path: Path
) -> None:
    assert list(derivations_of(demo)) == ["listens", "recommendations"]
    # Without the sessions, and with tracks of another type in them.
    for items in ("", 'items: "array<string>!", '):
        other = tmp_path / "shop.yml"
        columns = f'{{user_id: "bigint!", {items}created_at: "timestamp!"}}'
        table = f"  listen_history: {{path: /listens, key: [user_id, created_at], columns: {columns}}}"
        other.write_text(f"source: shop\napi: {{url: 'http://127.0.0.1:1'}}\ntables:\n{table}\n", "utf-8")
        assert derivations_of(load_source(str(other), conf_dir=REPO / "conf", env={})) == {}


def test_a_table_that_another_job_builds_is_built_by_no_run_and_kept_as_it_was_published(
    demo: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cast("dict[str, Derivation]", DERIVATIONS), "scores", SCORES)
    made = DerivedTable(SCORES, build=lambda bases: bases["users"])
    monkeypatch.setattr(registry, "TABLES", (*registry.TABLES, made))
    assert list(derivations_of(demo)) == ["listens", "scores", "recommendations"]
    assert [table.declared.name for table in registry.tables_of(demo)] == ["listens"]
    layout = lake_at(f"{tmp_path}/lake")
    claim(layout, "demo", AT)
    names = tuple(table.name for table in demo.tables)
    job = Job(demo, layout, names, "r2", {}, Runtime.of(os.environ), AT, Steps())
    assert "scores" not in record.open_run(job, publishes=True).tables
    publish(layout, Publication("r1", "r1", AT, {"scores": PublishedTable("scores", "gold/scores", 7, 3)}))
    kept = record.open_run(job, publishes=True).tables["scores"]
    assert (kept.state, kept.path, kept.version) == (TableState.KEPT, "gold/scores", 7)


def test_a_column_is_personal_where_the_one_that_it_is_made_of_is(demo: Source) -> None:
    assert "email" in demo.table("users").pii
    assert "name" not in demo.table("tracks").pii
    assert SCORES.pii(demo) == ("user_id",)

"""Decisions on models: who is the champion of a list, what a rollback undoes, and the numbers that a model is kept by."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lib.errors import ConfigError, LakeError
from lib.lake import storage
from lib.lake.decisions import Decision, Verdict, all_decisions, champion, decide, reign, serving, withdrawn
from lib.lake.layout import Layout
from lib.lake.lock import training
from lib.lake.model_numbers import numbers_of, save_numbers
from lib.lake.opening import check_columns
from lib.lake.publications import Publication, PublishedTable, publish
from lib.lake.storage import Address
from lib.recommend.retrain import roll_back

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ITEMS = pa.array([3, 2**40, 2**40 + 1])


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(Address.of(str(tmp_path)))


def decision(version: str, of_list: str = "discover", verdict: Verdict = Verdict.PROMOTED, **other: Any) -> Decision:
    fields = {"champion": version, "champion_before": None, "model_version": version, "publication_id": "p1", **other}
    return Decision(version, of_list, AT, verdict, ["it is better"], **fields)


def promote(layout: Layout, version: str, *lists: str) -> None:
    before = all_decisions(layout)
    decide(layout, [decision(version, name, champion_before=champion(before, name)) for name in lists])


def test_a_list_that_nothing_was_promoted_for_has_no_champion(layout: Layout) -> None:
    assert champion(all_decisions(layout), "discover") is None
    promote(layout, "a", "again")
    assert champion(all_decisions(layout), "discover") is None
    assert champion(all_decisions(layout), "again") == "a"


def test_decisions_of_one_training_are_one_commit_and_keep_what_was_said(layout: Layout) -> None:
    decide(
        layout,
        [
            decision(
                "a", versions=[{"table": "tracks", "version": 4}], fired=["age"], seed=7, metrics="{}", sha256="x"
            ),
            decision("a", "again", Verdict.KEPT, champion=None),
        ],
    )
    assert DeltaTable(str(layout.decisions)).version() == 1  # 0 makes the table
    again, discover = all_decisions(layout)
    assert (again.list, again.verdict, again.champion) == ("again", "kept", None)
    assert (discover.number, discover.versions, discover.fired) == (1, [{"table": "tracks", "version": 4}], ["age"])
    assert discover.because == ["it is better"]


def test_a_candidate_that_is_not_promoted_leaves_the_champion(layout: Layout) -> None:
    promote(layout, "a", "discover")
    decide(layout, [decision("b", verdict=Verdict.KEPT, champion="a")])
    known = all_decisions(layout)
    assert champion(known, "discover") == "a"
    assert [one.model_version for one in reign(known, "discover")] == ["a"]


def test_a_rollback_goes_back_one_promotion_in_the_lists_that_had_it(layout: Layout) -> None:
    promote(layout, "a", "discover", "again")
    promote(layout, "b", "discover")
    [undone] = roll_back(layout, "r1")
    assert (undone.list, undone.champion, undone.champion_before) == ("discover", "a", "b")
    assert [champion(all_decisions(layout), name) for name in ("discover", "again")] == ["a", "a"]
    both = roll_back(layout, "r2")
    assert sorted(one.list for one in both) == ["again", "discover"]
    assert [champion(all_decisions(layout), name) for name in ("discover", "again")] == [None, None]
    with pytest.raises(ConfigError, match="no model is promoted, so there is nothing to roll back"):
        roll_back(layout, "r3")


def test_the_numbers_of_a_model_come_back_as_they_were_saved(layout: Layout) -> None:
    first = np.arange(9, dtype=np.float32).reshape(3, 3)
    numbers, sha256 = save_numbers(layout, "a", ITEMS, first)
    save_numbers(layout, "b", ITEMS, first + 1)
    assert numbers == 9
    found = numbers_of(layout, decision("a", sha256=sha256))
    assert found.items.to_pylist() == [3, 2**40, 2**40 + 1]
    assert found.rows.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_any_engine_reads_the_numbers_by_model_and_item(layout: Layout) -> None:
    save_numbers(layout, "a", pa.array(["x", "y"]), np.array([[0.5, 2], [3, 4]], np.float32))
    rows = DeltaTable(str(layout.model_numbers)).to_pyarrow_table().sort_by("position").to_pylist()
    assert rows == [
        {"model_version": "a", "position": 0, "item": "x", "numbers": [0.5, 2.0]},
        {"model_version": "a", "position": 1, "item": "y", "numbers": [3.0, 4.0]},
    ]


def test_numbers_that_are_missing_or_others_are_an_error_that_names_the_model(layout: Layout) -> None:
    with pytest.raises(LakeError, match="the numbers of model a are not there"):
        numbers_of(layout, decision("a", sha256="x"))
    _, sha256 = save_numbers(layout, "a", ITEMS, np.zeros((3, 3), np.float32))
    with pytest.raises(LakeError, match="the numbers of model b are not whole"):
        numbers_of(layout, decision("b", sha256=sha256))
    with pytest.raises(LakeError, match="the numbers of model a are not those that were saved"):
        numbers_of(layout, decision("a", sha256="0" * 64))


def test_numbers_whose_file_is_gone_are_an_error_that_names_the_model(layout: Layout, tmp_path: Path) -> None:
    _, sha256 = save_numbers(layout, "a", ITEMS, np.zeros((3, 3), np.float32))
    for file in (tmp_path / "models" / "items").glob("*.parquet"):
        file.unlink()
    with pytest.raises(LakeError, match=r"the numbers of model a cannot be read \(\w+\)"):
        numbers_of(layout, decision("a", sha256=sha256))


def test_two_trainings_at_once_are_refused_and_the_second_touches_nothing(layout: Layout) -> None:
    with (
        training(layout, "a", AT),
        pytest.raises(LakeError, match=r"training a .* is at work on this lake\. No model was touched"),
        training(layout, "b", AT),
    ):
        pass
    assert not storage.is_table(layout.decisions)


def published(layout: Layout, name: str, run_id: str, restores: str | None = None) -> None:
    tables = {"tracks": PublishedTable("tracks", "silver/tracks", 3, 2000)}
    publish(layout, Publication(name, run_id, AT, tables, restores=restores))


def test_a_model_of_a_publication_that_was_taken_back_serves_no_more(layout: Layout) -> None:
    published(layout, "p1", "r1")
    published(layout, "p2", "r2")
    decide(layout, [decision("a", publication_id="p1")])
    decide(layout, [decision("b", publication_id="p2", champion_before="a")])
    assert withdrawn(layout) == set()
    known = all_decisions(layout)
    found = serving(layout, known, "discover")
    assert found is not None
    assert found.model_version == "b"
    published(layout, "p3", "r1", restores="p1")
    assert withdrawn(layout) == {"p2"}
    found = serving(layout, known, "discover")
    assert found is not None
    assert found.model_version == "a"
    assert champion(known, "discover") == "b"
    # The next night's copy is another one.
    published(layout, "p4", "r4")
    assert withdrawn(layout) == {"p2"}


def test_lists_that_are_taken_back_leave_the_copy_that_they_were_made_from_to_be_trusted(layout: Layout) -> None:
    published(layout, "p1", "r1")
    published(layout, "p1.check2", "r1")
    published(layout, "p3", "r1", restores="p1")
    assert withdrawn(layout) == set()


def test_a_rollback_over_two_copies_takes_both_back(layout: Layout) -> None:
    published(layout, "p1", "r1")
    published(layout, "p2", "r2")
    published(layout, "p3", "r3")
    published(layout, "p4", "r1", restores="p1")
    assert withdrawn(layout) == {"p2", "p3"}


def test_decisions_that_cannot_be_read_are_an_error_that_names_the_table(layout: Layout, tmp_path: Path) -> None:
    promote(layout, "a", "discover")
    for file in (tmp_path / "ops" / "models").glob("*.parquet"):
        file.unlink()
    with pytest.raises(LakeError, match=r"ops/models cannot be read \(\w+\); restore the table from a backup"):
        all_decisions(layout)


def test_a_column_that_the_published_table_lacks_is_told_before_anything_is_touched(
    layout: Layout, tmp_path: Path
) -> None:
    write_deltalake(str(tmp_path / "silver" / "tracks"), pa.table({"id": [1], "title": ["a"]}))
    tables = {"tracks": PublishedTable("tracks", "silver/tracks", 0, 1)}
    publication = Publication("p1", "r1", AT, tables)
    check_columns(layout, publication, {"tracks": {"id": "bigint"}})
    said = "tracks is published without the column genres, which the source YAML names: run full-ingest first"
    with pytest.raises(ConfigError, match=said):
        check_columns(layout, publication, {"tracks": {"id": "bigint", "genres": "string"}})
    with pytest.raises(ConfigError, match="no table 'users' is published"):
        check_columns(layout, publication, {"users": {}})

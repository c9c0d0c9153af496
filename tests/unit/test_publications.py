"""What readers see when a run is killed in the middle of publishing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.lake import publications, records
from lib.lake.history import publication_at
from lib.lake.layout import Layout, lake_at
from lib.lake.publications import (
    Accepted,
    Publication,
    PublishedTable,
    all_publications,
    current,
    heal,
    publish,
)
from tests.on_disk import on_disk


class Killed(BaseException):
    """Takes the place of a kill."""


def publication(name: str, hour: int, version: int) -> Publication:
    at = datetime(2026, 1, 1, hour, tzinfo=UTC)
    return Publication(name, name, at, {"tracks": PublishedTable("tracks", "silver/tracks", version, 10)})


def told(layout: Layout) -> tuple[str, int]:
    content = json.loads(on_disk(layout.published_json).read_text("utf-8"))
    return content["publication_id"], content["tables"]["tracks"]["version"]


def test_a_kill_between_the_commit_and_the_file_is_fixed_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = lake_at(str(tmp_path))
    publish(layout, publication("first", 1, 3))
    assert told(layout) == ("first", 3)

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(publications, "write_published_json", kill)
        with pytest.raises(Killed):
            publish(layout, publication("second", 2, 5))
    # One commit decides: the second is current, whole, and the file says so after the next start.
    assert current(layout) == replace(publication("second", 2, 5), replaces="first")
    assert told(layout) == ("first", 3)
    heal(layout)
    assert told(layout) == ("second", 5)


def test_there_is_nothing_to_fix_where_nothing_was_published_or_all_is_well(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    heal(layout)
    assert not on_disk(layout.published_json).exists()
    publish(layout, publication("first", 1, 3))
    before = on_disk(layout.published_json).stat().st_mtime_ns
    heal(layout)
    assert on_disk(layout.published_json).stat().st_mtime_ns == before


def test_a_publication_names_the_one_that_it_replaces(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    for hour, name in enumerate(("first", "second", "third")):
        publish(layout, publication(name, hour, hour))
    assert [(one.publication_id, one.replaces, one.restores) for one in all_publications(layout)] == [
        ("first", None, None),
        ("second", "first", None),
        ("third", "second", None),
    ]


def test_the_file_says_how_many_rows_a_table_has_and_how_many_of_them_are_live(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    tables = {
        "tracks": PublishedTable("tracks", "silver/tracks", 3, 10, 9),
        "listens": PublishedTable("listens", "gold/listens", 4, 7, 7),
    }
    publish(layout, replace(publication("first", 1, 3), tables=tables))
    assert json.loads(on_disk(layout.published_json).read_text("utf-8"))["tables"] == {
        "tracks": {"path": "silver/tracks", "version": 3, "rows": 10, "live_rows": 9, "live": "_deleted_at IS NULL"},
        "listens": {"path": "gold/listens", "version": 4, "rows": 7, "live_rows": 7, "live": "true"},
    }
    held = current(layout)
    assert held is not None
    assert held.tables == tables


def test_live_rows_are_recorded_beside_publications_of_a_version_that_did_not_count_them(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    schema = publications.SCHEMA.remove(publications.SCHEMA.get_field_index("live_rows"))
    [table] = publication("old", 1, 3).tables.values()
    head = {"publication_id": "old", "run_id": "old", "published_at": datetime(2026, 1, 1, tzinfo=UTC), "number": 1}
    records.append(layout.publications, schema, [{**dict.fromkeys(schema.names), **vars(table), **head}])
    held = current(layout)
    assert held is not None
    assert (held.tables["tracks"].live_rows, held.tables["tracks"].shown_rows) == (None, 10)
    tables = {"tracks": PublishedTable("tracks", "silver/tracks", 5, 10, 8)}
    publish(layout, replace(publication("new", 2, 5), tables=tables))
    assert [one.tables["tracks"].live_rows for one in all_publications(layout)] == [None, 8]


def test_who_accepted_what_and_why_is_in_the_record_and_in_the_file(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    publish(layout, publication("first", 1, 3))
    assert set(json.loads(on_disk(layout.published_json).read_text("utf-8"))) == {
        "publication_id",
        "run_id",
        "published_at",
        "tables",
    }
    accepted = Accepted("tracks.column_values_to_be_unique.id", "known \u00e9", "ann")
    publish(layout, replace(publication("second", 2, 5), accepted=(accepted,)))
    held = current(layout)
    assert held is not None
    assert held.accepted == (accepted,)
    assert json.loads(on_disk(layout.published_json).read_text("utf-8"))["accepted"] == [
        {"expectation": "tracks.column_values_to_be_unique.id", "reason": "known \u00e9", "by": "ann"}
    ]


def test_a_publication_comes_into_force_whatever_the_clock_said_at_the_one_before(tmp_path: Path) -> None:
    layout = lake_at(str(tmp_path))
    publish(layout, publication("first", 2, 3))
    publish(layout, publication("from the future", 9, 4))
    publish(layout, publication("at the same time", 9, 5))
    publish(layout, publication("clock set right", 3, 6))
    assert told(layout) == ("clock set right", 6)
    found = [(one.publication_id, one.number, one.replaces) for one in all_publications(layout)]
    assert found == [
        ("first", 1, None),
        ("from the future", 2, "first"),
        ("at the same time", 3, "from the future"),
        ("clock set right", 4, "at the same time"),
    ]
    # What people saw at 4 is the last of those that were made by 4; at 9, the last one of all.
    for hour, name in ((2, "first"), (4, "clock set right"), (9, "clock set right")):
        seen = publication_at(layout, "tracks", datetime(2026, 1, 1, hour, tzinfo=UTC))
        assert seen.publication_id == name

"""Which versions must stay readable, on lakes whose publications are known one by one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from lib.lake.derived import Base, tag_of
from lib.lake.retention import needed
from lib.lake.runs import TableRun, new_run
from lib.lake.states import RunState, Step, TableState
from tests.on_disk import on_disk
from tests.published_lake import DAY_0, PublishedLake

LATER = DAY_0 + timedelta(days=1000)


@pytest.fixture
def lake(tmp_path: Path) -> PublishedLake:
    """Publications a, b, c and d of versions 0 to 3, a day each from day 0 on; version 4 is merged and not published."""
    lake = PublishedLake(tmp_path)
    for name in "abcd":
        lake.published(name)
    lake.write()
    return lake


def versions(lake: PublishedLake, days: float) -> set[int]:
    return needed(lake.layout, DAY_0 + timedelta(days=days))["silver/tracks"].versions


def test_the_current_publication_the_previous_one_and_the_newest_version_always_stay(lake: PublishedLake) -> None:
    assert needed(lake.layout, LATER)["silver/tracks"].versions == {2, 3, 4}


def test_publications_stay_for_their_term(lake: PublishedLake) -> None:
    # c is of day 2, b of day 1.
    assert versions(lake, 2) == {2, 3, 4}
    assert versions(lake, 1) == {1, 2, 3, 4}
    assert versions(lake, 0.5) == {1, 2, 3, 4}
    assert versions(lake, 0) == {0, 1, 2, 3, 4}


def test_after_a_rollback_what_the_next_one_would_restore_stays(lake: PublishedLake) -> None:
    lake.roll_back()
    assert lake.told["publication_id"] == "c.rollback1"
    # Version 2 is current, and a further rollback goes to b. The rollback itself is of today, and of the versions of c.
    assert needed(lake.layout, LATER)["silver/tracks"].versions == {1, 2, 4}


def test_what_the_last_run_merged_stays_until_it_is_published(lake: PublishedLake) -> None:
    lake.write()
    run = new_run("e", "demo", "", {}, DAY_0 + timedelta(days=9))
    run.tables["tracks"] = TableRun("tracks", TableState.MERGED, path="silver/tracks", version=4)
    run.done = Step.DERIVE
    run.save(lake.layout)
    assert needed(lake.layout, LATER)["silver/tracks"].versions == {2, 3, 4, 5}
    run.to(RunState.MERGED)
    run.to(RunState.PUBLISHED)
    run.save(lake.layout)
    assert needed(lake.layout, LATER)["silver/tracks"].versions == {2, 3, 5}


def test_what_a_derived_table_was_made_from_stays_and_from_there_on_the_feed(lake: PublishedLake) -> None:
    base, gold = lake.layout.silver("listen_history"), lake.layout.gold("listens")
    for version in range(3):
        write_deltalake(str(base), pa.table({"id": [version]}), mode="overwrite")
    assert needed(lake.layout, LATER)["silver/listen_history"].versions == {2}
    tag = tag_of([Base("listen_history", base, 1)])
    made = CommitProperties(custom_metadata={"userMetadata": tag})
    on_disk(gold).parent.mkdir(exist_ok=True)
    write_deltalake(str(gold), pa.table({"id": [1]}), commit_properties=made)
    assert DeltaTable(str(gold)).history(1)[0]["userMetadata"] == tag
    found = needed(lake.layout, LATER)
    assert (found["silver/listen_history"].versions, found["silver/listen_history"].feed_from) == ({1, 2}, 2)
    assert (found["gold/listens"].versions, found["gold/listens"].feed_from) == ({0}, None)


def test_a_lake_without_a_table_needs_nothing(tmp_path: Path) -> None:
    assert needed(PublishedLake(tmp_path).layout, DAY_0) == {}

"""Increments from a real server through Spark into silver and a publication: what the runs without Spark model in Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import full_ingest
from jobs.full_ingest import ingest
from jobs.steps import record
from jobs.steps.options import Choices, Job
from lib.config import known_tables
from lib.errors import ChecksFailedError, SourceError
from lib.lake import publications
from lib.lake.runs import Run
from lib.lake.watermarks import all_watermarks, held
from lib.landing import key_sweep
from lib.landing.budget import Budget
from lib.landing.increments import WHAT_IS_DUE, Wanted
from lib.lineage.explain import Asked, explain
from lib.quality.suites import read_suite_files
from lib.source.access import Access
from tests.changing_source import NOON, Changing, ChangingServer
from tests.spark.served_table import Killed, Served, job_of

COLUMNS = {"id": "bigint!", "name": "string!", "at": "timestamp!", "note": "string"}


class Published(Served):
    """Runs that check and publish, of a table that is incremental."""

    server: Any

    @property
    def source(self) -> Changing:
        return self.server.source

    def job(self) -> Job:
        self.n_runs += 1
        settings = "".join(f"    {name}: {json.dumps(value)}\n" for name, value in self.settings.items())
        columns = "".join(f"      {name}: {kind}\n" for name, kind in self.columns.items())
        path = self.folder / "shop.yml"
        path.write_text(
            f"source: shop\napi: {{url: '{self.server.url}', pagination: {{size: 3}}, limits: {{concurrency: 2}}}}\n"
            f"tables:\n  things:\n    path: /things\n    key: [id]\n{settings}    columns:\n{columns}",
            "utf-8",
        )
        job = job_of(path, self.n_runs)
        job.suites = read_suite_files(self.folder / "expectations", known_tables(job.source))
        return job

    def publish(
        self,
        wanted: Wanted = WHAT_IS_DUE,
        *,
        no_check: bool = False,
        allow_deletes: bool = True,
        resume: str | None = None,
    ) -> Run:
        job = self.job()
        run = record.open_run(job, publishes=not no_check, resume=resume)
        choices = Choices(no_check=no_check, allow_deletes=allow_deletes, accept_incomplete=False, wanted=wanted)
        with record.recorded(job, run, "full-ingest"):
            ingest(job, Access.of(job.source.api, job.source.tables), Budget(2), run, choices)
        return run

    @property
    def watermark(self) -> str | None:
        known = held(all_watermarks(self.layout), publications.current(self.layout)).get(("things", None))
        return known and known.watermark


@pytest.fixture
def things(spark: SparkSession, tmp_path: Path) -> Iterator[Published]:
    source = Changing()
    for number in range(1, 41):
        source.put(number, at=NOON - timedelta(hours=0 if number == 40 else 2), note="n")
    with ChangingServer(source) as server:
        published = Published(spark, tmp_path, server, dict(COLUMNS))
        published.settings |= {"incremental": {"param": "since", "until_param": "until", "column": "at"}}
        published.publish()
        source.bounds()
        source.later(days=1)
        yield published


def live(things: Published) -> dict[int, str]:
    rows = things.silver("id, name, _deleted_at")
    return {number: name for number, name, deleted_at in rows if deleted_at is None}


@pytest.mark.quick
def test_an_increment_inserts_and_updates_and_deletes_nothing(things: Published) -> None:
    assert things.watermark == "2026-05-01T12:00:00Z"
    things.source.put(3, "changed")  # without a note, which in all the other rows there is
    things.source.put(41)
    things.source.rows = {number: row for number, row in things.source.rows.items() if number != 40}
    run = things.publish()
    record_ = run.tables["things"]
    assert (record_.rows_inserted, record_.rows_updated, record_.rows_deleted) == (1, 1, 0)
    assert live(things) == {**{number: f"row {number}" for number in range(1, 42)}, 3: "changed"}
    assert (run.state, things.watermark) == ("published", "2026-05-02T12:00:00Z")
    run = things.publish(Wanted(is_full=True))
    assert run.tables["things"].rows_deleted == 1
    assert 40 not in live(things)


@pytest.mark.quick
def test_what_the_overlap_has_is_found_to_be_published_without_spark(
    things: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    things.settings["incremental"]["overlap"] = "PT1M"
    things.source.put(41, at=NOON + timedelta(hours=1))
    things.publish()
    version, asked = things.version(), len(things.source.asked)

    def start(*_: object) -> None:
        raise AssertionError("Spark is not needed")

    monkeypatch.setattr(full_ingest, "start", start)
    run = things.publish()
    assert len(things.source.asked) == asked + 1
    assert (run.state, things.version()) == ("published", version)
    # The same row with another content, at the same time.
    things.source.put(41, "changed", at=NOON + timedelta(hours=1))
    with pytest.raises(AssertionError, match="Spark is not needed"):
        things.publish()


def test_one_bad_row_of_three_does_not_fail_an_increment(things: Published) -> None:
    things.settings["incremental"]["overlap"] = "PT1M"
    for number in (41, 42):
        things.source.put(number)
    things.source.put(43)
    things.source.rows[43]["name"] = None
    run = things.publish()
    record_ = run.tables["things"]
    assert (record_.rows_landed, record_.rows_rejected, run.state) == (4, 1, "published")
    # The bad one is not among the rows that say how far it was copied, nor is it resolved by not being seen again.
    things.source.later(days=1)
    things.source.put(44)
    things.source.drop(43)
    things.publish()
    assert things.quarantine("reason, resolution") == [("missing_value:name", None)]
    things.publish(Wanted(is_full=True))
    assert things.quarantine("reason, resolution") == [("missing_value:name", "deleted")]


def test_too_many_bad_rows_for_the_live_ones_fail_an_increment(things: Published) -> None:
    things.settings["incremental"]["overlap"] = "PT1M"
    for number in range(41, 45):
        things.source.put(number)
        things.source.rows[number]["name"] = None
    with pytest.raises(
        SourceError, match=r"4 of 40 rows break the contract, more than max_rejected_fraction \(0.05\) allows"
    ):
        things.publish()
    assert things.watermark == "2026-05-01T12:00:00Z"


def test_a_failed_check_keeps_the_watermark_and_its_rows_come_again(things: Published) -> None:
    things.settings["min_rows"] = 42
    things.source.put(41)
    with pytest.raises(ChecksFailedError):
        things.publish()
    assert things.watermark == "2026-05-01T12:00:00Z"
    things.source.put(42)
    things.source.bounds()
    things.publish()
    assert things.source.bounds()[0] == ("2026-05-01T11:00:00Z", None)
    assert things.watermark == "2026-05-02T12:00:00Z"
    assert len(live(things)) == 42


def test_an_increment_without_rows_over_live_ones_is_no_error(things: Published) -> None:
    things.settings["newest_by"] = "at"  # other settings than those of the run before, so that all is checked again
    things.source.rows.clear()
    run = things.publish()
    record_ = run.tables["things"]
    assert (run.state, record_.state, record_.rows_landed, record_.rows_deleted) == ("published", "merged", 0, 0)
    assert len(live(things)) == 40


def test_the_landed_pages_of_increments_are_merged_again_in_their_order(things: Published) -> None:
    things.source.put(3, "changed")
    things.source.put(41)
    things.publish()
    things.source.later(days=1)
    things.source.drop(40)
    things.source.put(42)
    things.publish()
    before, watermark = live(things), things.watermark
    run = things.replay("all")
    assert run.failed == {}
    assert live(things) == before
    assert 40 in before
    # Nothing is published by that, and the rows of all of these runs are in it.
    assert things.watermark == watermark == "2026-05-03T12:00:00Z"


@pytest.mark.quick
def test_a_sweep_deletes_what_neither_walk_has_and_so_does_a_replay_of_it(things: Published) -> None:
    things.settings["incremental"] |= {"sweep": "PT12H", "overlap": "PT1M"}
    things.settings["max_delete_fraction"] = 0.2
    things.source.put(41)
    things.source.put(42)
    things.source.rows[42]["name"] = None  # rejected, and there
    for number in (3, 5):
        things.source.drop(number)
    run = things.publish(allow_deletes=False)
    record_ = run.tables["things"]
    assert (record_.sweep, record_.rows_swept, record_.rows_landed, record_.rows_deleted) == ("counted", 40, 3, 2)
    assert set(live(things)) == {*range(1, 42)} - {3, 5}
    source, before = things.job().source, live(things)
    things.n_runs -= 1
    asked = {
        number: Asked(things.spark, source, things.layout, source.table("things"), {"id": number}) for number in (3, 4)
    }
    told = {
        number: next(line for line in explain(one) if line.startswith("run run-2 ")) for number, one in asked.items()
    }
    assert told[3].endswith("on no page: marked as deleted")
    assert told[4].endswith("on no page: kept (the sweep of this run met its key)")
    assert things.replay("all").failed == {}
    assert live(things) == before


def test_a_sweep_that_was_killed_begins_anew(things: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    things.settings["incremental"] |= {"sweep": "PT12H", "overlap": "PT1M"}
    things.source.put(41)
    things.source.drop(3)

    def dies(_: str) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(key_sweep, "reached", dies)
        with pytest.raises(Killed):
            things.publish()
    things.source.drop(5)
    run = things.publish(resume="run-2")
    assert (run.tables["things"].sweep, run.tables["things"].rows_swept) == ("counted", 39)
    assert set(live(things)) == {*range(1, 42)} - {3, 5}


def test_a_sweep_that_would_delete_too_many_rows_fails_its_table(things: Published) -> None:
    things.settings["incremental"] |= {"sweep": "PT12H", "overlap": "PT1M"}
    things.settings |= {"max_delete_fraction": 0.2, "min_rows": 0}
    for number in range(1, 10):
        things.source.drop(number)
    with pytest.raises(
        SourceError, match=r"9 of 40 rows are deleted at the source, more than max_delete_fraction \(0.2\) allows"
    ):
        things.publish(allow_deletes=False)
    things.source.rows.clear()
    with pytest.raises(SourceError, match="the source has no rows, the lake has 40"):
        things.publish(allow_deletes=False)
    things.publish()
    assert live(things) == {}


@pytest.fixture
def slices(spark: SparkSession, tmp_path: Path) -> Iterator[Published]:
    """Two slices, the newest row of which is of another day each; one more has no row."""
    source = Changing()
    source.put(1, state="open")
    source.put(2, state="open")
    source.put(3, at=NOON - timedelta(days=9), state="closed")
    with ChangingServer(source) as server:
        published = Published(spark, tmp_path, server, {"id": "bigint!", "name": "string!", "at": "timestamp!"})
        published.settings |= {
            "incremental": {"param": "since", "column": "at"},
            "slices": {"param": "state", "values": ["open", "closed", "new"]},
        }
        published.publish()
        source.asked.clear()
        source.later(days=1)
        yield published


def since(things: Published) -> dict[str, set[str | None]]:
    """From where on each slice was asked for."""
    found: dict[str, set[str | None]] = {}
    for one in things.source.asked:
        found.setdefault(one["state"], set()).add(one.get("since"))
    things.source.asked.clear()
    return found


def test_each_slice_is_asked_from_its_own_watermark_on(slices: Published) -> None:
    slices.source.put(4, state="closed")
    slices.source.put(5, at=NOON - timedelta(days=20), state="new")
    slices.source.drop(1)
    run = slices.publish()
    assert since(slices) == {"open": {"2026-05-01T11:00:00Z"}, "closed": {"2026-04-22T11:00:00Z"}, "new": {None}}
    assert live(slices) == {number: f"row {number}" for number in range(1, 6)}
    assert (run.tables["things"].asked, run.tables["things"].rows_deleted) == ("increment", 0)
    known = held(all_watermarks(slices.layout), publications.current(slices.layout))
    assert {part: one.watermark for (_, part), one in known.items()} == {
        None: "2026-05-02T12:00:00Z",
        '{"state":"open"}': "2026-05-01T12:00:00Z",
        '{"state":"closed"}': "2026-05-02T12:00:00Z",
        '{"state":"new"}': "2026-04-11T12:00:00Z",
    }
    slices.publish(Wanted(is_full=True))
    assert since(slices) == {"open": {None}, "closed": {None}, "new": {None}}
    assert 1 not in live(slices)


def test_slices_of_a_run_that_was_not_published_are_asked_from_where_they_were(slices: Published) -> None:
    slices.source.put(4, state="closed")
    slices.settings["min_rows"] = 99
    with pytest.raises(ChecksFailedError):
        slices.publish()
    slices.source.asked.clear()
    slices.settings["min_rows"] = 1
    slices.publish()
    assert since(slices) == {"open": {"2026-05-01T11:00:00Z"}, "closed": {"2026-04-22T11:00:00Z"}, "new": {None}}
    assert 4 in live(slices)

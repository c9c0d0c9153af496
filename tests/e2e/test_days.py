"""One lake from its first run on: the same data again, a day later, a failing check, an API that is down, and well again."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from demo import DemoSettings, Faults, build
from tests.e2e.jobs_and_lakes import (
    QUICK_TO_GIVE_UP,
    SMALL,
    TABLES,
    Row,
    Step,
    all_keys,
    content,
    footprint,
    good,
    ingest,
    printed,
    read,
    served_rows,
    small_demo,
    step,
)
from tests.e2e.warm_process import WarmProcess

pytestmark = [pytest.mark.e2e, pytest.mark.quick]

DAY_0 = build(DemoSettings(**SMALL))
DAY_1 = build(DemoSettings(**SMALL, day=1))
ORPHANED = build(DemoSettings(**SMALL, day=1, faults=Faults(orphans=3)))


def exploded(sessions: list[Row]) -> dict[tuple[Any, ...], int]:
    """Track by user, time and position."""
    return {
        (*key, position): track
        for key, row in good("listen_history", sessions).items()
        for position, track in enumerate(row["items"])
    }


# The steps, each after the one before it. Every one is run once, whatever the number of tests that look at it. The first four
# start as users start them.


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("days") / "a lake"


@pytest.fixture(scope="module")
def first(root: Path) -> Step:
    return step(ingest(root, "first", *small_demo()), root)


@pytest.fixture(scope="module")
def second(first: Step, root: Path) -> Step:
    return step(ingest(root, "second", *small_demo()), root)


@pytest.fixture(scope="module")
def next_day(second: Step, root: Path) -> Step:
    return step(ingest(root, "next_day", *small_demo(day=1)), root)


@pytest.fixture(scope="module")
def orphaned(next_day: Step, root: Path) -> Step:
    return step(ingest(root, "orphaned", *small_demo(**{"day": 1, "faults.orphans": 3})), root)


@pytest.fixture(scope="module")
def checked_again(orphaned: Step, root: Path, warm: WarmProcess) -> Step:
    return step(warm.job("sanity-check", "--lake", str(root)), root)


@pytest.fixture(scope="module")
def down(checked_again: Step, root: Path, warm: WarmProcess) -> Step:
    options = small_demo(**{"day": 1, "faults.down": "true"})
    return step(warm.ingest(root, "down", *options, *QUICK_TO_GIVE_UP), root)


@pytest.fixture(scope="module")
def unchecked(down: Step, root: Path, warm: WarmProcess) -> Step:
    return step(warm.ingest(root, "unchecked", *small_demo(day=1), "--no-check"), root)


@pytest.fixture(scope="module")
def checked(unchecked: Step, root: Path, warm: WarmProcess) -> Step:
    return step(warm.job("sanity-check", "--lake", str(root), *small_demo(day=1)), root)


def test_a_first_run_ends_well_and_its_last_lines_say_what_happened(first: Step, root: Path) -> None:
    assert first.ended.status == 0, first.ended.err
    expected: dict[str, tuple[int | None, ...]] = {
        table: (counts["served"], counts["rejected"], counts["duplicate"], counts["distinct_keys"], 0, 0)
        for table, counts in ((table, DAY_0.expected[table]) for table in TABLES)
    }
    expected["listens"] = (None, None, None, DAY_0.expected["listens"], None, None)
    assert printed(first.ended.out) == expected
    last = "\n".join(first.ended.out.splitlines()[-5:])
    assert "first is published" in last
    [check] = first.lake.rows("ops/checks")
    assert (check["failed"], check["unchecked"]) == (0, 0)
    n_checks = check["passed"] + check["warnings"]
    warned = f"{check['warnings']} warning{'' if check['warnings'] == 1 else 's'}, {check['passed']} of"
    assert f"Checks:  {warned if check['warnings'] else 'all'} {n_checks} checks passed" in last
    assert str(root / "site" / "index.html") in last


@pytest.mark.parametrize("table", TABLES)
def test_silver_holds_every_good_row_once_as_the_source_gave_it(first: Step, table: str) -> None:
    held = first.lake.by_key(table)
    assert {key: content(row) for key, row in held.items()} == good(table, DAY_0.rows[table])
    assert len(held) == DAY_0.expected[table]["distinct_keys"]
    started = first.lake.run("first")["started_at"]
    added = {(row["_run_id"], row["_first_seen_at"], row["_changed_at"], row["_deleted_at"]) for row in held.values()}
    assert added == {("first", started, started, None)}


def test_listens_are_the_tracks_of_all_sessions_in_their_order(first: Step) -> None:
    rows = first.lake.rows("gold/listens")
    held = {(row["user_id"], row["listened_at"], row["position"]): row["track_id"] for row in rows}
    assert len(rows) == DAY_0.expected["listens"]
    assert held == exploded(DAY_0.rows["listen_history"])


def test_rejected_rows_are_in_quarantine_with_their_place_and_reason(first: Step) -> None:
    rows = first.lake.rows("quarantine/rows", 'SELECT * FROM t ORDER BY "table"')
    expected = []
    for table, column in (("tracks", "name"), ("users", "email")):
        [place] = [place for place, row in enumerate(DAY_0.rows[table]) if row[column] is None]
        expected.append(("first", table, place // 100 + 1, place % 100, f"missing_value:{column}"))
    assert [(r["run_id"], r["table"], r["page"], r["position"], r["reason"]) for r in rows] == expected
    track, user = (json.loads(row["row"]) for row in rows)
    [nameless] = [row for row in DAY_0.rows["tracks"] if row["name"] is None]
    assert track == nameless
    [mailless] = [row for row in DAY_0.rows["users"] if row["email"] is None]
    assert user == {**mailless, **dict.fromkeys(("first_name", "last_name", "gender"), "***")}


def test_no_personal_value_is_in_quarantine_or_on_the_site(first: Step, root: Path) -> None:
    mails = {row["email"] for row in DAY_0.rows["users"] if row["email"]}
    assert len(mails) > 50
    text = json.dumps(first.lake.rows("quarantine/rows"), default=str)
    assert not [mail for mail in mails if mail in text]
    pages = [path for path in (root / "site").rglob("*") if path.is_file()]
    assert pages
    held = b"\n".join(path.read_bytes() for path in pages)
    assert not [mail for mail in mails if mail.encode() in held]


def test_bronze_holds_each_page_once_byte_for_byte(first: Step) -> None:
    pages = first.lake.rows("bronze/pages", 'SELECT * FROM t ORDER BY "table", page')
    for table in TABLES:
        own = [page for page in pages if page["table"] == table]
        served = DAY_0.rows[table]
        assert [page["page"] for page in own] == list(range(1, math.ceil(len(served) / 100) + 1))
        assert [row for page in own for row in json.loads(page["body"])["items"]] == served
    for page in pages:
        body = page["body"].encode()
        assert (page["sha256"], page["n_bytes"]) == (hashlib.sha256(body).hexdigest(), len(body))
        assert (page["run_id"], page["status"], page["attempts"], page["error"]) == ("first", 200, 1, None)
        assert page["n_items"] == len(json.loads(page["body"])["items"])


def test_the_run_is_recorded_once_with_its_end(first: Step) -> None:
    [run] = first.lake.rows("ops/runs")
    assert (run["run_id"], run["source"], run["state"], run["exit_status"]) == ("first", "demo", "published", 0)
    assert run["started_at"] < run["ended_at"]
    states = {table["table"]: (table["state"], table["proof"]) for table in run["tables"]}
    assert states == {**dict.fromkeys(TABLES, ("merged", "counted")), "listens": ("built", None)}


def test_one_publication_names_all_tables_at_versions_that_exist(first: Step, root: Path) -> None:
    rows = first.lake.rows("ops/publications")
    assert {(row["publication_id"], row["run_id"]) for row in rows} == {("first", "first")}
    published = first.lake.published
    assert set(published) == {"publication_id", "run_id", "published_at", "tables"}
    assert (published["publication_id"], published["run_id"]) == ("first", "first")
    live = {name: "true" if name == "listens" else "_deleted_at IS NULL" for name in published["tables"]}
    entries = {
        row["table"]: {
            **{name: row[name] for name in ("path", "version", "rows", "live_rows")},
            "live": live[row["table"]],
        }
        for row in rows
    }
    assert published["tables"] == entries
    assert {entry["path"] for entry in entries.values()} == {*(f"silver/{table}" for table in TABLES), "gold/listens"}
    for entry in entries.values():
        [counted] = read(root / entry["path"], entry["version"], "SELECT count(*) AS n FROM t")
        assert counted["n"] == entry["rows"]


def test_the_site_has_its_pages(first: Step, root: Path) -> None:
    for name in ("index.html", "runs.html", "runs/first/index.html"):
        assert (root / "site" / name).stat().st_size > 500
    assert b"runs/first/index.html" in first.lake.files["site/index.html"]
    assert b"runs/first/index.html" in first.lake.files["site/runs.html"]


def test_an_identical_second_run_writes_no_version_and_is_published(first: Step, second: Step, root: Path) -> None:
    assert second.ended.status == 0, second.ended.err
    assert second.lake.tables == first.lake.tables
    assert [row[3:] for table, row in printed(second.ended.out).items() if table in TABLES] == [(0, 0, 0)] * 3
    assert second.lake.publications == {"first", "second"}
    assert second.lake.published["publication_id"] == "second"
    assert second.lake.published["tables"] == first.lake.published["tables"]


def test_an_identical_second_run_leaves_no_new_data_file(first: Step, second: Step, root: Path) -> None:
    # Of all steps this lake went through, only those that changed rows may have left files.
    from deltalake import DeltaTable

    for table in first.lake.tables:
        at_first = DeltaTable(str(root / table), version=first.lake.versions[table])
        at_second = DeltaTable(str(root / table), version=second.lake.versions[table])
        assert at_first.file_uris() == at_second.file_uris()


@pytest.mark.parametrize("table", TABLES)
def test_a_day_later_rows_are_inserted_updated_and_deleted_as_at_the_source(
    first: Step, next_day: Step, table: str
) -> None:
    assert next_day.ended.status == 0, next_day.ended.err
    before, after = good(table, DAY_0.rows[table]), good(table, DAY_1.rows[table])
    inserted = after.keys() - before.keys()
    updated = {key for key in after.keys() & before.keys() if after[key] != before[key]}
    deleted = before.keys() - all_keys(table, DAY_1.rows[table])
    assert printed(next_day.ended.out)[table][3:] == (len(inserted), len(updated), len(deleted))

    run = next_day.lake.run("next_day")
    was, held = first.lake.by_key(table), next_day.lake.by_key(table)
    assert {key: content(row) for key, row in held.items()} == {**before, **after}
    for key, row in held.items():
        changed = key in inserted | updated | deleted
        assert row["_run_id"] == ("next_day" if changed else "first")
        assert row["_changed_at"] == (run["started_at"] if changed else was[key]["_changed_at"])
        assert row["_first_seen_at"] == (run["started_at"] if key in inserted else was[key]["_first_seen_at"])
        assert row["_deleted_at"] == (run["started_at"] if key in deleted else None)


def test_the_generator_changed_something_of_each_kind() -> None:
    changes = DAY_1.changes
    assert [len(changes["removed_tracks"]), len(changes["new_tracks"]), len(changes["new_users"])] == [1, 1, 1]
    assert len(changes["changed_users"]) == 1
    assert len(changes["new_sessions"]) == 3


def test_a_day_later_listens_are_those_of_that_day(next_day: Step) -> None:
    rows = next_day.lake.rows("gold/listens")
    held = {(row["user_id"], row["listened_at"], row["position"]): row["track_id"] for row in rows}
    assert held == exploded(DAY_1.rows["listen_history"])


def test_a_failing_check_ends_with_3_and_names_the_expectation(orphaned: Step) -> None:
    assert orphaned.ended.status == 3, orphaned.ended.err
    # Of three orphaned sessions, the first and third are of users that do not exist; the second has such a track.
    # The summary; the alerts in the log say it, too.
    lines = [line for line in orphaned.ended.err.splitlines() if line.startswith("  ")]
    [users] = [
        line for line in lines if line.startswith("  critical: listen_history.user_id -> users: 2 orphans (user_id ")
    ]
    [tracks] = [
        line for line in lines if line.startswith("  critical: listen_history.items[] -> tracks: 1 orphan (items ")
    ]
    assert users.endswith("[listen_history.orphans.user_id]")
    assert tracks.endswith("[listen_history.orphans.items[]]")
    assert "is published" not in orphaned.ended.out


def test_a_failing_check_publishes_nothing_but_its_docs_and_its_line(
    next_day: Step, orphaned: Step, root: Path
) -> None:
    assert orphaned.lake.publishes_as(next_day.lake)
    assert b"runs/orphaned/index.html" not in next_day.lake.files["site/runs.html"]
    assert b"runs/orphaned/index.html" in orphaned.lake.files["site/runs.html"]
    assert next_day.lake.index[1] == ""
    assert orphaned.lake.index[1].startswith("The latest run did not publish: checks failed orphaned, started on ")
    assert orphaned.lake.index[1].endswith("; its data docs")
    assert (root / "site" / "runs" / "orphaned" / "index.html").exists()
    run = orphaned.lake.run("orphaned")
    assert (run["state"], run["exit_status"]) == ("checks_failed", 3)


def test_what_fails_its_checks_is_merged_all_the_same(orphaned: Step) -> None:
    held = {key for key, row in orphaned.lake.by_key("listen_history").items() if row["_deleted_at"] is None}
    assert held == good("listen_history", ORPHANED.rows["listen_history"]).keys()


def test_a_second_look_at_failing_data_fails_too(next_day: Step, checked_again: Step, root: Path) -> None:
    assert checked_again.ended.status == 3, checked_again.ended.err
    assert "listen_history.user_id -> users: " in checked_again.ended.err
    assert checked_again.lake.publishes_as(next_day.lake)
    docs = sorted(path.name for path in (root / "site" / "runs").iterdir() if path.name.startswith("orphaned"))
    assert docs == ["orphaned", "orphaned.check2"]


def test_an_api_that_is_down_ends_with_4_before_spark_starts_and_changes_no_table(
    next_day: Step, checked_again: Step, down: Step
) -> None:
    assert down.ended.status == 4, down.ended.err
    assert "start Spark" not in down.ended.err
    assert "503" in down.ended.err
    assert down.lake.tables == checked_again.lake.tables
    assert down.lake.publishes_as(next_day.lake)
    assert down.lake.index[1].startswith("The latest run did not publish: source failed down, started on ")
    run = down.lake.run("down")
    assert (run["state"], run["exit_status"]) == ("failed", 4)


def test_a_dry_run_prints_the_plan_and_touches_nothing(down: Step, root: Path, warm: WarmProcess) -> None:
    before = footprint(root)
    ended = warm.ingest(root, "dry", *small_demo(day=1), "--dry-run")
    assert ended.status == 0, ended.err
    assert footprint(root) == before
    assert "not published" in ended.out
    lines = [line.split() for line in ended.out.splitlines()]
    for table in TABLES:
        rows = len(DAY_1.rows[table])
        assert [table, f"{rows:,}", str(math.ceil(rows / 100))] in lines


def test_a_dry_run_makes_no_lake(tmp_path: Path) -> None:
    ended = ingest(tmp_path / "none", "dry", *small_demo(), "--dry-run")
    assert ended.status == 0, ended.err
    assert "not published" in ended.out
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_checks_merges_and_publishes_nothing(next_day: Step, unchecked: Step) -> None:
    assert unchecked.ended.status == 0, unchecked.ended.err
    assert "not published" in unchecked.ended.out
    assert "sanity-check" in unchecked.ended.out.splitlines()[-1]
    assert unchecked.lake.publishes_as(next_day.lake)
    assert unchecked.lake.index[1].startswith("The latest run did not publish: merged, not published unchecked, ")
    # The three orphaned sessions are gone from the source again.
    assert printed(unchecked.ended.out)["listen_history"][3:] == (0, 0, 3)
    assert unchecked.lake.run("unchecked")["state"] == "merged"


def test_what_is_published_a_day_later_was_checked_at_that_version(next_day: Step) -> None:
    published = next_day.lake.published["tables"]
    assert published["listens"]["rows"] == len(exploded(DAY_1.rows["listen_history"]))
    for entry in published.values():
        rows = read(next_day.lake.root / entry["path"], entry["version"])
        assert (entry["rows"], entry["live_rows"]) == (len(rows), sum(not row.get("_deleted_at") for row in rows)), (
            entry
        )
    tracks = published["tracks"]
    assert tracks["live_rows"] < tracks["rows"]
    page = next_day.lake.files["site/index.html"].decode()
    assert f'<p class="rows">{tracks["live_rows"]:,} <span>rows</span></p>' in page
    assert f'<p class="soft">And {tracks["rows"] - tracks["live_rows"]:,} deleted</p>' in page


def test_a_check_of_its_own_publishes_what_was_merged(unchecked: Step, checked: Step, root: Path) -> None:
    assert checked.ended.status == 0, checked.ended.err
    published = checked.lake.published
    assert published["run_id"] == "unchecked"
    assert {entry["path"]: entry["version"] for entry in published["tables"].values()} == unchecked.lake.tables
    assert checked.lake.index[0] != unchecked.lake.index[0]
    assert checked.lake.index[1] == ""
    assert checked.lake.run("unchecked")["state"] == "published"
    live = {key for key, row in checked.lake.by_key("listen_history").items() if row["_deleted_at"] is None}
    assert live == good("listen_history", served_rows(day=1)["listen_history"]).keys()


def test_docs_of_earlier_runs_stay_as_they_are(checked: Step, root: Path) -> None:
    kept = {path.name for path in (root / "site" / "runs").iterdir()}
    assert kept == {"first", "second", "next_day", "orphaned", "orphaned.check2", "unchecked"}

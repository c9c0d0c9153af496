"""A lease: one holder at a time, said to all, given back at the end, and no longer in anybody's way once its holder is dead."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pyarrow as pa
import pytest
from obstore.store import MemoryStore, ObjectStore

from lib.errors import ConfigError, LakeError
from lib.lake import lease as leases
from lib.lake import storage
from lib.lake.conditions import check_conditions
from lib.lake.layout import Layout, check_owner
from lib.lake.lease import Lease, check_held, find
from lib.lake.lock import alerting, left_by, run_at_work, writing
from lib.lake.storage import Address
from tests.clocked_store import LOST, REFUSED, Clock, ClockedStore, World

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
KEY, WHERE = "lake/.lock", "s3://bucket/lake/.lock"
# A holder who takes the lease and says so, and then does nothing more.
HOLDER = """
import sys, time
from datetime import UTC, datetime
from lib.lake.layout import lake_at
from lib.lake.lock import writing
with writing(lake_at(sys.argv[1]), "killed", datetime.now(UTC)):
    print("taken", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["this machine", "objects"])
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> Layout:
    text = f"{tmp_path}/a lake" if request.param == "this machine" else f"memory://{uuid4()}/a lake"
    return Layout(Address.of(text))


def test_one_run_at_a_time_writes_and_says_who_it_is(layout: Layout) -> None:
    assert (run_at_work(layout), left_by(layout)) == (None, None)
    with writing(layout, "r1", NOW):
        assert run_at_work(layout) == "r1"
        with (
            pytest.raises(
                LakeError,
                match=r"run r1 \(process \d+ on \S+, since 2026-03-01 01:30:00 UTC\) is at work on this lake\. Nothing was "
                r"touched; wait until it has ended, and start again"
                + (r"\. If it was killed, its lease ends at \d\d:\d\d:\d\d UTC$" if layout.root.store else "$"),
            ),
            writing(layout, "r2", NOW),
        ):
            pass
        assert run_at_work(layout) == "r1"
    assert (run_at_work(layout), left_by(layout)) == (None, None)
    with writing(layout, "r2", NOW):
        assert run_at_work(layout) == "r2"


def test_a_run_that_fails_gives_the_lease_back(layout: Layout) -> None:
    with pytest.raises(ZeroDivisionError), writing(layout, "r1", NOW):
        _ = 1 / 0
    assert (run_at_work(layout), left_by(layout)) == (None, None)


def test_alerts_are_sent_by_one_process_at_a_time(layout: Layout) -> None:
    with alerting(layout, patience_s=0) as is_mine, alerting(layout, patience_s=0) as is_mine_too:
        assert (is_mine, is_mine_too) == (True, False)
    with alerting(layout, patience_s=0) as is_mine:
        assert is_mine


def test_alerts_are_sent_where_their_lease_cannot_be_read() -> None:
    layout = Layout(Address.of(f"memory://{uuid4()}/lake"))
    storage.replace_text(layout.alerts_lock, "rubbish")
    with alerting(layout, patience_s=0) as is_mine:
        assert is_mine


def test_a_killed_run_of_this_machine_blocks_nobody_and_is_known(tmp_path: Path) -> None:
    layout = Layout(Address.of(str(tmp_path)))
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        assert run_at_work(layout) == "killed"
        holder.kill()
    assert (run_at_work(layout), left_by(layout)) == (None, "killed")
    with writing(layout, "next", NOW):
        assert run_at_work(layout) == "next"
    assert left_by(layout) is None


def test_a_killed_run_of_an_object_store_is_at_work_until_its_lease_ends_and_known_then() -> None:
    layout = Layout(Address.of(f"memory://{uuid4()}/lake"))
    store = storage._store(layout.root.store)._store
    killed = Lease(store, KEY, "run r1 (process 1 on a-host, since then)", where=WHERE, duration_s=60)
    assert killed.take(find(store, KEY, WHERE))
    ends_at = find(store, KEY, WHERE).ends_at
    assert (run_at_work(layout), storage.lease_ends_at(layout.lock)) == ("r1", ends_at)
    with (
        pytest.raises(LakeError, match=f"If it was killed, its lease ends at {ends_at:%H:%M:%S} UTC"),
        writing(layout, "r2", NOW),
    ):
        pass
    storage.remove(layout.root)
    # A second of the store's, in which the lease of no time at all goes on.
    killed = Lease(store, KEY, "run r1 (process 1 on a-host, since then)", where=WHERE, duration_s=0)
    assert killed.take(find(store, KEY, WHERE))
    while run_at_work(layout) is not None:
        threading.Event().wait(0.05)
    assert left_by(layout) == "r1"
    with writing(layout, "r2", NOW):
        assert (run_at_work(layout), left_by(layout)) == ("r2", "r2")
    assert left_by(layout) is None


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def store(world: World) -> ClockedStore:
    """A store whose clock is two minutes ahead: no machine's clock is held against it."""
    return ClockedStore(Clock(world, 120))


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lease of another test is asked for."""
    monkeypatch.setattr(leases, "_held", set())


def lease(
    store: ClockedStore | ObjectStore,
    text: str,
    world: World,
    lost: Callable[[str], None] = pytest.fail,
    *,
    duration_s: float = 60,
    wall_ahead_s: float = 0,
) -> Lease:
    clocks = Clock(world, -1_000_000), Clock(world, wall_ahead_s)
    return Lease(cast(ObjectStore, store), KEY, text, where=WHERE, duration_s=duration_s, lost=lost, clocks=clocks)


def there(store: ClockedStore | ObjectStore) -> leases.Found:
    return find(cast(ObjectStore, store), KEY, WHERE)


@pytest.mark.parametrize("wall_ahead_s", [-30, 0, 3600])
def test_a_lease_that_nobody_renews_ends_by_the_stores_clock_alone(
    store: ClockedStore, world: World, wall_ahead_s: float
) -> None:
    assert lease(store, "killed", world).take(there(store))
    assert there(store).ends_at == datetime.fromtimestamp(world.now + 120 + 61, UTC)
    world.now += 60
    other = lease(store, "next", world, wall_ahead_s=wall_ahead_s)
    assert not other.take(there(store))
    world.now += 1
    assert there(store).said.text == "killed"
    # Counted on from the time that the store once told.
    assert other.take(there(store))
    assert there(store).said.text == "next"
    assert set(store.held) == {KEY}


def test_a_holder_stops_a_quarter_before_others_may_take_over(store: ClockedStore, world: World) -> None:
    mine = lease(store, "mine", world)
    assert mine.left_s() == 0
    assert mine.take(there(store))
    assert mine.left_s() == 45
    world.now += 15
    assert mine.left_s() == 30
    assert mine.renew()
    assert mine.left_s() == 45


@pytest.mark.parametrize("sleeper", [0, 1])
def test_the_clock_that_saw_more_time_pass_counts(store: ClockedStore, world: World, sleeper: int) -> None:
    mine = lease(store, "mine", world)
    assert mine.take(there(store))
    world.now += 100
    # One of the clocks stood still in the machine's sleep.
    cast(Clock, mine._clocks[sleeper]).ahead_s -= 100
    assert mine.left_s() == -55


def test_time_counts_from_when_a_renewal_was_sent(store: ClockedStore, world: World) -> None:
    mine = lease(store, "mine", world)

    def slow() -> None:
        world.now += 40

    store.meanwhile = slow
    assert mine.take(there(store))
    assert mine.left_s() == 5


def test_a_holder_renews_its_lease_until_it_gives_it_back(world: World) -> None:
    store = MemoryStore()
    mine = lease(store, "mine", world, duration_s=0.6)
    assert mine.take(there(store))
    first = there(store).said
    mine.keep()
    while there(store).said == first:
        threading.Event().wait(0.01)
    check_held()
    mine.give_back()
    assert there(store).said.holder == ""
    assert lease(store, "next", world).take(there(store))


def test_a_holder_whose_lease_another_one_took_is_told_and_leaves_it_alone(world: World) -> None:
    store, told, is_told = MemoryStore(), list[str](), threading.Event()

    def lost(where: str) -> None:
        told.append(where)
        is_told.set()

    slow = lease(store, "slow", world, lost, duration_s=0.6)
    assert slow.take(there(store))
    # As one that was deleted, and then taken.
    store.delete(KEY)
    assert lease(store, "next", world).take(there(store))
    slow.keep()
    assert is_told.wait(10)
    with pytest.raises(
        LakeError, match=r"^s3://bucket/lake/\.lock: the lease was lost, as it could not be renewed in time"
    ):
        check_held()
    slow.give_back()
    assert (there(store).said.text, told) == ("next", [WHERE])


@pytest.mark.parametrize(
    ("what", "by"),
    [
        (None, "deleted"),
        (b"rubbish", "overwritten"),
    ],
)
def test_a_holder_whose_lease_is_no_more_has_lost_it(
    store: ClockedStore, world: World, what: bytes | None, by: str
) -> None:
    mine = lease(store, "mine", world)
    assert mine.take(there(store))
    store.delete(KEY)
    if what is not None:
        store.put(KEY, what)
    # Another one may have had it by then.
    assert not mine._is_renewed(), by


def test_of_two_who_see_a_lease_end_one_takes_it(store: ClockedStore, world: World) -> None:
    assert lease(store, "killed", world).take(there(store))
    world.now += 61
    one, other = lease(store, "one", world), lease(store, "other", world)
    seen = there(store)
    assert one.take(seen)
    assert not other.take(seen)
    assert there(store).said.text == "one"


def test_of_two_who_find_nothing_one_takes_it(store: ClockedStore, world: World) -> None:
    one, other = lease(store, "one", world), lease(store, "other", world)
    store.meanwhile = lambda: assert_taken(other)
    assert not one.take(leases.Found())
    assert there(store).said.text == "other"


def assert_taken(one: Lease) -> None:
    assert one.take(leases.Found())


@pytest.mark.parametrize("faults", [[LOST], [LOST, REFUSED]], ids=["the next look shows it", "nor is it shown"])
def test_a_holder_knows_its_own_record_where_the_answer_was_lost(
    store: ClockedStore, world: World, faults: list[str | None]
) -> None:
    mine = lease(store, "mine", world)
    assert mine.take(there(store))
    world.now += 10
    store.faults = list(faults)
    assert mine._is_renewed()
    assert mine.left_s() == (45 if len(faults) == 1 else 35)
    world.now += 10
    assert mine.renew()
    assert mine.left_s() == 45
    store.faults = [LOST]
    mine.give_back()
    assert there(store).said.holder == ""


def test_a_holder_takes_what_it_made_where_the_answer_was_lost(store: ClockedStore, world: World) -> None:
    mine = lease(store, "mine", world)
    store.faults = [LOST]
    assert mine.take(leases.Found())
    assert there(store).said.text == "mine"


def test_a_store_that_does_not_answer_ends_a_lease_no_earlier_than_its_time(store: ClockedStore, world: World) -> None:
    mine = lease(store, "mine", world, lambda _where: None)
    assert mine.take(there(store))
    mine._threads = []
    mine.keep()
    world.now += 44
    store.faults = [REFUSED, REFUSED]
    assert mine._is_renewed()
    mine.check()
    check_held()
    world.now += 1
    with pytest.raises(LakeError, match="the lease was lost"):
        mine.check()
    with pytest.raises(LakeError, match="the lease was lost"):
        check_held()
    mine.give_back()
    assert there(store).said.text == "mine"
    check_held()


def test_nothing_is_written_once_the_lease_is_lost(store: ClockedStore, world: World, tmp_path: Path) -> None:
    lake = Address.of(str(tmp_path))
    storage.replace_text(lake / "a" / "file", "old")
    rows = pa.table({"id": [1]})
    table = storage.create_table(lake / "table", rows.schema, {})
    storage.append_rows(lake / "table", table, lambda: rows)
    mine = lease(store, "mine", world, lambda _where: None)
    mine._threads = []
    assert mine.take(there(store))
    mine.keep()
    storage.replace_text(lake / "a" / "file", "new")
    world.now += 45
    made = storage.work_folder(lake, "made")
    writes: list[Callable[[], Any]] = [
        lambda: storage.replace_text(lake / "a" / "file", "newer"),
        lambda: storage.remove(lake / "a"),
        lambda: storage.remove_older(lake, datetime.now(UTC) + timedelta(days=1)),
        lambda: storage.move_in(made, lake / "b"),
        lambda: storage.create_table(lake / "other", rows.schema, {}),
        lambda: storage.append_rows(lake / "table", table, lambda: rows),
        lambda: storage.replace_rows(lake / "table", table, rows, "id = 1"),
        lambda: storage.to_write(lake / "silver"),
    ]
    for write in writes:
        with pytest.raises(LakeError, match="the lease was lost"):
            write()
    assert storage.names(lake) == {"a", "table", made.name}
    assert storage.read_text(lake / "a" / "file") == "new"
    assert storage.table(lake / "table").version() == 1


def test_a_lease_that_is_not_there_is_nobodys() -> None:
    lock = Address.of(f"memory://{uuid4()}/lake/.lock")
    assert (storage.is_leased(lock), storage.lease_text(lock), storage.lease_ends_at(lock)) == (False, "", None)


RECORD = {"format": 1, "text": "run r1", "holder": "h", "duration_s": 60.0, "renewals": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"rubbish",
        b"[]",
        b"7",
        b"[" * 100_000,
        b"{}",
        *(
            json.dumps(RECORD | change).encode()
            for change in (
                {"format": "1"},
                {"format": None},
                {"duration_s": "long"},
                {"duration_s": -1},
                {"duration_s": float("nan")},
                {"duration_s": 1e300},
                {"renewals": None},
            )
        ),
    ],
)
def test_what_is_no_lease_is_refused_by_who_would_write_or_looks(body: bytes) -> None:
    layout = Layout(Address.of(f"memory://{uuid4()}/lake"))
    storage._store(layout.root.store)._store.put(KEY, body)
    with (
        pytest.raises(
            LakeError,
            match=rf"^{layout.lock}: this is not a lease, so nobody knows whether a run is at work; if none is, remove the object$",
        ),
        writing(layout, "r1", NOW),
    ):
        pass
    with pytest.raises(LakeError, match="this is not a lease"):
        run_at_work(layout)


def test_a_lease_of_a_newer_version_is_refused() -> None:
    layout = Layout(Address.of(f"memory://{uuid4()}/lake"))
    storage.replace_text(layout.lock, json.dumps({"format": 2, "who": "somebody"}))
    with (
        pytest.raises(
            LakeError,
            match=rf"^{layout.lock}: a newer Pagelake wrote this lease \(format 2, this one knows 1\); update Pagelake$",
        ),
        writing(layout, "r1", NOW),
    ):
        pass


class Forgetful(ClockedStore):
    """A store that ignores some conditions, or refuses what it should do."""

    ignored: str = ""

    def put(self, key: str, body: bytes, *, mode: str | dict[str, str] = "overwrite") -> dict[str, Any]:
        kind = mode if isinstance(mode, str) else "e_tag"
        if self.ignored == f"never {kind}":
            return super().put(key, body, mode={"e_tag": "another"} if self.held else "create")
        return super().put(key, body, mode="overwrite" if kind == self.ignored else mode)


def test_who_sends_alerts_waits_for_the_end_of_a_lease_whose_holder_was_killed() -> None:
    layout = Layout(Address.of(f"memory://{uuid4()}/lake"))
    store = storage._store(layout.root.store)._store
    key = layout.alerts_lock.path.removeprefix("/")
    killed = Lease(store, key, "", where=str(layout.alerts_lock), duration_s=0.5)
    assert killed.take(find(store, key, str(layout.alerts_lock)))
    with alerting(layout, patience_s=0) as is_mine:
        assert is_mine


@pytest.mark.parametrize(
    ("ignored", "why"),
    [
        ("create", "it makes an object that is there already"),
        ("e_tag", "it replaces an object whose ETag is another one by now"),
        ("never e_tag", "it refuses to replace an object whose ETag is the one that was given"),
    ],
)
def test_a_store_that_does_not_keep_to_conditions_is_refused(world: World, ignored: str, why: str) -> None:
    store = Forgetful(Clock(world))
    store.ignored = ignored
    with pytest.raises(ConfigError) as caught:
        check_conditions(cast(ObjectStore, store), KEY, WHERE)
    assert str(caught.value) == (
        "s3://bucket/lake/.lock: two runs could write this lake at once, as its store does not keep to the conditions of a "
        f"write ({why}). Use a store, or a newer version of its server, that honours If-None-Match and If-Match, or give another "
        "--lake"
    )
    assert store.held == {}


def test_a_store_that_keeps_to_conditions_is_taken_and_left_as_it_was(world: World) -> None:
    store = ClockedStore(Clock(world), faults=[LOST, None, None])
    check_conditions(cast(ObjectStore, store), KEY, WHERE)
    assert store.held == {}


def test_a_store_is_asked_once_before_the_first_lease_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    layout, asked = Layout(Address.of(f"memory://{uuid4()}/lake")), list[str]()
    monkeypatch.setattr("lib.lake.objects.check_conditions", lambda _store, key, _where: asked.append(key))
    assert run_at_work(layout) is None
    assert asked == []
    for name in ("r1", "r2"):
        with writing(layout, name, NOW):
            pass
    assert asked == [KEY]


def test_what_was_asked_of_a_store_and_not_removed_is_no_reason_to_refuse_it(layout: Layout) -> None:
    storage.replace_text(layout.root / ".lock.3f2a", "")
    check_owner(layout, "demo")

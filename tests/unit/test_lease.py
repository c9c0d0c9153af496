"""A lease: one holder at a time, said to all, given back at the end, and no longer in anybody's way once its holder is dead."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from obstore.store import MemoryStore, ObjectStore

from lib.errors import LakeError
from lib.lake import storage
from lib.lake.layout import Layout
from lib.lake.lease import Lease, said
from lib.lake.lock import alerting, left_by, run_at_work, writing
from lib.lake.storage import Address

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
KEY = "lake/.lock"
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
            pytest.raises(LakeError, match=r"run r1 \(process \d+, since 2026-03-01 01:30:00 UTC\) is at work on this"),
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


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lease(
    store: ObjectStore, text: str, clock: Clock, lost: Callable[[str], None] = pytest.fail, duration_s: float = 600
) -> Lease:
    return Lease(store, KEY, text, duration_s=duration_s, lost=lost, clock=clock)


def test_a_lease_that_nobody_renews_ends_and_says_who_held_it() -> None:
    store, clock = MemoryStore(), Clock()
    assert lease(store, "killed", clock).take()
    clock.now += 599
    assert not lease(store, "next", clock).take()
    clock.now += 1
    assert said(store, KEY)[0].text == "killed"
    assert lease(store, "next", clock).take()
    assert said(store, KEY)[0].text == "next"


def test_a_holder_renews_its_lease_until_it_gives_it_back() -> None:
    store, clock = MemoryStore(), Clock()
    mine = lease(store, "mine", clock, duration_s=0.2)
    assert mine.take()
    first, _ = said(store, KEY)
    clock.now += 0.1
    for _ in range(100):
        if said(store, KEY)[0].until > first.until:
            break
        threading.Event().wait(0.05)
    assert said(store, KEY)[0].until == pytest.approx(first.until + 0.1)
    mine.give_back()
    assert said(store, KEY)[0].text == ""
    assert lease(store, "next", clock).take()


def test_a_holder_whose_lease_another_one_took_is_told_and_leaves_it_alone() -> None:
    store, clock, is_told = MemoryStore(), Clock(), threading.Event()
    slow = lease(store, "slow", clock, lambda _key: is_told.set(), duration_s=2)
    assert slow.take()
    clock.now += 2
    assert lease(store, "next", clock).take()
    assert is_told.wait(10)
    slow.give_back()
    assert said(store, KEY)[0].text == "next"


def test_of_two_who_see_a_lease_end_one_takes_it() -> None:
    store, clock = MemoryStore(), Clock()
    assert lease(store, "killed", clock).take()
    clock.now += 600
    one, other = lease(store, "one", clock), lease(store, "other", clock)
    seen = said(store, KEY)[1]
    assert one.take()
    # What the other one would write, had it looked before.
    assert not other._put(seen)
    assert said(store, KEY)[0].text == "one"


@pytest.mark.parametrize(("waited_s", "is_lost"), [(599, False), (600, True)])
def test_a_store_that_does_not_answer_ends_a_lease_no_earlier_than_its_time(
    waited_s: float, *, is_lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    mine = lease(MemoryStore(), "mine", clock)
    assert mine.take()

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(MemoryStore, "put", refuse)
    clock.now += waited_s
    assert mine._renewed() is not is_lost
    mine.give_back()


def test_a_lease_that_is_not_there_is_nobodys() -> None:
    lock = Address.of(f"memory://{uuid4()}/lake/.lock")
    assert (storage.is_leased(lock), storage.lease_text(lock)) == (False, "")

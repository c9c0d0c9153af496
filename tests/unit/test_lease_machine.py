"""Several holders of one lease, with clocks of their own, pauses, kills and lost answers: never do two believe to hold it."""

from __future__ import annotations

from typing import cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from lib.lake.lease import Lease, find
from tests.clocked_store import LOST, REFUSED, Clock, ClockedStore, World
from tests.suite_parts import examples

KEY, N = "lake/.lock", 2
who = st.sampled_from(range(N))
# Up to well over a lease, and what is just below and above its parts.
waits = st.sampled_from([1, 10, 14, 30])
pauses = st.sampled_from([0, 0, 0, 1, 30, 62])
sleeps = st.just(62)
troubles = st.sampled_from([[], [], [], [LOST], [REFUSED], [LOST, REFUSED], [None, LOST]])


class Leases(RuleBasedStateMachine):
    """A process is its lease: one that is killed, lost it or gave it back starts anew with another."""

    @initialize(store_ahead_s=st.floats(-600, 600), ahead_s=st.lists(st.floats(-600, 600), min_size=N, max_size=N))
    def begin(self, store_ahead_s: float, ahead_s: list[float]) -> None:
        self.world = World()
        self.store = ClockedStore(Clock(self.world, store_ahead_s))
        # Monotonic clocks begin anywhere.
        self.clocks = [(Clock(self.world, -7 * ahead), Clock(self.world, ahead)) for ahead in ahead_s]
        self.leases = [self.anew(one) for one in range(N)]

    def anew(self, one: int) -> Lease:
        return Lease(
            cast(ObjectStore, self.store), KEY, f"run {one}", where=KEY, lost=lambda _: None, clocks=self.clocks[one]
        )

    def holders(self) -> list[int]:
        return [one for one in range(N) if self.leases[one].left_s() > 0]

    @rule(passed_s=waits)
    def wait(self, passed_s: float) -> None:
        self.world.now += passed_s

    @rule(one=who, passed_s=sleeps)
    def sleep(self, one: int, passed_s: float) -> None:
        """A machine is asleep meanwhile: its monotonic clock stands still."""
        self.world.now += passed_s
        self.clocks[one][0].ahead_s -= passed_s

    @rule(
        one=who, other=who, race=st.sampled_from(["no", "before", "within", "after"]), passed_s=pauses, faults=troubles
    )
    def take(self, one: int, other: int, race: str, passed_s: float, faults: list[str | None]) -> None:
        """Between look and put, while the put is under way, or before its answer, time passes and another one does the same."""

        def meanwhile() -> None:
            self.world.now += passed_s
            if race != "no" and other != one:
                self.take(other, other, "no", 0, [])

        self.store.faults = list(faults)
        if self.leases[one].left_s() > 0:
            return
        try:
            found = find(cast(ObjectStore, self.store), KEY, KEY)
            if race == "within":
                self.store.meanwhile = meanwhile
            elif race == "after":
                self.store.afterwards = meanwhile
            else:
                meanwhile()
            self.leases[one].take(found)
        except BaseError:
            # It may have been done all the same. The process ends.
            self.leases[one] = self.anew(one)
        self.store.meanwhile = self.store.afterwards = None

    @rule(one=who, passed_s=pauses, is_done=st.booleans(), faults=troubles)
    def renew(self, one: int, passed_s: float, *, is_done: bool, faults: list[str | None]) -> None:
        """All the same if the holder has been asleep until now, and does not look at its clocks first."""
        mine = self.leases[one]
        if mine._sent is None:
            return

        def slow() -> None:
            self.world.now += passed_s

        self.store.faults = list(faults)
        if is_done:
            self.store.afterwards = slow
        else:
            self.store.meanwhile = slow
        if not mine._is_renewed():
            self.leases[one] = self.anew(one)
        self.store.meanwhile = self.store.afterwards = None

    @precondition(lambda self: self.holders())
    @rule(one=who, is_killed=st.booleans(), faults=troubles)
    def end(self, one: int, *, is_killed: bool, faults: list[str | None]) -> None:
        self.store.faults = list(faults)
        if not is_killed:
            self.leases[one].give_back()
        self.leases[one] = self.anew(one)

    @invariant()
    def one_holds_it_at_most(self) -> None:
        assert len(self.holders()) <= 1

    @invariant()
    def the_store_names_the_holder(self) -> None:
        for one in self.holders():
            self.store.faults = []
            assert find(cast(ObjectStore, self.store), KEY, KEY).said.text == f"run {one}"

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        # All are dead, and the lease of the last one ends.
        self.store.faults, self.world.now = [], self.world.now + 62
        assert self.holders() == []
        self.leases = [self.anew(0)]
        assert self.leases[0].take(find(cast(ObjectStore, self.store), KEY, KEY))
        assert self.leases[0].left_s() == 45


TestLeases = Leases.TestCase
TestLeases.settings = settings(
    max_examples=examples(150), stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)

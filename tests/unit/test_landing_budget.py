"""One budget of requests, for the driver's threads and for those of other processes."""

from __future__ import annotations

import math
import multiprocessing
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.sharedctypes import Synchronized

import pytest

from lib.landing import budget_server
from lib.landing.budget import Budget
from lib.landing.budget_server import BudgetServer, RemoteGate
from lib.landing.fetch import FetchPages, parts_shared_out, shared_out
from lib.landing.part_reader import PartSpan
from lib.landing.plan import PageRange
from lib.source.access import Access
from lib.source.gate import Gate
from lib.source.part import Part

HOST = "127.0.0.1"
SPAWN = multiprocessing.get_context("spawn")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def eventually(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def test_permits_are_handed_out_up_to_the_concurrency_and_again_when_given_back(clock: Clock) -> None:
    budget = Budget(2, clock=clock)
    one, two, three = budget.turn(), budget.turn(), budget.turn()
    assert [turn.wait(0) for turn in (one, two, three)] == [True, True, False]
    two.end()
    two.end()  # a second time gives nothing back
    four = budget.turn()
    assert [turn.wait(0) for turn in (three, four)] == [True, False]


def test_who_came_first_goes_first(clock: Clock) -> None:
    budget = Budget(1, clock=clock)
    held, second, third = budget.turn(), budget.turn(), budget.turn()
    assert held.wait(0)
    held.end()
    assert not third.wait(0)
    assert second.wait(0)
    second.end()
    assert third.wait(0)


def test_who_leaves_the_queue_makes_room_for_the_next(clock: Clock) -> None:
    budget = Budget(1, clock=clock)
    held, second, third = budget.turn(), budget.turn(), budget.turn()
    assert held.wait(0)
    second.end()
    held.end()
    assert third.wait(0)
    assert not second.wait(0)


def test_requests_per_second_are_evenly_spaced(clock: Clock) -> None:
    budget = Budget(100, 10, clock=clock)
    passed = []
    for millisecond in range(1000):
        clock.now = millisecond / 1000
        turn = budget.turn()
        if turn.wait(0):
            passed.append(millisecond)
        else:
            turn.end()
    assert passed == pytest.approx(range(0, 1000, 100), abs=1)


def test_a_quiet_time_is_not_made_up_for_by_a_burst(clock: Clock) -> None:
    budget = Budget(100, 10, clock=clock)
    assert budget.turn().wait(0)
    clock.now = 50.0
    assert budget.turn().wait(0)
    turn = budget.turn()
    clock.now = 50.09
    assert not turn.wait(0)
    clock.now = 50.11
    assert turn.wait(0)


@pytest.mark.parametrize(("taken_at", "next_at"), [(0.14, 0.2), (0.5, 0.55)])
def test_a_turn_that_is_taken_late_is_made_up_for_by_half_a_gap_at_most(
    taken_at: float, next_at: float, clock: Clock
) -> None:
    budget = Budget(100, 10, clock=clock)
    first, late, following = budget.turn(), budget.turn(), budget.turn()
    assert first.wait(0)
    clock.now = taken_at  # it was due at 0.1
    assert late.wait(0)
    clock.now = next_at - 0.001
    assert not following.wait(0)
    clock.now = next_at + 0.001
    assert following.wait(0)


def test_a_pause_stops_everybody_and_is_never_shortened(clock: Clock) -> None:
    budget = Budget(5, clock=clock)
    assert budget.turn().wait(0)
    budget.slow_down(3)
    budget.slow_down(1)
    turns = [budget.turn() for _ in range(4)]
    clock.now = 2.9
    assert not any(turn.wait(0) for turn in turns)
    clock.now = 3.0
    assert all(turn.wait(0) for turn in turns)


@pytest.mark.parametrize(("asked_s", "kept_s"), [(1e9, 7), (math.inf, 7), (-1, 0), (math.nan, 0)])
def test_a_pause_is_capped(asked_s: float, kept_s: float, clock: Clock) -> None:
    budget = Budget(1, max_wait_s=7, clock=clock)
    budget.slow_down(asked_s)
    turn = budget.turn()
    clock.now = kept_s - 0.1
    assert not turn.wait(0)
    clock.now = kept_s
    assert turn.wait(0)


def test_a_permit_is_given_back_whatever_happens_inside() -> None:
    budget = Budget(1)
    with pytest.raises(KeyError), budget.permit():
        raise KeyError
    with budget.permit():
        assert not budget.turn().wait(0)


class Watched:
    """Counts how many are inside a permit at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = self.most = self.passed = 0

    def pass_through(self, gate: Gate, times: int) -> None:
        for _ in range(times):
            with gate.permit():
                with self.lock:
                    self.inside += 1
                    self.most = max(self.most, self.inside)
                time.sleep(0.0005)
                with self.lock:
                    self.inside -= 1
                    self.passed += 1


def test_fifty_threads_never_hold_more_than_the_budget() -> None:
    budget, watched = Budget(7), Watched()
    with BudgetServer(budget, host=HOST) as server, ThreadPoolExecutor(50) as pool:
        gates: list[Gate] = [budget, server.gate]
        list(pool.map(lambda number: watched.pass_through(gates[number % 2], 20), range(50)))
    assert (watched.most, watched.passed, watched.inside) == (7, 1000, 0)


def use_in_process(
    gate: RemoteGate, inside: Synchronized[int], most: Synchronized[int], passed: Synchronized[int]
) -> None:
    def use(_: int) -> None:
        for _ in range(10):
            with gate.permit():
                with inside.get_lock():
                    inside.value += 1
                    most.value = max(most.value, inside.value)
                time.sleep(0.0005)
                with inside.get_lock():
                    inside.value -= 1
                    passed.value += 1

    with ThreadPoolExecutor(25) as pool:
        list(pool.map(use, range(25)))


def test_two_processes_together_never_hold_more_than_the_budget() -> None:
    inside, most, passed = (SPAWN.Value("i", 0) for _ in range(3))
    with BudgetServer(Budget(5), host=HOST) as server:
        args = (server.gate, inside, most, passed)
        processes = [SPAWN.Process(target=use_in_process, args=args) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert (most.value, passed.value, inside.value) == (5, 500, 0)


def hold_in_process(gate: RemoteGate, held: Synchronized[int]) -> None:
    with gate.permit():
        held.value = 1
        time.sleep(600)


def test_a_killed_process_gives_its_permit_back() -> None:
    held = SPAWN.Value("i", 0)
    budget = Budget(1)
    with BudgetServer(budget, host=HOST) as server:
        process = SPAWN.Process(target=hold_in_process, args=(server.gate, held))
        process.start()
        assert eventually(lambda: held.value == 1)
        turn = budget.turn()
        assert not turn.wait(0)
        os.kill(process.pid or 0, signal.SIGKILL)
        assert turn.wait(20)
        process.join()


def test_a_process_that_is_killed_in_the_queue_takes_no_permit_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_server, "BEAT_S", 0.01)
    budget = Budget(1)
    with BudgetServer(budget, host=HOST) as server, budget.permit():
        waiting = connected(server.gate)
        waiting.sendall(b"acquire\n")
        assert waiting.recv(100).startswith(b"wait\n")
        waiting.close()
        assert eventually(lambda: not budget._queue)


def test_a_pause_of_one_client_holds_up_all(clock: Clock) -> None:
    budget = Budget(5, max_wait_s=100, clock=clock)
    with BudgetServer(budget, host=HOST) as server:
        server.gate.slow_down(60)
        assert eventually(lambda: budget._paused_until == 60)
        assert not budget.turn().wait(0)


def test_pages_that_come_anywhere_are_heard_of_at_once(clock: Clock) -> None:
    budget, came = Budget(5, clock=clock), list[str]()
    with BudgetServer(budget, host=HOST) as server:
        budget.on_page = lambda: came.append("page")
        with server.gate.permit():
            server.gate.page_came()
            assert eventually(lambda: came == ["page"])
        # The connection is as good as before.
        server.gate.page_came()
        assert eventually(lambda: came == ["page", "page"])


def test_a_driver_that_is_gone_ends_no_page_that_is_here() -> None:
    with BudgetServer(Budget(1), host=HOST) as server:
        gate = server.gate
    gate.page_came()


def test_a_client_that_waits_long_hears_that_the_driver_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_server, "BEAT_S", 0.02)
    monkeypatch.setattr(budget_server, "SILENCE_S", 0.2)
    budget, passed = Budget(1), threading.Event()

    def use(gate: RemoteGate) -> None:
        with gate.permit():
            passed.set()

    with BudgetServer(budget, host=HOST) as server, ThreadPoolExecutor(1) as pool:
        with budget.permit():
            done = pool.submit(use, server.gate)
            time.sleep(0.5)  # longer than the silence that ends a connection
            assert not passed.is_set()
        done.result(20)


def connected(gate: RemoteGate, token: str | None = None) -> socket.socket:
    sock = socket.create_connection((gate.host, gate.port), timeout=20)
    sock.sendall((gate.token if token is None else token).encode() + b"\n")
    if token is None:
        assert sock.recv(3) == b"ok\n"
    return sock


@pytest.mark.parametrize("token", ["", "0" * 32, "GET / HTTP/1.1", "x" * 5000])
def test_a_wrong_token_is_refused(token: str) -> None:
    budget = Budget(1)
    with BudgetServer(budget, host=HOST) as server:
        try:
            with connected(server.gate, token) as sock:
                sock.sendall(b"pause 60\n")
                assert sock.recv(100) == b""
        except ConnectionError:
            pass  # closed with bytes unread
        gate = RemoteGate(server.gate.host, server.gate.port, token)
        with pytest.raises(RuntimeError, match="cannot be reached"), gate.permit():
            pass
        with server.gate.permit():
            assert not budget.turn().wait(0)


@pytest.mark.parametrize("line", [b"release\n", b"acquire\nacquire\n", b"pause soon\n", b"hello\n", b"x" * 5000])
def test_a_client_that_talks_nonsense_is_hung_up_on_and_keeps_no_permit(line: bytes) -> None:
    budget = Budget(1)
    with BudgetServer(budget, host=HOST) as server, connected(server.gate) as sock:
        sock.sendall(line)
        assert budget.turn().wait(20)


def test_a_driver_that_is_gone_is_a_failure_of_the_task_that_says_so() -> None:
    with BudgetServer(Budget(1), host=HOST) as server, server.gate.permit():
        pass
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"budget of requests at 127\.0\.0\.1:\d+ cannot be reached"):
            server.gate.permit().__enter__()
    server.gate.slow_down(1)


def test_a_client_in_the_queue_learns_at_once_that_the_server_stops() -> None:
    def use(gate: RemoteGate) -> None:
        with gate.permit():
            pass

    budget = Budget(1)
    with ThreadPoolExecutor(1) as pool, budget.permit():
        with BudgetServer(budget, host=HOST) as server:
            waiting = pool.submit(use, server.gate)
            assert eventually(lambda: len(budget._queue) == 1)
        with pytest.raises(RuntimeError, match="cannot be reached"):
            waiting.result(10)
        assert not budget._queue


def test_an_exception_inside_goes_through_and_frees_the_permit() -> None:
    budget = Budget(1)
    with BudgetServer(budget, host=HOST) as server:
        with pytest.raises(KeyError), server.gate.permit():
            raise KeyError
        assert budget.turn().wait(20)


def test_the_connections_of_a_thread_end_with_it() -> None:
    with BudgetServer(Budget(3), host=HOST) as server:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: Watched().pass_through(server.gate, 2), range(6)))
        assert eventually(lambda: not server._server.clients)


def test_a_remote_gate_pickles_equal_to_itself_and_hides_its_token() -> None:
    gate = RemoteGate(HOST, 4711, "not-to-be-seen")
    copy = pickle.loads(pickle.dumps(gate))
    assert (copy, copy.token) == (gate, "not-to-be-seen")
    assert repr(gate) == "RemoteGate(host='127.0.0.1', port=4711)"


@pytest.mark.parametrize(
    ("pages", "slots", "concurrency", "tasks", "in_flight"),
    [
        (1000, 2, 16, 2, 16),  # few tasks: one alone may use all of the budget
        (1000, 64, 64, 64, 4),  # many: four times its share
        (1000, 100, 16, 16, 4),
        (10, 4, 16, 4, 3),  # no more threads than pages
        (0, 4, 16, 1, 1),
    ],
)
def test_a_task_may_have_more_in_flight_than_its_share(
    pages: int, slots: int, concurrency: int, tasks: int, in_flight: int
) -> None:
    ranges = (PageRange("t", "/t", 1, pages),) if pages else ()
    parts, most = shared_out(ranges, slots=slots, concurrency=concurrency)
    assert (len(parts), most) == (tasks, in_flight)


def test_a_list_more_is_few_bytes_more_for_a_task() -> None:
    def size_of(n_lists: int) -> int:
        spans = [PartSpan("t", f"/of/{i}", Part.of({"rows.id": i}), 1000) for i in range(10_000, 10_000 + n_lists)]
        shares, in_flight = parts_shared_out(spans, slots=2, concurrency=16)
        return len(pickle.dumps(FetchPages(Access("http://127.0.0.1"), "run-1", shares, in_flight)))

    # Its path and its key take 9 and 17 of them.
    assert (size_of(2000) - size_of(1000)) / 1000 < 100

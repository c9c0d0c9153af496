"""Requests are spaced out, for all threads of a process together."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from lib.source.pace import Pace


def test_threads_together_pass_no_faster_than_the_pace() -> None:
    pace = Pace(50)
    started = time.monotonic()

    def passed(_: int) -> float:
        pace.wait()
        return time.monotonic() - started

    with ThreadPoolExecutor(max_workers=8) as pool:
        moments = sorted(pool.map(passed, range(11)))
    # The first passes at once, the tenth after it has waited for ten gaps of 20 ms.
    assert moments[0] < 0.1
    assert moments[-1] >= 0.2
    assert all(moment >= turn * 0.02 - 0.001 for turn, moment in enumerate(moments))


def test_a_quiet_time_is_not_made_up_for_by_a_burst() -> None:
    pace = Pace(50)
    pace.wait()
    time.sleep(0.1)
    started = time.monotonic()
    for _ in range(3):
        pace.wait()
    assert time.monotonic() - started >= 0.04


def test_without_a_pace_nothing_waits() -> None:
    pace = Pace(None)
    started = time.monotonic()
    for _ in range(1000):
        pace.wait()
    assert time.monotonic() - started < 0.5

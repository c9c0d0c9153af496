"""One wording for what came of checks, wherever it is read."""

from __future__ import annotations

import pytest

from lib.quality.counts import Counts


@pytest.mark.parametrize(
    ("counts", "long", "short", "shape"),
    [
        (Counts(0, 0, 0, 71), "all 71 checks passed", "71 passed", "good"),
        (Counts(0, 0, 0, 1), "1 check passed", "1 passed", "good"),
        (Counts(0, 0, 0, 0), "nothing was checked", "0 passed", "open"),
        (Counts(0, 0, 2, 69), "2 warnings, 69 of 71 checks passed", "2 warnings, 69 passed", "open"),
        (Counts(0, 0, 1, 0), "1 warning, 0 of 1 check passed", "1 warning, 0 passed", "open"),
        (
            Counts(2, 0, 2, 67),
            "2 critical failed, 2 warnings, 67 of 71 checks passed",
            "2 critical failed, 2 warnings, 67 passed",
            "bad",
        ),
        (
            Counts(0, 1, 0, 1200),
            "1 could not be checked, 1,200 of 1,201 checks passed",
            "1 could not be checked, 1,200 passed",
            "bad",
        ),
        (
            Counts(1, 2, 3, 4),
            "1 critical failed, 2 could not be checked, 3 warnings, 4 of 10 checks passed",
            "1 critical failed, 2 could not be checked, 3 warnings, 4 passed",
            "bad",
        ),
    ],
)
def test_the_worst_comes_first_and_all_add_up(counts: Counts, long: str, short: str, shape: str) -> None:
    assert (str(counts), counts.short, counts.shape) == (long, short, shape)


def test_those_of_several_tables_add_up() -> None:
    assert Counts.total([Counts(1, 0, 2, 3), Counts(0, 4, 0, 5)]) == Counts(1, 4, 2, 8)
    assert Counts.total([]) == Counts(0, 0, 0, 0)

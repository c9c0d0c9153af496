"""How many rows a table may plausibly have, by what the last runs brought."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

FEWEST_RUNS, MOST_RUNS = 5, 14
_LEAST_SHARE = 0.2
# A standard deviation is 1.4826 times the median absolute deviation (MAD) of a normal distribution, and 3 of them are a
# usual bound: Leys et al. (2013), "Detecting outliers: Do not use standard deviation around the mean".
_MADS = 3 * 1.4826


def plausible_rows(counts: list[int]) -> tuple[int, int] | None:
    """Fewest and most rows that are no surprise after runs with these counts; None for fewer than `FEWEST_RUNS` of them.

    The median of the last `MOST_RUNS`, plus and minus three scaled MADs, but at least 20 %: a steady table may move a little.
    """
    last = counts[-MOST_RUNS:]
    if len(last) < FEWEST_RUNS:
        return None
    middle = median(last)
    spread = max(_LEAST_SHARE * middle, _MADS * median(abs(count - middle) for count in last))
    # Rounded first, as 1000 * 1.2 is a little more or less than 1200 to a computer.
    return max(0, math.floor(round(middle - spread, 6))), math.ceil(round(middle + spread, 6))


def plausible_volume(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """The expectation that a table has a plausible number of rows, from the rows by run id, oldest first. Warns only."""
    last = list(counts)[-MOST_RUNS:]
    bounds = plausible_rows([counts[run_id] for run_id in last])
    if bounds is None:
        return []
    middle = median(counts[run_id] for run_id in last)
    notes = (
        f"About as many rows as the last {len(last)} published runs had ({last[0]} to {last[-1]}, median {middle:,.0f}). A "
        "difference of more than three deviations and more than 20 % is worth a look."
    )
    return [
        {
            "type": "expect_table_row_count_to_be_between",
            "kwargs": {"min_value": bounds[0], "max_value": bounds[1]},
            "severity": "warning",
            "notes": notes,
        }
    ]

"""Simulated time: whole microseconds before (negative) or after the end of day 0, and when people listen."""

import random
from datetime import UTC, datetime, timedelta
from itertools import accumulate

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The end of day 0's data; day N's data ends N days later."""
_EPOCH_WITHOUT_ZONE = EPOCH.replace(tzinfo=None)

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
HISTORY_DAYS = 90
"""How many days of listening day 0 holds."""

_HOURS = (3, 2, 1, 1, 1, 1, 2, 4, 5, 4, 4, 4, 5, 5, 4, 5, 6, 8, 10, 12, 13, 12, 9, 5)
_HOURS_CUM = tuple(accumulate(_HOURS))
_WEEKEND = 1.5
_SATURDAY = 5


def stamp(moment: int) -> str:
    """ISO text without a zone, as the service writes it: `2026-01-01T00:00:00.000000`."""
    return (_EPOCH_WITHOUT_ZONE + timedelta(microseconds=moment)).isoformat(timespec="microseconds")


def listening_moments(rng: random.Random, count: int, *, days: int, until_day: int, after: int) -> list[int]:
    """`count` moments in the `days` days before day `until_day` ends, rising, distinct and later than `after`.

    Evenings and weekends are busier. Distinct moments make (user_id, created_at) a key of the sessions.
    """
    first = until_day - days
    weights = [_WEEKEND if (EPOCH.weekday() + day) % 7 >= _SATURDAY else 1.0 for day in range(first, until_day)]
    chosen = rng.choices(range(first, until_day), weights, k=count)
    hours = rng.choices(range(24), cum_weights=_HOURS_CUM, k=count)
    drawn = sorted(day * DAY + hour * HOUR + int(rng.random() * HOUR) for day, hour in zip(chosen, hours, strict=True))
    for place, moment in enumerate(drawn):
        after = drawn[place] = max(moment, after + 1)
    return drawn

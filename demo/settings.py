"""What the demo API serves, and how it misbehaves. Cheap to import: a settings reader needs nothing else of `demo`."""

from dataclasses import dataclass, field

BLEMISHED_FROM = 20
"""Rows from which on a table has a row without a required field; smaller tables are served clean."""


@dataclass(frozen=True)
class Faults:
    """Switches for tests, demos and benchmarks; all are off by default.

    Raises:
        ValueError: a value is of the wrong type or out of its range.
    """

    latency_ms: float = 0
    """Milliseconds added to each answer of a table."""
    errors: float = 0.0
    """Share (0 to 1) of (path, page) pairs whose first request gets a 500 or 503; a repeat succeeds."""
    down: bool = False
    """Every request for a table gets a 503."""
    orphans: int = 0
    """Extra listening sessions, by turns of a user and with a track that do not exist; a user first."""
    duplicates: int = 0
    """Extra copies of served tracks rows, at the end of the table: on other pages, if it has more than one."""
    nulls: int = 0
    """Users whose required `email` is null (besides the one blemished user)."""
    moving_total: int = 0
    """Listening sessions that appear at the end of the table after its third answered request."""
    rate_limit_rps: float | None = None
    """Requests for tables a second, in all; above it the answer is 429 with `Retry-After: 1`."""

    def __post_init__(self) -> None:
        """Check every value."""
        _check_number("latency_ms", self.latency_ms, 0, 60_000)
        _check_number("errors", self.errors, 0, 1)
        _check_flag("down", self.down)
        _check_whole("orphans", self.orphans, 10_000)
        _check_whole("duplicates", self.duplicates, 100_000)
        _check_whole("nulls", self.nulls, 400_000)
        _check_whole("moving_total", self.moving_total, 100_000)
        if self.rate_limit_rps is not None:
            _check_number("rate_limit_rps", self.rate_limit_rps, 0.001, 1_000_000)


@dataclass(frozen=True)
class DemoSettings:
    """The data to serve. The same seed and sizes give the same bytes; day N is day N-1 plus one day of changes.

    `tracks`, `users` and `sessions` are the row counts of day 0 before blemishes and faults add rows. A table of size 0
    stays empty on every day, and without tracks or users there are no sessions.

    Raises:
        ValueError: a value is of the wrong type or out of its range, or a fault needs rows that are not there.
    """

    seed: int = 7
    day: int = 0
    tracks: int = 2000
    users: int = 1000
    sessions: int = 20_000
    blemishes: bool = True
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        """Check every value, and that the faults have the rows they need."""
        _check_whole("seed", self.seed, 2**32 - 1)
        _check_whole("day", self.day, 3650)
        _check_whole("tracks", self.tracks, 400_000)
        _check_whole("users", self.users, 400_000)
        _check_whole("sessions", self.sessions, 10_000_000)
        _check_flag("blemishes", self.blemishes)
        good_users = self.users - (1 if self.blemishes and self.users >= BLEMISHED_FROM else 0)
        if self.faults.nulls > good_users:
            message = f"nulls is {self.faults.nulls}, but only {good_users} users have an email to lose"
            raise ValueError(message)
        if self.faults.duplicates and not self.tracks:
            message = "duplicates copies tracks rows: it needs tracks >= 1"
            raise ValueError(message)
        for name in ("orphans", "moving_total"):
            if getattr(self.faults, name) and not (self.tracks and self.users):
                message = f"{name} adds sessions: it needs tracks >= 1 and users >= 1"
                raise ValueError(message)


def _check_whole(name: str, value: object, highest: int) -> None:
    # bool is an int to Python, but `tracks: true` in a settings file is a mistake.
    if type(value) is not int or not 0 <= value <= highest:
        message = f"{name} must be a whole number from 0 to {highest}, not {value!r}"
        raise ValueError(message)


def _check_number(name: str, value: object, lowest: float, highest: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
        message = f"{name} must be a number from {lowest} to {highest}, not {value!r}"
        raise ValueError(message)


def _check_flag(name: str, value: object) -> None:
    if value is not True and value is not False:
        message = f"{name} must be true or false, not {value!r}"
        raise ValueError(message)

"""The rows that the demo API serves, and the counts that a correct ingest of them ends up with."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict

from demo.ageing import Changes, grow, late_sessions
from demo.blemishes import served_tracks, served_users
from demo.settings import DemoSettings
from demo.world import Row

KEYS = {"tracks": ("id",), "users": ("id",), "listen_history": ("user_id", "created_at")}
REQUIRED = {
    "tracks": ("id", "name", "artist", "created_at", "updated_at"),
    "users": ("id", "first_name", "last_name", "email", "created_at", "updated_at"),
    "listen_history": ("user_id", "items", "created_at", "updated_at"),
}


class TableCounts(TypedDict):
    """Rows of one table: served = distinct_keys + duplicate + rejected."""

    served: int
    distinct_keys: int
    duplicate: int
    rejected: int


class Expected(TypedDict):
    """What a correct ingest counts; `listens` is (session, position) pairs of the distinct good sessions."""

    tracks: TableCounts
    users: TableCounts
    listen_history: TableCounts
    listens: int


@dataclass(frozen=True)
class Catalog:
    """One day's data.

    `rows` holds each table in served order, blemishes and faults included. The last `late_rows` rows of
    `listen_history` appear only while the table is being read (the `moving_total` fault); `expected` counts them.
    """

    rows: dict[str, list[Row]]
    expected: Expected
    changes: Changes
    late_rows: int = 0


def build(settings: DemoSettings) -> Catalog:
    """Make the data of `settings.day`: the same settings give the same rows, in the same order.

    Grain and key: `tracks` and `users` a row an `id`, `listen_history` a row a (`user_id`, `created_at`), apart from
    copies made on purpose. Timestamps are ISO text in UTC without a zone.
    """
    world, changes = grow(settings)
    late = late_sessions(world)
    rows = {"tracks": served_tracks(world), "users": served_users(world), "listen_history": world.sessions + late}
    expected: Expected = {
        "tracks": _count("tracks", rows["tracks"]),
        "users": _count("users", rows["users"]),
        "listen_history": _count("listen_history", rows["listen_history"]),
        "listens": sum(len(row["items"]) for row in _distinct("listen_history", rows["listen_history"])),
    }
    return Catalog(rows, expected, changes, late_rows=len(late))


def _count(table: str, rows: list[Row]) -> TableCounts:
    good = sum(1 for row in rows if _is_good(table, row))
    distinct = sum(1 for _ in _distinct(table, rows))
    return {
        "served": len(rows),
        "distinct_keys": distinct,
        "duplicate": good - distinct,
        "rejected": len(rows) - good,
    }


def _is_good(table: str, row: Row) -> bool:
    return None not in [row[column] for column in REQUIRED[table]]


def _distinct(table: str, rows: list[Row]) -> Iterable[Row]:
    key = KEYS[table]
    return {tuple(row[column] for column in key): row for row in rows if _is_good(table, row)}.values()

"""The store of the servers: a SQLite file that Django makes. A test writes and reads it here, past every API."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

Row = dict[str, Any]
USER, PASSWORD = "anna", "päss word+&=%"
CLIENT_SECRET = "s:e c+r&e=t%ü"
COLUMNS = ("id", "name", "price", "serial", "placed_at", "details")
WRITTEN = "%Y-%m-%d %H:%M:%S.%f"
NAMES = (
    "plain",
    "",
    " spaces around ",
    "quotes \" and \\ and '",
    "two\nlines\tand a tab",
    "Grüße, 日本語, עברית",
    "🎵 beyond 16 bits",
    "e\u0301 is not \u00e9",
    "</script><b>&amp;",
    "null",
)
PRICES = (None, "0.00", "-12.50", "9999999999999.99", "0.10")
SERIALS = (None, 2**63 - 1, -(2**63), 2**53 + 1, 0)
DETAILS: tuple[Row | None, ...] = (
    None,
    {"tags": [], "size": None},
    {"tags": ["a", "ü"], "size": {"w": 1, "h": None}},
    {"tags": [None], "size": {"w": 2**53 + 1, "h": 0}},
)


def order(number: int, name: str = "") -> Row:
    """An order. Its values follow from its number."""
    price = PRICES[number % 5]
    return {
        "id": number,
        "name": name or NAMES[number % 10],
        "price": None if price is None else Decimal(price),
        "serial": SERIALS[number // 5 % 5],
        "placed_at": datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC) + timedelta(hours=number % 10_000),
        "details": DETAILS[number % 4],
    }


def orders(count: int) -> list[Row]:
    """So many orders: every other key up to the last, which is the greatest that there is."""
    return [*(order(2 * number) for number in range(1, count)), order(2**63 - 1)]


@dataclass(frozen=True)
class Store:
    """The file, opened for each call."""

    path: Path

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows, or replace those that have their keys."""
        written = [
            {
                **row,
                "price": None if row["price"] is None else str(row["price"]),
                "placed_at": row["placed_at"].strftime(WRITTEN),
                "details": None if row["details"] is None else json.dumps(row["details"]),
            }
            for row in rows
        ]
        values = ", ".join(f":{name}" for name in COLUMNS)
        with closing(sqlite3.connect(self.path, timeout=30)) as file, file:
            file.executemany(f"INSERT OR REPLACE INTO orders ({', '.join(COLUMNS)}) VALUES ({values})", written)

    def delete(self, *numbers: int) -> None:
        """Delete the orders with these numbers."""
        self.tell("DELETE FROM orders WHERE id IN (SELECT value FROM json_each(?))", json.dumps(numbers))

    def rows(self) -> dict[int, Row]:
        """All orders by their numbers, as a copy should have them."""
        # A number with a fraction is a double here, and each price is the nearest one to its decimal.
        sql = f"SELECT {', '.join(COLUMNS)} FROM orders".replace("price", "printf('%.2f', price)")
        with closing(sqlite3.connect(self.path, timeout=30)) as file:
            found = [dict(zip(COLUMNS, row, strict=True)) for row in file.execute(sql)]
            without = {number for (number,) in file.execute("SELECT id FROM orders WHERE price IS NULL")}
        return {
            row["id"]: {
                **row,
                "price": None if row["id"] in without else Decimal(row["price"]),
                "placed_at": datetime.strptime(row["placed_at"], WRITTEN).replace(tzinfo=UTC),
                "details": None if row["details"] is None else json.loads(row["details"]),
            }
            for row in found
        }

    def tell(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement."""
        with closing(sqlite3.connect(self.path, timeout=30)) as file, file:
            return file.execute(sql, values).fetchall()

"""What end-to-end tests share: a job as a child process, and a lake as another engine sees it.

Nothing of `lib` or `jobs` is imported here: the lake is read by delta-rs, and what it should hold comes from the demo
generator's rows, compared in plain Python.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen
from typing import IO, Any, NoReturn

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

from demo import DemoSettings, build
from demo.data import KEYS, REQUIRED

ROOT = Path(__file__).parents[2]
TABLES = ("tracks", "users", "listen_history")
SMALL = {"tracks": 120, "users": 60, "sessions": 300}
QUICK_TO_GIVE_UP = ("--set", "api.limits.attempts=2", "--set", "api.limits.max_wait_s=1")

Row = dict[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Ended:
    """A job that has ended."""

    status: int
    out: str
    err: str
    seconds: float


def missing(what: str) -> NoReturn:
    """`make test` gets this only as root of Debian or Ubuntu: elsewhere the test is skipped, on CI it fails."""
    message = f"{what} is not there"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    # A newcomer without root cannot install it, and the other tests are worth running; the reason is printed, and CI never skips.
    pytest.skip(message)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def command(*arguments: str) -> list[str]:
    return [str(ROOT / "spark-submit.sh"), *arguments]


def job(*arguments: str, cwd: Path | None = None, **env: str) -> Ended:
    """Run `./spark-submit.sh` to its end."""
    started = time.monotonic()
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def small_demo(**more: object) -> list[str]:
    """Job options for a demo API with little data; `more` are other settings of `demo`."""
    return [word for name, value in {**SMALL, **more}.items() for word in ("--set", f"demo.{name}={value}")]


def ingest(lake: Path, run_id: str, *options: str, **env: str) -> Ended:
    return job("full-ingest", "--lake", str(lake), "--run-id", run_id, *options, **env)


def at_work(
    *arguments: str, out: int | IO[str] = subprocess.PIPE, err: int | IO[str] = subprocess.PIPE, **env: str
) -> Popen[str]:
    """Start `./spark-submit.sh` as the first process of a session of its own, and go on beside it."""
    return Popen(
        command(*arguments), env={**os.environ, **env}, stdout=out, stderr=err, text=True, start_new_session=True
    )


def until_gone(session: int, within_s: float) -> None:
    """Wait for the end of the job and of all that it started."""
    deadline = time.monotonic() + within_s
    while left := alive(session):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)


def alive(session: int) -> list[str]:
    """Processes that were started by the job, and the job itself: by Linux' list of processes."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text("utf-8").rpartition(")")
            fields = rest.split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(name)
    return found


@dataclass(frozen=True)
class Lake:
    """A lake at one moment. The folder may have moved on; tables are read as they were then."""

    root: Path
    versions: dict[str, int]
    files: dict[str, bytes]

    @classmethod
    def seen(cls, root: Path) -> Lake:
        # A folder without a commit is no table yet: a stopped write leaves it.
        logs = [log.parent for log in root.glob("*/*/_delta_log") if any(log.glob("*.json"))]
        versions = {log.relative_to(root).as_posix(): DeltaTable(str(log)).version() for log in logs}
        names = ("published.json", "site/index.html", "site/runs.html")
        files = {name: (root / name).read_bytes() for name in names if (root / name).exists()}
        return cls(root, versions, files)

    def rows(self, table: str, sql: str = "SELECT * FROM t") -> list[Row]:
        return read(self.root / table, self.versions[table], sql)

    def by_key(self, table: str) -> dict[Key, Row]:
        rows = self.rows(f"silver/{table}")
        found = {tuple(row[column] for column in KEYS[table]): row for row in rows}
        assert len(found) == len(rows), f"{table} has a key twice"
        return found

    def run(self, run_id: str) -> Row:
        [record] = self.rows("ops/runs", f"SELECT * FROM t WHERE run_id = '{run_id}'")
        return record

    @property
    def index(self) -> tuple[str, str]:
        """`index.html`: what it says of what is published, and the words above it on a latest run that did not publish."""
        html = self.files["site/index.html"].decode("utf-8")
        found = re.search(r'<p id="latest" .*?</p>', html, re.DOTALL)
        if found is None:
            return html, ""
        return html.replace(found[0], ""), " ".join(re.sub(r"<[^<>]*>", "", found[0]).split())

    def publishes_as(self, before: Lake) -> bool:
        """Whether what people read is what it was before, the line aside that tells of a latest run that did not publish."""
        same = self.files["published.json"] == before.files["published.json"]
        same &= self.index[0].split() == before.index[0].split()
        return same and self.versions["ops/publications"] == before.versions["ops/publications"]

    @property
    def published(self) -> Any:
        return json.loads(self.files["published.json"])

    @property
    def tables(self) -> dict[str, int]:
        """Versions of the tables that can be published."""
        return {name: version for name, version in self.versions.items() if name.startswith(("silver/", "gold/"))}

    @property
    def publications(self) -> set[str]:
        return {row["publication_id"] for row in self.rows("ops/publications")}


def read(path: Path, version: int | None = None, sql: str = "SELECT * FROM t") -> list[Row]:
    """Rows of a Delta table, read by delta-rs."""
    table = DeltaTable(str(path), version=version)
    rows: list[Row] = pa.table(QueryBuilder().register("t", table).execute(sql)).to_pylist()
    return rows


@dataclass(frozen=True)
class Step:
    """A job that has ended, and the lake as it left it."""

    ended: Ended
    lake: Lake


def step(ended: Ended, root: Path) -> Step:
    return Step(ended, Lake.seen(root))


def printed(out: str) -> dict[str, tuple[int | None, ...]]:
    """The summary at the end of a job's output: for each table its six numbers, in the order of the columns."""
    rows = [line.split() for line in out.splitlines()]
    return {
        row[0]: tuple(None if cell == "-" else int(cell.replace(",", "")) for cell in row[1:])
        for row in rows
        if len(row) == 7 and row[0] in (*TABLES, "listens")
    }


def footprint(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below, with size and time of the last change."""
    found = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def served_rows(**settings: Any) -> dict[str, list[Row]]:
    return build(DemoSettings(**{**SMALL, **settings})).rows


def typed(row: Mapping[str, Any]) -> Row:
    """A served row with its times as times."""
    return {
        name: datetime.fromisoformat(value).replace(tzinfo=UTC) if name in ("created_at", "updated_at") else value
        for name, value in row.items()
    }


def good(table: str, rows: Iterable[Row]) -> dict[Key, Row]:
    """What a copy of these rows should hold, by key."""
    found: dict[Key, Row] = {}
    for row in map(typed, rows):
        if None in [row[column] for column in REQUIRED[table]]:
            continue
        key = tuple(row[column] for column in KEYS[table])
        assert found.setdefault(key, row) == row, "the generator repeats rows, but never with other content"
    return found


def all_keys(table: str, rows: Iterable[Row]) -> set[Key]:
    return {tuple(row[column] for column in KEYS[table]) for row in map(typed, rows)}


def content(row: Row) -> Row:
    """A silver row without the columns that Pagelake adds."""
    return {name: value for name, value in row.items() if not name.startswith("_")}

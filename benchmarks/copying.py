"""A full ingest beside dlt and beside a script, from one demo server, run in turn: `python -m benchmarks.copying`.

Each side is a whole process and copies the same three tables twice: into an empty folder, and again from a source that has not
changed. Printed are the seconds of both, the rows of each table as delta-rs counts them, beside those and the distinct keys that
the source has, and the Delta version that each table is at. The source has a duplicate key and missing values unless `--clean`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable, QueryBuilder

from benchmarks.environments import REPO, python_of
from demo import DemoSettings
from demo.data import KEYS
from demo.server import DemoServer

PLACES = {"Pagelake": "silver/{}", "dlt": "demo/{}", "script": "{}"}
"""Where each side has its table."""


@dataclass(frozen=True)
class Copy:
    """One copy by one side: seconds, or None and the end of what it said if it failed; and what its tables then held."""

    took: float | None
    said: str


def main() -> int:
    """Run the sides in turn and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often all are run (default 3)")
    parser.add_argument("--latency-ms", type=int, default=0, help="what the server adds to each answer (default 0)")
    parser.add_argument("--clean", action="store_true", help="a source without duplicate keys and missing values")
    options = parser.parse_args()
    python = python_of("dlt")
    settings = DemoSettings(blemishes=not options.clean, faults={"latency_ms": options.latency_ms})
    copies: dict[tuple[str, str], list[Copy]] = defaultdict(list)
    with DemoServer(settings) as server:
        rows = server.catalog.rows
        keys = {table: len({tuple(row[one] for one in KEYS[table]) for row in rows[table]}) for table in KEYS}
        print(f"rows: {_shown({table: len(rows[table]) for table in KEYS})}; distinct keys: {_shown(keys)}", flush=True)
        for _ in range(options.rounds):
            for side in PLACES:
                with tempfile.TemporaryDirectory() as place:
                    for copy in ("first", "again"):
                        copies[side, copy].append(_copy(side, python, server.url, Path(place)))
                        print(f"{side:10}{copy:7}{copies[side, copy][-1].said}", flush=True)
    for side in PLACES:
        medians = [_median(copies[side, copy]) for copy in ("first", "again")]
        print(f"{side:10}first {medians[0]:>9}   again {medians[1]:>9}   (medians of {options.rounds})")
    return 0


def _copy(side: str, python: str, url: str, place: Path) -> Copy:
    job = [
        str(REPO / "spark-submit.sh"),
        "full-ingest",
        "--source",
        "moovitamix",
        "--api-url",
        url,
        "--lake",
        str(place),
    ]
    command = job if side == "Pagelake" else [python, str(REPO / "benchmarks" / f"copying_{side}.py"), url, str(place)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    started = time.monotonic()
    done = subprocess.run(command, cwd=REPO, env=env, capture_output=True, text=True, check=False)
    took = time.monotonic() - started
    if done.returncode:
        error = next((line for line in done.stderr.splitlines() if "Error: " in line), done.stderr[-300:])
        return Copy(None, f"failed after {took:.1f} s: {error.strip()}")
    tables = {table: DeltaTable(str(place / PLACES[side].format(table))) for table in KEYS}
    counts, versions = ({name: of(table) for name, table in tables.items()} for of in (_count, DeltaTable.version))
    return Copy(took, f"{took:6.1f} s   rows: {_shown(counts)}; versions: {_shown(versions)}")


def _median(copies: list[Copy]) -> str:
    seconds = [copy.took for copy in copies if copy.took is not None]
    return f"{statistics.median(seconds):.1f} s" if len(seconds) == len(copies) else "failed"


def _count(table: DeltaTable) -> int:
    """Rows, by a query: it knows deletion vectors."""
    [batch] = list(QueryBuilder().register("t", table).execute("SELECT count(*) AS n FROM t"))
    return int(batch["n"][0].as_py())


def _shown(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{table} {count:,}" for table, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())

"""How long it takes from `open_lake` to the first table shown, against a bare start of Spark: whole processes, in turn.

A bare start is a session as pyspark makes it, without an option, and one row out of it. Pagelake's own session starts sooner,
and is run as well. The first table that a notebook shows is what is published (no row is read for it); then come the first rows
of a table, which cost Delta its first look at a log and at files.

source scripts/environment.sh --dev && "$PAGELAKE_VENV/bin/python" -m benchmarks.notebook_start --lake lake/demo
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path

from benchmarks.floor import REPO, seconds

BARE = """
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate().range(1).toPandas()
"""
# The session that `open_lake` starts, and one row out of it: what Spark costs there whatever is read.
OWN = """
import os
from lib.config import Runtime
from lib.session import start_session
start_session("own", Runtime.of(os.environ), rows=0).range(1).toPandas()
"""
FIRST_TABLE = """
from lib.lake import open_lake
lake = open_lake()
tables = lake.published()
print(lake.inventory)
"""
FIRST_ROWS = f"""{FIRST_TABLE}
next(iter(tables.values())).limit(5).toPandas()
"""


def main() -> int:
    """Run all four in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--lake", default="lake/demo", help="a lake in which something is published (default lake/demo)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (default 3)")
    given = parser.parse_args()
    env = {**os.environ, "PAGELAKE_LAKE": str(Path(given.lake).resolve()), "SPARK_LOCAL_IP": "127.0.0.1"}
    programs = {"bare start": BARE, "own session": OWN, "first table": FIRST_TABLE, "first rows": FIRST_ROWS}
    took: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(1, given.rounds + 1):
        for name, program in programs.items():
            took[name].append(seconds([sys.executable, "-c", program], REPO, env))
        print(f"round {number}: " + ", ".join(f"{name} {found[-1]:.1f} s" for name, found in took.items()))
    bare, own, table, rows = (statistics.median(found) for found in took.values())
    print(f"more than a bare start: first table {table - bare:+.1f} s, first rows {rows - bare:+.1f} s (limit +2)")
    print(f"more than the own session: first table {table - own:+.1f} s, first rows {rows - own:+.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

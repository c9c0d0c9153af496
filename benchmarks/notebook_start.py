"""How long it takes from `open_lake` to the first rows shown, against a bare start of Spark: both as whole processes, in turn.

source scripts/environment.sh --dev && "$PAGELAKE_VENV/bin/python" -m benchmarks.notebook_start --lake lake/demo
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path

from benchmarks.floor import REPO, seconds

# The same session as `open_lake` starts, and one row out of it: what Spark costs whatever is read.
BARE = """
import os
from lib.config import Runtime
from lib.session import start_session
start_session("bare", Runtime.of(os.environ), rows=0).range(1).toPandas()
"""
FIRST_TABLE = """
from lib.lake import open_lake
lake = open_lake()
tables = lake.published()
print(lake.inventory)
next(iter(tables.values())).limit(5).toPandas()
"""


def main() -> int:
    """Run both in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--lake", default="lake/demo", help="a lake in which something is published (default lake/demo)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often both are run (default 3)")
    given = parser.parse_args()
    env = {**os.environ, "PAGELAKE_LAKE": str(Path(given.lake).resolve()), "SPARK_LOCAL_IP": "127.0.0.1"}
    bare, first = [], []
    for number in range(1, given.rounds + 1):
        bare.append(seconds([sys.executable, "-c", BARE], REPO, env))
        first.append(seconds([sys.executable, "-c", FIRST_TABLE], REPO, env))
        print(f"round {number}: bare start {bare[-1]:5.1f} s, first table {first[-1]:5.1f} s")
    more = statistics.median(first) - statistics.median(bare)
    print(
        f"from open_lake to the first table: {more:.1f} s more than a bare start (medians of {given.rounds}; limit 2)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

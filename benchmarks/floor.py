"""How much more than the floor a demo ingest costs: both run in turn, as whole processes, and the ratio is printed.

make bench                     three rounds
make bench ARGS="--rounds 1"
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]


def seconds(command: list[str], cwd: Path, env: dict[str, str]) -> float:
    """Wall time of one whole process. Stops the benchmark if the process fails."""
    started = time.monotonic()
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    took = time.monotonic() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return took


def main() -> int:
    """Run the floor and the ingest in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often both are run (default 3)")
    rounds = parser.parse_args().rounds
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    floors, ingests = [], []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for number in range(1, rounds + 1):
            quickstart = [sys.executable, str(REPO / "benchmarks" / "quickstart.py"), str(work / "table")]
            floors.append(seconds(quickstart, work, plain))
            ingests.append(seconds([str(REPO / "spark-submit.sh"), "full-ingest", "--lake", "lake"], work, plain))
            print(f"round {number}: quickstart {floors[-1]:5.1f} s, full-ingest {ingests[-1]:5.1f} s")
            shutil.rmtree(work / "table")
            shutil.rmtree(work / "lake")
    ratio = statistics.median(ingests) / statistics.median(floors)
    print(f"full-ingest / quickstart = {ratio:.2f} (medians of {rounds})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

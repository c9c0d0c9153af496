"""What a run costs by what has changed since the one before: `python -m benchmarks.merging`.

Copies a table three times: at first, unchanged, and with one row in a hundred changed. For each it prints the seconds of parse and
merge, the files and the bytes that were written to silver, the seconds of check and publish, of observe, and the whole job. Then
the first copy of fewer rows, for how the time grows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable

from benchmarks.landing import SOURCE
from benchmarks.slow_api import SIZE

STEPS = ("parse", "merge", "check", "publish", "observe")
REPO = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Cost:
    """Seconds of the whole job and of some of its steps; the version of silver, and the files that it added."""

    whole_s: float
    seconds: dict[str, float]
    version: int
    files: int
    n_bytes: int


def copy(rows: int, lake: Path, changed: int) -> Cost:
    """One run of the job, of a source with so many rows, every `changed`-th of them with another name."""
    api = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.slow_api", str(rows // SIZE), "0", str(changed)],
        cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert api.stdout is not None
    source = lake.with_suffix(".yml")
    source.write_text(SOURCE.format(url=api.stdout.readline().strip(), concurrency=64), "utf-8")
    silver = lake / "silver" / "rows"
    before = DeltaTable(str(silver)).file_uris() if silver.exists() else []
    started = time.monotonic()
    job = subprocess.run(
        [str(REPO / "spark-submit.sh"), "full-ingest", "--source", str(source), "--lake", str(lake), "--log-format", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    whole_s = time.monotonic() - started
    api.communicate("")
    if job.returncode:
        sys.exit(job.stderr)
    steps = [json.loads(line) for line in job.stderr.splitlines() if line.startswith("{")]
    seconds = {name: sum(step["seconds"] for step in steps if step["message"] == name) for name in STEPS}
    table = DeltaTable(str(silver))
    added = [Path(file) for file in set(table.file_uris()) - set(before)]
    n_bytes = sum(file.stat().st_size for file in added)
    return Cost(whole_s, seconds, table.version(), len(added), n_bytes)


def main() -> int:
    """Measure the three runs, and the first run of fewer rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        for name, changed in (("first", 0), ("unchanged", 0), ("1% changed", 100)):
            show(f"{rows:,} rows, {name}", copy(rows, lake, changed))
        show(f"{rows // 4:,} rows, first", copy(rows // 4, Path(folder) / "less", 0))
    return 0


def show(what: str, cost: Cost) -> None:
    """Print one line."""
    steps = ", ".join(f"{name} {took:.1f} s" for name, took in cost.seconds.items())
    print(
        f"{what}: {steps}, whole job {cost.whole_s:.1f} s; silver version "
        f"{cost.version}, {cost.files} files added ({cost.n_bytes / 1e6:.1f} MB)",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

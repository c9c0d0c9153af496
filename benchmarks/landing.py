"""How near the fetch comes to the ideal, and what memory it takes: `python -m benchmarks.landing`.

Lands pages of 100 rows from a server that answers each in 50 ms, 64 at once; the ideal is pages x latency / concurrency. The peak
memory is that of the job's Python driver, of its Python workers and of the JVM, as resident sets sampled twice a second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
SOURCE = """\
source: bench
api:
  url: {url}
  limits: {{concurrency: {concurrency}}}
tables:
  rows:
    path: /rows
    key: [id]
    columns: {{id: bigint!, name: string!, at: timestamp!}}
"""


def children(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += children(int(child))
    return found


def sample(pid: int, peaks: dict[str, float], stop: threading.Event) -> None:
    """Keep the peak of the resident sets by kind of process, in MB."""
    while not stop.wait(0.5):
        now: dict[str, float] = defaultdict(float)
        for one in {child for child in _all(pid)}:
            try:
                name = Path(f"/proc/{one}/comm").read_text().strip()
                pages = int(Path(f"/proc/{one}/statm").read_text().split()[1])
            except (FileNotFoundError, ProcessLookupError, IndexError):
                continue
            kind = "JVM" if name == "java" else "Python driver" if one == pid else "Python workers"
            now[kind] += pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024
        for kind, size in now.items():
            peaks[kind] = max(peaks[kind], size)


def _all(pid: int) -> list[int]:
    try:
        return children(pid)
    except (FileNotFoundError, ProcessLookupError):
        return []


def land(pages: int, latency_ms: float, concurrency: int, work: Path) -> tuple[float, dict[str, float]]:
    """Seconds of the step `fetch and land` of one run, and the peaks of memory."""
    api = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.slow_api", str(pages), str(latency_ms)],
        cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert api.stdout is not None
    source = work / "bench.yml"
    source.write_text(SOURCE.format(url=api.stdout.readline().strip(), concurrency=concurrency), "utf-8")
    lake = work / f"lake-{pages}-{time.time_ns()}"
    job = subprocess.Popen(
        [str(REPO / "spark-submit.sh"), "full-ingest", "--source", str(source), "--lake", str(lake), "--no-check",
         "--log-format", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    peaks: dict[str, float] = defaultdict(float)
    stop = threading.Event()
    watch = threading.Thread(target=sample, args=(job.pid, peaks, stop))
    watch.start()
    _, said = job.communicate()
    stop.set()
    watch.join()
    api.communicate("")
    if job.returncode:
        sys.exit(said)
    steps = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return next(step["seconds"] for step in steps if step["message"] == "fetch and land"), peaks


def main() -> int:
    """Measure the numbers of pages asked for, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for pages in options.pages:
            took, peaks = land(pages, options.latency_ms, options.concurrency, Path(folder))
            ideal = pages * options.latency_ms / 1000 / options.concurrency
            memory = ", ".join(f"{kind} {size:,.0f} MB" for kind, size in sorted(peaks.items()))
            print(f"{pages:,} pages: {took:.1f} s, ideal {ideal:.1f} s, ratio {took / ideal:.2f}; peak {memory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How near the fetch comes to the ideal, and what memory it takes: `python -m benchmarks.landing`.

Lands pages of 100 rows from a server that answers each in 50 ms, 64 at once; the ideal is pages x latency / concurrency. With
`--walks N` they are the pages of each of N tables, whose pages name each other: the ideal is pages x latency. With
`--lists` each page is the list of one row of another table: the time is that of the lists alone. The fetch
is the time from the first request of an executor to the last answer, as bronze records it; the rest of the landing is the start of
Spark's first stage and the commit. The peak memory is that of the job's Python driver, of its Python workers and of the JVM, as
sampled twice a second until the rows are merged.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

# A JVM uses the heap it is given. With a small one, its resident set tells whether it needs more for more pages.
HEAP = "1g"
REPO = Path(__file__).resolve().parents[1]
SOURCE = """\
source: bench
api:
  url: {url}
  limits: {{concurrency: {concurrency}}}
tables:
"""
TABLE = """\
  rows_{number}:
    path: /rows
    pagination: {pagination}
    key: [id]
    columns: {{id: bigint!, name: string!, at: timestamp!}}
"""
LISTS = """\
  lists:
    path: /of/{rows_0.id}
    key: [id]
    columns: {id: bigint!, name: string!, at: timestamp!}
"""
ROWS_A_PAGE = 100
ADDRESSED, WALKED = "{style: page}", "{style: cursor, cursor_param: page, next: next}"


def children(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += children(int(child))
    return found


def sample(pid: int, peaks: dict[str, float], stop: threading.Event, every_s: float = 0.5) -> None:
    """Keep the peak of the memory by kind of process, in MB. Memory that forked processes share counts once."""
    while not stop.wait(every_s):
        now: dict[str, float] = defaultdict(float)
        for one in set(_all(pid)):
            try:
                name = Path(f"/proc/{one}/comm").read_text().strip()
                share = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{one}/smaps_rollup").read_text(), re.MULTILINE)
            except (FileNotFoundError, ProcessLookupError):
                continue
            kind = "JVM" if name == "java" else "Python driver" if one == pid else "Python workers"
            now[kind] += int(share[1]) / 1024 if share else 0
        for kind, size in now.items():
            peaks[kind] = max(peaks[kind], size)


def _all(pid: int) -> list[int]:
    try:
        return children(pid)
    except (FileNotFoundError, ProcessLookupError):
        return []


def land(
    pages: int, latency_ms: float, concurrency: int, walks: int, work: Path, *, lists: bool = False
) -> tuple[float, float, dict[str, float]]:
    """Seconds of the last step `fetch and land` of one run, seconds of its fetch alone, and the peaks of memory."""
    served = pages // ROWS_A_PAGE if lists else pages
    api = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.slow_api", str(served), str(latency_ms)],
        cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert api.stdout is not None
    source = work / "bench.yml"
    tables = [TABLE.format(number=number, pagination=WALKED if walks else ADDRESSED) for number in range(max(walks, 1))]
    head = SOURCE.format(url=api.stdout.readline().strip(), concurrency=concurrency)
    source.write_text("".join([head, *tables, *[LISTS] * lists]), "utf-8")
    lake = work / f"lake-{pages}-{time.time_ns()}"
    job = subprocess.Popen(
        [str(REPO / "spark-submit.sh"), "--driver-memory", HEAP, "full-ingest", "--source", str(source), "--lake", str(lake),
         "--no-check", "--log-format", "json"],
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
    landed = [step["seconds"] for step in steps if step["message"] == "fetch and land"][-1]
    # The driver's own look at page 1 came before.
    return landed, _fetch_s(lake, "part IS NOT NULL" if lists else "page > 1"), peaks


def _fetch_s(lake: Path, which: str) -> float:
    """From the first request that an executor sent to the last answer."""
    query = f"""
        SELECT extract(epoch FROM max(fetched_at)) - min(extract(epoch FROM fetched_at) - elapsed_ms / 1000) AS seconds
        FROM pages WHERE {which}
    """
    pages = DeltaTable(str(lake / "bronze" / "pages"))
    return float(pa.table(QueryBuilder().register("pages", pages).execute(query))["seconds"][0].as_py())


def main() -> int:
    """Measure the numbers of pages asked for, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument(
        "--walks", type=int, default=0, help="tables that are walked (default: one whose pages are addressed)"
    )
    parser.add_argument("--lists", action="store_true", help="each page is the list of one row of another table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for pages in options.pages:
            took, fetch, peaks = land(
                pages, options.latency_ms, options.concurrency, options.walks, Path(folder), lists=options.lists
            )
            ideal = pages * options.latency_ms / 1000 / (1 if options.walks else options.concurrency)
            memory = ", ".join(f"{kind} {size:,.0f} MB" for kind, size in sorted(peaks.items()))
            print(
                f"{pages:,} pages: fetched in {fetch:.1f} s, {fetch / ideal:.2f} of the ideal {ideal:.1f} s; landed in {took:.1f} s"
            )
            print(f"    peak {memory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

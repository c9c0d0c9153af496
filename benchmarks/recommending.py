"""Recommendations beside those of implicit, from the same plays, on the same cores: `python -m benchmarks.recommending`.

Plays are made up, with scenes to find. Both sides learn from all but the last seven days, and give each user 20 items that they
have not played; NDCG@10 is by those that they played in the last days. implicit (ALS with rank 64 and 15 iterations, and its
item-to-item models with their defaults) has an environment of its own in `benchmarks/.implicit`, made at the first time. Pagelake
fits one recipe for that; `--search` adds what `retrain-model` does in all, and then the recipe that it found. Each stage is told
in seconds, in seconds of processors (which hang less on what else the machine does), and by its peaks of memory, sampled four
times a second: a stage that is over sooner may have none. The start of Spark and of its Python workers is a stage of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.environments import REPO, python_of
from benchmarks.landing import children, sample
from benchmarks.made_plays import Plays, made
from lib.recommend.metrics import ndcg_at

THEIRS = ("ALS", "cosine", "BM25")
"""The models of implicit."""


@dataclass(frozen=True)
class Stage:
    """What one stage took: seconds, those of all processors, and the peak of the memory of each kind of process in MB."""

    name: str
    seconds: float
    cpu_s: float
    peaks: Mapping[str, float]

    def __str__(self) -> str:
        """A line of the table."""
        memory = ", ".join(f"{kind} {size:,.0f} MB" for kind, size in sorted(self.peaks.items()))
        return f"    {self.name:40} {self.seconds:8.2f} s {self.cpu_s:8.2f} s    {memory}"


def cpu_s(pid: int) -> float:
    """The seconds of processors that the process and all below it have used, those that have ended too."""
    ticks = 0
    for one in set(children(pid)):
        try:
            # The name, in brackets, may hold anything.
            words = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(map(int, words[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def stages(command: list[str], env: Mapping[str, str]) -> list[Stage]:
    """Run a side, and note what each of its stages took. Stops the benchmark if it fails."""
    side = subprocess.Popen(command, cwd=REPO, env=env, stdout=subprocess.PIPE, text=True)
    peaks: dict[str, float] = defaultdict(float)
    stop = threading.Event()
    watch = threading.Thread(target=sample, args=(side.pid, peaks, stop, 0.25))
    watch.start()
    found, before = [], 0.0
    assert side.stdout is not None
    for line in side.stdout:
        stage, used = json.loads(line), cpu_s(side.pid)
        found.append(Stage(stage["stage"], stage["seconds"], used - before, dict(peaks)))
        print(found[-1], flush=True)
        before = used
        peaks.clear()
    side.wait()
    stop.set()
    watch.join()
    if side.returncode:
        sys.exit(f"{' '.join(command)} ended with {side.returncode}")
    return found


def ndcg_of(lists: NDArray[np.integer], plays: Plays) -> float:
    """The mean NDCG@10 over the users who played a new item after the split. `lists` is users by ranks."""
    cell = plays.user.astype(np.int64) * plays.n_items + plays.item
    known = plays.at < plays.split
    relevant = np.setdiff1d(cell[~known], cell[known])
    n_relevant = np.bincount(relevant // plays.n_items, minlength=plays.n_users)
    shown = np.arange(plays.n_users, dtype=np.int64)[:, None] * plays.n_items + lists
    hits = np.isin(shown, relevant) & (lists >= 0)
    users = n_relevant > 0
    return float(ndcg_at(hits[users], n_relevant[users]).mean())


def measure(n_users: int, n_items: int, n_plays: int, seed: int, *, searches: bool) -> None:
    """Run both sides, one after the other, and print what they took."""
    print(f"{n_users:,} users, {n_items:,} items, {n_plays:,} plays", flush=True)
    plays = made(seed, n_users, n_items, n_plays)
    python = python_of("implicit")
    # As a job has it, if nothing else was given.
    defaults = f"--properties-file '{REPO / 'conf' / 'spark-defaults.conf'}' pyspark-shell"
    spark = {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_SUBMIT_ARGS": os.environ.get("PYSPARK_SUBMIT_ARGS", defaults),
    }
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "plays.npz", **vars(plays))
        print("  implicit")
        theirs = stages(
            [python, "-m", "benchmarks.recommending_implicit", folder], {**os.environ, "PYTHONPATH": str(REPO)}
        )
        print("  Pagelake")
        own = [sys.executable, "-m", "benchmarks.recommending_pagelake", folder, *(["search"] if searches else [])]
        ours = stages(own, {**os.environ, "PYTHONPATH": str(REPO), **spark})
        print(
            f"  {'':18} {'seconds':^26} {'seconds of processors':^26}  NDCG@10   Pagelake takes so many times its seconds:"
        )
        print(f"  {'':18}" + f"{'read':>9}{'fit':>9}{'score':>9}" * 2 + f"{'':11} fit and score; with read")
        own_s, _ = _seconds(ours, "Pagelake")
        sides = {
            "Pagelake": ours,
            **({"Pagelake, searched": ours} if searches else {}),
            **dict.fromkeys(THEIRS, theirs),
        }
        for name, side in sides.items():
            wall, cpu = _seconds(side, name)
            columns = "".join(f"{one:9.2f}" for one in (*wall, *cpu))
            ndcg = ndcg_of(np.load(Path(folder) / f"{name}.npy"), plays)
            ratios = f"{sum(own_s[1:]) / sum(wall[1:]):.2f}; {sum(own_s) / sum(wall):.2f}"
            print(f"  {name:18}{columns}   {ndcg:7.4f}   {ratios}", flush=True)


def _seconds(side: Sequence[Stage], name: str) -> tuple[list[float], list[float]]:
    """Seconds of reading, fitting and scoring, and those of processors."""
    chosen = [one for stage in ("read", f"{name}: fit", f"{name}: score") for one in side if one.name == stage]
    return [one.seconds for one in chosen], [one.cpu_s for one in chosen]


def main() -> int:
    """Measure one size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--plays", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--search", action="store_true", help="search, train and judge as retrain-model does, too")
    given = parser.parse_args()
    measure(given.users, given.items, given.plays, given.seed, searches=given.search)
    return 0


if __name__ == "__main__":
    sys.exit(main())

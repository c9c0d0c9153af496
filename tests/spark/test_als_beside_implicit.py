"""Spark's ALS as Pagelake uses it, beside the ALS of implicit, which is in an environment of its own (benchmarks/.implicit)."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from benchmarks.environments import python_of
from benchmarks.made_plays import made
from benchmarks.recommending import ndcg_of
from benchmarks.recommending_pagelake import Lists, write
from lib.config import Source
from lib.recommend.recipes import candidates
from lib.recommend.training_set import opened

REPO = Path(__file__).parents[2]


@pytest.mark.thorough
def test_als_finds_what_implicit_finds_on_the_same_split(spark: SparkSession, demo: Source, tmp_path: Path) -> None:
    plays = made(11, 600, 300, 40_000)
    np.savez(tmp_path / "plays.npz", **vars(plays))
    theirs = [python_of("implicit"), "-m", "benchmarks.recommending_implicit", str(tmp_path)]
    subprocess.run(theirs, check=True, cwd=REPO, env={**os.environ, "PYTHONPATH": str(REPO)}, timeout=600)
    write(plays, tmp_path)
    settings = demo.recommended()
    tables = {name: spark.read.format("delta").load(str(tmp_path / name)) for name in ("users", "tracks", "listens")}
    before = datetime.fromtimestamp(plays.split // 1_000_000, UTC) - timedelta(microseconds=1)
    with opened(spark, demo, settings, tables, before) as known:
        # More items than EASE may have: what is left is ALS.
        [recipe, _] = candidates("discover", plays.n_items, plays.n_items - 1)
        Lists(plays, tmp_path, before).make("Spark's ALS", known, recipe)
    ours, other = (ndcg_of(np.load(tmp_path / f"{name}.npy"), plays) for name in ("Spark's ALS", "ALS"))
    by_chance = np.tile(np.random.default_rng(1).permutation(plays.n_items)[:20], (plays.n_users, 1))
    assert other > 3 * ndcg_of(by_chance, plays)
    assert ours > 0.9 * other

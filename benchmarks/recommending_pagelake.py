"""The part of `benchmarks.recommending` that runs Pagelake: FOLDER with `plays.npz`, and `search` to look for a better recipe.

It calls what the jobs call, on Delta tables of the plays. Prints a line of JSON for each stage, and writes the lists of new items
(users by ranks, -1 where there is no item) to NAME.npy.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from benchmarks.made_plays import Plays, load
from benchmarks.recommending_stages import DEPTH, say
from lib.config import Runtime, load_source
from lib.config.derivations import AGAIN, DISCOVER
from lib.recommend.evaluating import Window, evaluate
from lib.recommend.fitting import fit, popularity_of
from lib.recommend.models import LastPlayed, OwnPlays
from lib.recommend.recipes import Recipe, candidates
from lib.recommend.retrain import train
from lib.recommend.scoring import Ladder, rules_of, score
from lib.recommend.training_set import TrainingSet, opened
from lib.session import start_session

_UTC = pa.timestamp("us", tz="UTC")


def write(plays: Plays, folder: Path) -> None:
    """The tables that the demo's `recommend` block names, with the columns that it needs."""
    for name, n, column, genre in (
        ("users", plays.n_users, "favorite_genres", plays.favourite),
        ("tracks", plays.n_items, "genres", plays.genre),
    ):
        rows = {
            "id": np.arange(n),
            column: [f"genre {number}" for number in genre],
            "_deleted_at": pa.nulls(n, _UTC),
        }
        write_deltalake(str(folder / name), pa.table(rows))
    ids = {"user_id": plays.user.astype(np.int64), "track_id": plays.item.astype(np.int64)}
    write_deltalake(str(folder / "listens"), pa.table({**ids, "listened_at": pa.array(plays.at, _UTC)}))


def start(plays: Plays) -> SparkSession:
    """Spark, with a Python worker on each core that has done something."""
    spark = start_session("benchmark", Runtime.of(os.environ), rows=len(plays.at) + plays.n_users + plays.n_items)
    spark.sparkContext.setLogLevel("ERROR")
    spark.range(4, numPartitions=4).mapInArrow(_as_it_is, "id bigint").toArrow()
    return spark


def _as_it_is(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


@dataclass(frozen=True)
class Lists:
    """Makes the lists of new items for every user, and writes them to the folder; `at` is when they are generated."""

    plays: Plays
    folder: Path
    at: datetime

    def make(self, name: str, of: TrainingSet, recipe: Recipe) -> None:
        """Fit a recipe and rank by it."""
        started = time.monotonic()
        [(_, model)] = fit(of, [recipe], self.plays.split)
        say(f"{name}: fit", started)
        started = time.monotonic()
        rules = rules_of(popularity_of(of, self.plays.split), of.items.catalogue)
        rows = score(of, {DISCOVER: Ladder(recipe.kind, model, rules)}, self.plays.split, self.at).toArrow()
        say(f"{name}: score", started)
        lists = np.full((self.plays.n_users, DEPTH), -1, np.int64)
        lists[np.asarray(rows["user_id"]), np.asarray(rows["rank"]) - 1] = np.asarray(rows["track_id"])
        np.save(self.folder / f"{name}.npy", lists)


def usual(tried: Sequence[Recipe]) -> Recipe:
    """What the search finds on such plays, or close to it; of a kind without these hyperparameters the first."""
    return next((one for one in tried if (one.power, one.regularisation) == (0.5, 300.0)), tried[0])


def main(folder: Path, *, searches: bool) -> None:
    """Fit on the plays before the split and make lists, as implicit does; then what else a training does."""
    plays = load(folder / "plays.npz")
    write(plays, folder)
    source = load_source("demo", conf_dir=Runtime.of(os.environ).conf, env={})
    settings = source.recommended()
    started = time.monotonic()
    spark = start(plays)
    say("start of Spark", started)
    tables = {name: spark.read.format("delta").load(str(folder / name)) for name in ("users", "tracks", "listens")}
    before = datetime.fromtimestamp(plays.split // 1_000_000, UTC) - timedelta(microseconds=1)

    lists = Lists(plays, folder, before)
    started = time.monotonic()
    with opened(spark, source, settings, tables, before) as known:
        known.packed.count()
        say("read", started)
        lists.make("Pagelake", known, usual(candidates(DISCOVER, plays.n_items, settings.max_items)))
        started = time.monotonic()
        again = Ladder("own_plays", OwnPlays(plays.n_items, 14.0), (OwnPlays(plays.n_items, None),))
        score(known, {AGAIN: again}, plays.split, before).toArrow()
        say("score the list again", started)

    started = time.monotonic()
    with opened(spark, source, settings, tables, datetime.fromtimestamp(plays.end // 1_000_000, UTC)) as whole:
        whole.packed.count()
        say("read all plays", started)
        rules = rules_of(popularity_of(whole, plays.split), whole.items.catalogue)
        own = (OwnPlays(plays.n_items, None), LastPlayed(plays.n_items))
        for name, some, fallbacks in ((DISCOVER, rules, rules), (AGAIN, own, ())):
            started = time.monotonic()
            models = {one.name: one for one in some}
            evaluate(whole, models, name, Window(plays.split, plays.end), fallbacks)
            say(f"evaluate {len(models)} models of {name}", started)
        if not searches:
            return
        started = time.monotonic()
        [discover, _] = train(whole, [])
        say("search, train and measure, both lists", started)
    if discover.recipe is None:
        sys.exit(f"nothing was trained: {discover.because}")
    started = time.monotonic()
    with opened(spark, source, settings, tables, before) as known:
        known.packed.count()
        say("read again", started)
        lists.make("Pagelake, searched", known, discover.recipe)


if __name__ == "__main__":
    main(Path(sys.argv[1]), searches="search" in sys.argv[2:])

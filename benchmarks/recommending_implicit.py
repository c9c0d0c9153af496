"""The part of `benchmarks.recommending` that runs implicit, in an environment that has it: FOLDER with `plays.npz`.

Prints a line of JSON for each stage, and writes each model's lists (users by ranks, -1 where there is no item) to MODEL.npy.
It imports nothing of Pagelake but what the folder `benchmarks` has.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.made_plays import load
from benchmarks.recommending_stages import DEPTH, say

# As many users at a time as Pagelake takes at most.
_BLOCK_USERS = 1000


def main(folder: Path) -> None:
    """Fit each model on the plays before the split, and make the list of every user."""
    started = time.monotonic()
    plays = load(folder / "plays.npz")
    known = plays.at < plays.split
    cells = (np.ones(int(known.sum()), np.float32), (plays.user[known], plays.item[known]))
    matrix = csr_matrix(cells, shape=(plays.n_users, plays.n_items))
    say("read", started)
    models = {
        "ALS": AlternatingLeastSquares(factors=64, iterations=15, random_state=7),
        "cosine": CosineRecommender(),
        "BM25": BM25Recommender(),
    }
    for name, model in models.items():
        started = time.monotonic()
        model.fit(matrix, show_progress=False)
        say(f"{name}: fit", started)
        started = time.monotonic()
        lists = np.concatenate(
            [
                model.recommend(users, matrix[users], N=DEPTH)[0]
                for users in np.array_split(np.arange(plays.n_users), -(-plays.n_users // _BLOCK_USERS))
            ]
        )
        say(f"{name}: score", started)
        np.save(folder / f"{name}.npy", lists)


if __name__ == "__main__":
    # Its own threads are as many as there are cores: those of BLAS beside them would only be in their way.
    with threadpool_limits(1, "blas"):
        main(Path(sys.argv[1]))

"""What models are fitted from: sums over the plays of a block of users, which add up over blocks, and what solves them.

EASE is a linear item-to-item model in closed form: H. Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data", WWW '19.
With X the users' rows, G = X'X and P = (G + lambda I)^-1, the weights are B_ij = -P_ij / P_jj, and B_jj = 0 (its equation 8).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpocon, dpotrf, dpotri
from scipy.sparse import csr_array

from lib.recommend.histories import Histories

# How many cells of a Gram matrix are worked with at a time, beside the matrix itself: 64 MB as doubles.
_CELLS = 8_000_000
_STRIP_ROWS = 256
# By what part of the greatest cell two that ought to be equal may differ, as their blocks were summed in another order.
_SAME = 1e-9


def popularity(
    histories: Histories, n: int, *, now: int, half_life_days: float | None, power: float = 1.0
) -> NDArray[np.float64]:
    """How much each of `n` items was played: the sums of the columns of `Histories.matrix`. Sums of blocks are those of the whole.

    With power 1 these are decayed plays, with power 0 users.
    """
    matrix = histories.matrix(n, now=now, half_life_days=half_life_days, power=power)
    return np.bincount(matrix.indices, weights=matrix.data, minlength=n).astype(np.float64)


def gram(matrix: csr_array) -> NDArray[np.float64]:
    """X'X of one block of users: items by items. Sums of blocks are those of the whole."""
    n = matrix.shape[1]
    return whole(n, gram_strips(matrix, strips(n)))


def strips(n: int) -> list[slice]:
    """The strips of rows that a Gram matrix of `n` items is made of. A strip starts at the column of its first row.

    The matrix is symmetric: what is left of a strip is in those above it.
    """
    return [slice(first, min(first + _STRIP_ROWS, n)) for first in range(0, n, _STRIP_ROWS)]


def shape_of(strip: slice, n: int) -> tuple[int, int]:
    """Its rows and columns."""
    return strip.stop - strip.start, n - strip.start


def gram_strips(matrix: csr_array, some: Sequence[slice]) -> Iterator[NDArray[np.float64]]:
    """These strips of X'X of one block of users. Sums of blocks are those of the whole.

    Takes time by the sum of the squares of the users' numbers of items, and memory for a strip at a time.
    """
    exact = matrix.astype(np.float64)
    by_item = exact.T.tocsr()
    for strip in some:
        yield (by_item[strip] @ exact[:, strip.start :]).toarray()


def whole(n: int, of_strips: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The Gram matrix of `n` items that all of its strips, in their order, are."""
    result = np.empty((n, n))
    for strip, rows in zip(strips(n), of_strips, strict=True):
        result[strip, strip.start :] = rows
        result[strip.stop :, strip] = rows[:, len(rows) :].T
    return result


def solve(gram: NDArray[np.float64], regularisation: float, *, overwrite: bool = False) -> NDArray[np.float32]:
    """The weights of EASE, items by items, with a diagonal of 0: the score of item j is the sum over own items i of x_i * B_ij.

    Needs memory for the Gram matrix, for a copy of it unless it may be overwritten, and for the result, which is half as large.

    Raises:
        ValueError: the matrix is not square, finite and symmetric; or with the regularisation it is not positive definite, or so
            close to singular that the weights would be noise (its reciprocal condition number is below the precision of a double).
    """
    work = gram if overwrite else gram.copy()
    n = work.shape[0]
    if n == 0:
        return np.zeros((0, 0), np.float32)
    _check(work, regularisation)
    work.flat[:: n + 1] += regularisation
    norm = _norm(work)
    # LAPACK works on columns. The matrix is symmetric, so its transpose is the same matrix, and needs no copy.
    factor, info = dpotrf(work.T, lower=1, clean=0, overwrite_a=1)
    if info != 0:
        message = (
            f"With a regularisation of {regularisation:g} the Gram matrix is not positive definite: use a greater one."
        )
        raise ValueError(message)
    reciprocal, _ = dpocon(factor, norm, uplo="L")
    if not reciprocal > np.finfo(np.float64).eps:
        message = (
            f"With a regularisation of {regularisation:g} the Gram matrix is too close to singular (reciprocal condition number "
            f"{reciprocal:.1e}): use a greater one."
        )
        raise ValueError(message)
    inverse, _ = dpotri(factor, lower=1, overwrite_c=1)
    return _weights(inverse)


def _rows_at_a_time(n: int) -> int:
    return max(1, _CELLS // max(1, n))


def _check(matrix: NDArray[np.float64], regularisation: float) -> None:
    n = matrix.shape[0]
    if matrix.shape != (n, n):
        message = f"A Gram matrix is square, not {matrix.shape}."
        raise ValueError(message)
    if not (np.isfinite(regularisation) and regularisation >= 0):
        message = f"A regularisation is a finite number, 0 or more, not {regularisation}."
        raise ValueError(message)
    step = _rows_at_a_time(n)
    for row in range(0, n, step):
        rows, columns = matrix[row : row + step], matrix[:, row : row + step].T
        if not np.isfinite(rows).all():
            message = "The Gram matrix has numbers that are not finite: look for weights of plays that are too great."
            raise ValueError(message)
        if np.abs(rows - columns).max() > _SAME * np.abs(rows).max():
            message = "The Gram matrix is not symmetric: its blocks were not summed as a whole."
            raise ValueError(message)


def _norm(matrix: NDArray[np.float64]) -> float:
    """The greatest sum of absolute values in a row."""
    step = _rows_at_a_time(len(matrix))
    return max(float(np.abs(matrix[row : row + step]).sum(axis=1).max()) for row in range(0, len(matrix), step))


def _weights(inverse: NDArray[np.float64]) -> NDArray[np.float32]:
    """B from P, of which only the lower triangle is filled."""
    n = len(inverse)
    diagonal = inverse.diagonal().copy()
    weights = np.empty((n, n), np.float32)
    step = _rows_at_a_time(n)
    for row in range(0, n, step):
        end = min(row + step, n)
        # The rows of the symmetric matrix: left of the diagonal as they are, right of it from the columns below.
        rows = np.tril(inverse[row:end], row)
        rows[:, row:] += np.tril(inverse[row:, row:end], -1).T
        weights[row:end] = rows / -diagonal
    weights.flat[:: n + 1] = 0
    return weights

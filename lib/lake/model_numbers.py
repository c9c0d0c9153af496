"""`<lake>/models/items`: the numbers of each recommendation model, such as the weights between its items."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from deltalake.exceptions import DeltaError
from numpy.typing import NDArray

from lib.errors import LakeError
from lib.lake import records, storage
from lib.lake.decisions import Decision
from lib.lake.layout import Layout

# Numbers in one batch on their way to a table: 16 MB.
_BATCH = 4_000_000
_NONE = np.empty(0, np.float32)


def save_numbers(layout: Layout, version: str, items: pa.Array, numbers: NDArray[np.float32]) -> tuple[int, str]:
    """Keep a model's numbers: a row of `numbers` for each of `items`. One commit. Returns how many numbers, and their hash.

    The table `<lake>/models/items` has the key model_version, item: `position` from 0, and `numbers` as an array of float.
    """
    n, width = numbers.shape
    schema = pa.schema(
        {
            "model_version": pa.string(),
            "position": pa.int32(),
            "item": items.type,
            "numbers": pa.list_(pa.float32()),
        }
    )
    rows = max(1, _BATCH // max(1, width))

    def batches() -> Iterator[pa.RecordBatch]:
        for first in range(0, n, rows):
            some = numbers[first : first + rows]
            offsets = pa.array(np.arange(0, some.size + 1, width, dtype=np.int32))
            yield pa.record_batch(
                [
                    pa.array([version] * len(some), pa.string()),
                    pa.array(np.arange(first, first + len(some), dtype=np.int32)),
                    items.slice(first, len(some)),
                    pa.ListArray.from_arrays(offsets, pa.array(some.ravel())),
                ],
                schema=schema,
            )

    records.append_batches(layout.model_numbers, schema, batches)
    return numbers.size, _hash_of(items, numbers)


@dataclass(frozen=True)
class Numbers:
    """The numbers of a model: row `i` is of `items[i]`."""

    items: pa.Array
    rows: NDArray[np.float32]


def numbers_of(layout: Layout, decision: Decision) -> Numbers:
    """The numbers of the model that was promoted by this decision.

    Raises:
        LakeError: the table is not there, or does not hold what was saved.
    """
    version, at = decision.model_version or "", layout.model_numbers
    what = f"{at}: the numbers of model {version}"
    if not storage.is_table(at):
        message = f"{what} are not there"
        raise LakeError(message)
    sql = f"SELECT item, numbers FROM models WHERE model_version = {records.text(version)} ORDER BY position"
    try:
        found = pa.table(storage.asking("models", storage.table(at)).execute(sql))
        flat = np.concatenate([chunk.flatten().to_numpy() for chunk in found["numbers"].chunks] or [_NONE])
    except (OSError, pa.ArrowException, DeltaError) as error:
        message = f"{what} cannot be read ({type(error).__name__})"
        raise LakeError(message) from error
    items = found["item"].combine_chunks()
    if len(items) == 0 or flat.size % len(items):
        message = f"{what} are not whole"
        raise LakeError(message)
    rows = flat.reshape(len(items), -1).astype(np.float32, copy=False)
    if _hash_of(items, rows) != decision.sha256:
        message = f"{what} are not those that were saved"
        raise LakeError(message)
    return Numbers(items, rows)


def _hash_of(items: pa.Array, numbers: NDArray[np.float32]) -> str:
    digest = hashlib.sha256("\n".join(map(str, items.to_pylist())).encode())
    digest.update(np.ascontiguousarray(numbers, dtype="<f4").data)
    return digest.hexdigest()

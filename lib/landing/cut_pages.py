"""Landed pages with their rows cut out of them, where Spark cannot find these by a path: a step more in the same job."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from lib.config.reading import Cut, Reading
from lib.source.cut import cut_rows

_ROW = pa.struct({"json": pa.string(), "shown": pa.string(), "problems": pa.list_(pa.string()), "given": pa.string()})
_CUT = pa.schema(
    {"run_id": pa.string(), "part": pa.string(), "page": pa.int64(), "body": pa.string(), "rows": pa.list_(_ROW)}
)
BYTES_A_BATCH = 8 * 1024 * 1024


@dataclass(frozen=True)
class CutPages:
    """What an executor runs: landed pages in, the same pages with their rows one by one out. Pickles equal to itself."""

    cut: Cut

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        """Batches of pages in, batches of pages out, each of about `BYTES_A_BATCH` of bodies."""
        held: list[dict[str, object]] = []
        n_bytes = 0
        for batch in batches:
            # One page after the other: a batch may hold thousands.
            for number in range(batch.num_rows):
                [page] = batch.slice(number, 1).to_pylist()
                body = page["body"] or ""
                held.append({**page, "body": None, "rows": [vars(row) for row in cut_rows(body, self.cut)]})
                n_bytes += len(body)
                if n_bytes > BYTES_A_BATCH:
                    yield pa.RecordBatch.from_pylist(held, _CUT)
                    held, n_bytes = [], 0
        if held:
            yield pa.RecordBatch.from_pylist(held, _CUT)


def with_rows(reading: Reading) -> Callable[[DataFrame], DataFrame]:
    """Landed pages as `parse` takes them. Those whose rows are at a path stay as they are."""

    def transform(pages: DataFrame) -> DataFrame:
        if reading.cut is None:
            return pages
        part = F.col("part") if "part" in pages.columns else F.lit(None).cast("string")
        own = pages.select("run_id", part.alias("part"), "page", "body")
        return own.mapInArrow(CutPages(reading.cut), from_arrow_schema(_CUT))

    return transform

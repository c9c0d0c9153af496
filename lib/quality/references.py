"""References between tables: which keys there are to point at, and how many pointers meet no live row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.config import Reference, Table
from lib.quality.suites import keys_view


def register_keys(table: Table, silver: DataFrame, quarantined: DataFrame | None) -> None:
    """Make the view of the table's keys: column `key`, and `kind` (live, vanished, quarantined; one a key)."""
    name = table.key[0]
    kinds = [
        silver.select(
            F.col(name).alias("key"), F.when(F.col("_deleted_at").isNull(), "live").otherwise("vanished").alias("kind")
        )
    ]
    if quarantined is not None:
        key = F.get_json_object("row", f"$.{name}").try_cast(table.column(name).type)
        kinds.append(quarantined.select(key.alias("key"), F.lit("quarantined").alias("kind")).dropna())
    keys = reduce(DataFrame.unionByName, kinds)
    # 'live' sorts before 'quarantined' before 'vanished': a key that is live counts as live, wherever else it stands.
    keys.groupBy("key").agg(F.min("kind").alias("kind")).createOrReplaceTempView(keys_view(table.name))


def count_pointers(frame: DataFrame, reference: Reference, keys: DataFrame) -> Mapping[str, int]:
    """Pointers of one reference by what they point at: live, vanished, quarantined, nothing. One Spark job."""
    pointer = F.explode(reference.column_name) if reference.is_array else F.col(reference.column_name)
    counted = (
        frame.select(pointer.alias("key"))
        .dropna()
        .join(keys, on="key", how="left")
        .groupBy(F.coalesce("kind", F.lit("nothing")).alias("kind"))
        .count()
        .collect()
    )
    return {row["kind"]: row["count"] for row in counted}

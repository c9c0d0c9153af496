"""The floor: Delta's own quickstart as written. One table of 1,000 rows, written and read back in a plain session.

Nothing is tuned and nothing of Pagelake is imported: this is what starting Spark with Delta costs anybody.
"""

from __future__ import annotations

import sys

from delta import configure_spark_with_delta_pip
from pyspark.sql import SparkSession


def main(path: str) -> int:
    """Write and read back 1,000 rows at `path`."""
    builder = (
        SparkSession.builder.appName("quickstart")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    )
    spark = configure_spark_with_delta_pip(builder).getOrCreate()
    spark.range(1_000).write.format("delta").save(path)
    rows = spark.read.format("delta").load(path).count()
    spark.stop()
    return 0 if rows == 1_000 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

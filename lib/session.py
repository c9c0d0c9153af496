"""Builds the Spark session."""

from __future__ import annotations

from pyspark.sql import SparkSession

from lib.config import Runtime
from lib.lake.tables import RETENTION

# Up to this many rows a run is over before the optimising compiler has paid for itself (benchmarks/README.md).
SMALL_RUN_ROWS = 300_000

_ALWAYS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
    # Tables that Pagelake makes: an update marks rows instead of writing whole files again, and a run that changes nothing
    # commits nothing.
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "true",
    "spark.databricks.delta.properties.defaults.enableChangeDataFeed": "true",
    **{f"spark.databricks.delta.properties.defaults.{name.removeprefix('delta.')}": value for name, value in RETENTION.items()},
}
# On one machine a table of this size is one or two files: more tasks only cost more starts.
_LOCAL = {
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def start_session(app: str, runtime: Runtime, *, rows: int) -> SparkSession:
    """Start Spark for a job that moves about `rows` rows. What the user gave to spark-submit goes before what is set here."""
    settings = {**_ALWAYS, "spark.driver.extraJavaOptions": _java_options(runtime, rows)}
    builder = SparkSession.builder.appName(app)
    if runtime.is_local:
        settings |= _LOCAL | {"spark.driver.extraClassPath": ":".join(runtime.jars)}
        if runtime.master is None:
            # Unlike local[*], this one tries a failed task again.
            builder = builder.master("local[*,4]")
    else:
        settings["spark.jars"] = ",".join(runtime.jars)
    for name, value in settings.items():
        if name not in runtime.submitted:
            builder = builder.config(name, value)
    return builder.getOrCreate()


def _java_options(runtime: Runtime, rows: int) -> str:
    options = ["-Duser.timezone=UTC"]
    if runtime.log4j is not None:
        options.append(f"-Dlog4j2.configurationFile={runtime.log4j.as_uri()}")
    if runtime.is_local and rows <= SMALL_RUN_ROWS:
        options += ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    if runtime.is_local and runtime.class_archive is not None:
        # Another Java, or changed jars: the JVM passes the archive over, and need not say so.
        archive = f'"-XX:SharedArchiveFile={runtime.class_archive}"'
        options += [archive, "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
    return " ".join(options)

"""Builds the Spark session."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from subprocess import Popen, TimeoutExpired
from types import FrameType
from typing import Any

from pyspark import SparkContext
from pyspark.sql import SparkSession

from lib.config import REPO, Runtime
from lib.jvm_says import start_jvm
from lib.stores import kind_of
from lib.stores.jars import store_jars

# A published version must stay readable for years: Delta refuses to read one that is older than this, vacuumed or not.
RETENTION = {
    "delta.deletedFileRetentionDuration": "interval 3650 days",
    "delta.logRetentionDuration": "interval 3650 days",
}
# A run of so many rows or fewer is over before the optimising compiler has paid for itself. Chosen with a wide margin: the demo
# (23,000 rows) gains by it, and minutes of work would not.
SMALL_RUN_ROWS = 300_000
# So long Spark has to stop when it is asked to, before its JVM is killed.
_HALT_S = 3

# Whatever else is asked for: times and dates in the files of the lake mean the same to every engine. Spark's own way (INT96)
# overflows outside 1677 to 2262 for readers that count nanoseconds, and those of the old calendar would be moved by days.
EVERY_ENGINE = {
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
}
_ALWAYS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
    # Tables that Pagelake makes: an update marks rows instead of writing whole files again, and a run that changes nothing
    # commits nothing.
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "true",
    "spark.databricks.delta.properties.defaults.enableChangeDataFeed": "true",
    **{
        f"spark.databricks.delta.properties.defaults.{name.removeprefix('delta.')}": value
        for name, value in RETENTION.items()
    },
}
# What costs more on a few files than it saves: to plan again after every stage, and to read what Delta knows of each file before it
# chooses those that hold the first rows.
_SMALL = {"spark.sql.adaptive.enabled": "false", "spark.databricks.delta.stats.limitPushdown.enabled": "false"}
# On one machine a table of this size is one or two files: more tasks only cost more starts.
_LOCAL = {
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


# What Java writes and reads by recursion gets as deep as a plan is long: that of ALS after 15 iterations does not fit into the
# 1 MB that a thread has by itself.
_STACK = "-Xss4m"


def start_session(app: str, runtime: Runtime, *, rows: int, halts: bool = False) -> SparkSession:
    """Start Spark for a job that moves about `rows` rows.

    What the user gave to spark-submit goes before what is set here, `EVERY_ENGINE` apart.
    `halts`: Ctrl-C and SIGTERM halt Spark before anything else is done about them. For a process that ends with its job.
    """
    settings = {"spark.app.name": app, **settings_of(runtime, rows=rows)}
    if runtime.is_local and runtime.master is None:
        # Unlike local[*], this one tries a failed task again.
        settings["spark.master"] = "local[*,4]"
    start_jvm(settings)
    builder = SparkSession.builder
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = for_every_engine(builder.getOrCreate())
    if threading.current_thread() is threading.main_thread():
        # Spark's own handler calls the JVM on the connection where another call waits: that breaks it, and hides the Ctrl-C.
        signal.signal(signal.SIGINT, _on_ctrl_c)
        if halts:
            # A JVM that was halted need not be silenced.
            signal.signal(signal.SIGINT, _halting(signal.default_int_handler))
            before = signal.getsignal(signal.SIGTERM)
            if callable(before):
                signal.signal(signal.SIGTERM, _halting(before))
    return session


def settings_of(runtime: Runtime, *, rows: int) -> dict[str, str]:
    """What is set for a job that moves about `rows` rows, beside what the user gave to spark-submit."""
    settings = {**_ALWAYS, "spark.driver.extraJavaOptions": _java_options(runtime, rows)}
    jars: tuple[str, ...] = ()
    if runtime.is_local:
        settings |= (
            _LOCAL
            | (_SMALL if rows <= SMALL_RUN_ROWS else {})
            | {"spark.driver.extraClassPath": ":".join(runtime.jars)}
        )
    else:
        jars = runtime.jars
        settings["spark.executor.extraJavaOptions"] = _STACK
    if kind := kind_of(runtime.store):
        # Not in the class path, which the archive of classes was made for.
        jars += store_jars(REPO, kind.scheme)
        settings |= kind.spark_settings()
    if jars and runtime.is_local and "spark.jars" in runtime.submitted:
        # Which those of the user's take the place of.
        settings["spark.driver.extraClassPath"] += f":{':'.join(jars)}"
    elif jars:
        settings["spark.jars"] = ",".join(jars)
    if "spark.driver.host" in runtime.submitted:
        # As in Spark: the address that the user gave is listened on as well, unless another one is given for that.
        settings.pop("spark.driver.bindAddress", None)
    return {name: value for name, value in settings.items() if name not in runtime.submitted}


def for_every_engine(session: SparkSession) -> SparkSession:
    """The session, however it was started, with what no file of a lake may be written without."""
    for name, value in EVERY_ENGINE.items():
        session.conf.set(name, value)
    return session


def _on_ctrl_c(_signal: int, _frame: FrameType | None) -> None:
    """Raise as Python does, with the JVM silenced first: the exception breaks what it is at."""
    silence_spark()
    raise KeyboardInterrupt


def _halting(then: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
    """A handler that halts Spark first, and lets no other signal cut that short."""

    def handle(number: int, frame: FrameType | None) -> None:
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, lambda *_: None)
        halt_spark()
        then(number, frame)

    return handle


def halt_spark() -> None:
    """End Spark and its JVM, so that no job, no task and no commit of this process works on. Every call that waits for it fails.

    Spark is asked first, for the sake of executors elsewhere; a JVM that has no answer, or is in the middle of a commit, is killed.
    """
    context = SparkContext._active_spark_context
    if context is None:
        return
    # What the calls say that are cut off is no news.
    for name in ("py4j", "pyspark"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    java = context._jsc
    # Nor is what its server for accumulators finds: a connection that ends.
    accumulators: Any = context._accumulatorServer
    accumulators.handle_error = lambda *_: None

    def stop() -> None:
        with suppress(Exception):  # whatever is in its way: the JVM is killed next
            context.setLogLevel("OFF")
            java.stop()

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    thread.join(timeout=_HALT_S)
    process = kill_jvm()
    if process is not None:
        with suppress(TimeoutExpired):
            process.wait(timeout=_HALT_S)


def kill_jvm() -> Popen[bytes] | None:
    """Kill the JVM that this process started, if there is one, in the middle of whatever it is at."""
    process: Popen[bytes] | None = getattr(SparkContext._gateway, "proc", None)
    if process is not None:
        process.kill()
    return process


def silence_spark() -> None:
    """Let the JVM say nothing more: for a run that is being stopped, whose broken Spark jobs are no news.

    From a thread of its own, as the connection of this one may be waiting for an answer that nobody will read.
    """
    context = SparkContext._active_spark_context
    if context is not None:
        thread = threading.Thread(target=context.setLogLevel, args=["OFF"], daemon=True)
        thread.start()
        thread.join(timeout=5)


def _java_options(runtime: Runtime, rows: int) -> str:
    options = ["-Duser.timezone=UTC", _STACK]
    if runtime.log4j is not None:
        options.append(f"-Dlog4j2.configurationFile={runtime.log4j.as_uri()}")
    if runtime.is_local and rows <= SMALL_RUN_ROWS:
        # With one compiler the JVM keeps only 48 MB for compiled code, and throws out and makes anew what does not fit: a session
        # of some minutes would spend half of its time on that.
        options += ["-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m", "-XX:+UseSerialGC"]
        # Classes alone would otherwise bring about whole collections while the JVM starts.
        options += ["-XX:MetaspaceSize=256m"]
    if runtime.is_local and runtime.class_archive is not None:
        # Another Java, or changed jars: the JVM passes the archive over, and need not say so.
        archive = f'"-XX:SharedArchiveFile={runtime.class_archive}"'
        options += [archive, "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
    return " ".join(options)

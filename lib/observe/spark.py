"""What Spark says of its own work, from the store behind its UI (which is there without the UI, too)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession


@dataclass(frozen=True)
class SparkWork:
    """Bytes since the session started: the heap's peak by process, what was written for shuffles, what was spilled to disk.

    What a task wrote that was tried again was written, and counts. Spilled bytes are those of the stages that Spark still knows,
    its last 1,000; None if it could not tell.
    """

    peak_memory: Mapping[str, int]
    shuffled: int
    spilled: int | None


def spark_work(spark: SparkSession) -> SparkWork:
    """Ask the store.

    The driver's heap is asked of its own JVM, as Spark samples it every ten seconds only: the sum of the peaks of its pools, so
    rather too much than too little.
    """
    store, gateway = spark._jsc.sc().statusStore(), spark.sparkContext._gateway
    assert gateway is not None
    peaks, shuffled, no = {}, 0, False
    for executor in _each(store.executorList(no)):
        shuffled += int(executor.totalShuffleWrite())
        if executor.peakMemoryMetrics().isDefined():
            peaks[executor.id()] = int(executor.peakMemoryMetrics().get().getMetricValue("JVMHeapMemory"))
    jvm = gateway.jvm
    pools = jvm.java.lang.management.ManagementFactory.getMemoryPoolMXBeans()
    peaks["driver"] = sum(int(pool.getPeakUsage().getUsed()) for pool in pools if pool.getType().name() == "HEAP")
    none = jvm.java.util.ArrayList()
    try:
        stages = store.stageList(none, no, no, gateway.new_array(jvm.double, 0), none)
        spilled = sum(int(stage.diskBytesSpilled()) for stage in _each(stages))
    except Py4JError:  # it forgets old stages meanwhile
        spilled = None
    return SparkWork(peaks, shuffled, spilled)


def _each(sequence: Any) -> Iterator[Any]:
    """The elements of a Scala sequence."""
    return (sequence.apply(index) for index in range(sequence.size()))

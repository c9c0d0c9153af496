"""Runs all sinks that the settings ask for side by side, and waits for them no longer than the settings allow."""

from __future__ import annotations

import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from deltalake.exceptions import DeltaError

from lib.config import CloudWatch, Metrics, Otlp, Pushgateway
from lib.errors import ExportError
from lib.lake.layout import Layout
from lib.logs import LOGGER
from lib.observe.export.batch import Batch
from lib.observe.metrics import Measurement
from lib.observe.outcome import RunSummary
from lib.observe.summaries import last_success
from lib.observe.tasks import TaskEnd

log = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class Sink:
    """One place to send to: its key below `metrics:`, its address for people, and what sends a batch within some seconds."""

    key: str
    address: str
    send: Callable[[Batch, float], None]

    def failed(self, why: str) -> str:
        """One sentence for the log and the report."""
        return f"the metrics did not reach metrics.{self.key} ({self.address}): {why}"


Ended: TypeAlias = "queue.SimpleQueue[tuple[Sink, str | None]]"


def export(
    settings: Metrics, summary: RunSummary, measured: Sequence[Measurement], last_success: datetime | None = None
) -> list[str]:
    """Send the measurements of one run to every sink of the settings; one sentence, without a secret, for each that failed.

    Returns after `settings.timeout_s` seconds at the latest. A sink that has not answered by then is left to a daemon thread, which
    keeps no process alive. Never raises. `last_success` is the end of the last good run before this one, None if there was none.
    """
    return _export(settings, Batch.of(summary, measured, last_success))


def export_run(settings: Metrics, layout: Layout, summary: RunSummary, measured: Sequence[Measurement]) -> list[str]:
    """`export`, with the last success as the lake has it where the run failed. Each problem is logged as a warning, too."""
    problems: list[str] = []
    since = None
    if not summary.outcome.is_good and (settings.prometheus_file or settings.pushgateway):
        try:
            since = last_success(layout, summary)
        except (DeltaError, OSError) as error:
            problems.append(f"when a run was last good is not exported, as {layout.runs} cannot be read: {error}")
    problems += export(settings, summary, measured, since)
    for problem in problems:
        log.warning(problem)
    return problems


def export_task(settings: Metrics, source: str, end: TaskEnd, measured: Sequence[Measurement]) -> list[str]:
    """Send the measurements of one task of a DAG, or of a run of it, in the same way. What is held of the source's runs stays."""
    return _export(settings, Batch.of_task(source, end, measured))


def _export(settings: Metrics, batch: Batch) -> list[str]:
    sinks = _enabled(settings)
    ended: Ended = queue.SimpleQueue()
    until = time.monotonic() + settings.timeout_s
    problems: dict[str, str] = {}
    waited_for = {sink.key: sink for sink in sinks}
    for sink in sinks:
        work = threading.Thread(
            target=_work, args=(sink, batch, settings.timeout_s, ended), name=f"export-{sink.key}", daemon=True
        )
        try:
            work.start()
        except RuntimeError:
            ended.put((sink, "no thread could be started for it"))
    while waited_for:
        try:
            sink, problem = ended.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        del waited_for[sink.key]
        if problem is not None:
            problems[sink.key] = sink.failed(problem)
    late = (
        f"no answer within {settings.timeout_s:g} s (metrics.timeout_s); see that it runs and can be reached from here"
    )
    problems.update({key: sink.failed(late) for key, sink in waited_for.items()})
    return [problems[sink.key] for sink in sinks if sink.key in problems]


def _work(sink: Sink, batch: Batch, timeout_s: float, ended: Ended) -> None:
    ended.put((sink, _sent(sink, batch, timeout_s)))


def _sent(sink: Sink, batch: Batch, timeout_s: float) -> str | None:
    """Send to one sink; why it failed, None if it did not."""
    try:
        sink.send(batch, timeout_s)
    except ExportError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever a sink's library raises must not end a run; its text may hold a header
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}, which is not foreseen"
    return None


def _enabled(settings: Metrics) -> list[Sink]:
    found = []
    if settings.otlp is not None:
        found.append(Sink("otlp", settings.otlp.url, _otlp(settings.otlp)))
    if settings.prometheus_file is not None:
        found.append(Sink("prometheus_file", settings.prometheus_file, _prometheus_file(settings.prometheus_file)))
    if settings.pushgateway is not None:
        found.append(Sink("pushgateway", settings.pushgateway.url, _pushgateway(settings.pushgateway)))
    if settings.cloudwatch is not None:
        address = settings.cloudwatch.endpoint or settings.cloudwatch.region
        found.append(Sink("cloudwatch", address, _cloudwatch(settings.cloudwatch)))
    return found


# The libraries are imported where they are first used: a run without a sink does not pay for them.


def _otlp(settings: Otlp) -> Callable[[Batch, float], None]:
    def send(batch: Batch, timeout_s: float) -> None:
        from lib.observe.export import otlp

        otlp.send(settings, batch, timeout_s)

    return send


def _prometheus_file(path: str) -> Callable[[Batch, float], None]:
    def send(batch: Batch, timeout_s: float) -> None:
        from lib.observe.export import prometheus

        prometheus.write(path, batch)

    return send


def _pushgateway(settings: Pushgateway) -> Callable[[Batch, float], None]:
    def send(batch: Batch, timeout_s: float) -> None:
        from lib.observe.export import prometheus

        prometheus.push(settings, batch, timeout_s)

    return send


def _cloudwatch(settings: CloudWatch) -> Callable[[Batch, float], None]:
    def send(batch: Batch, timeout_s: float) -> None:
        from lib.observe.export import cloudwatch

        cloudwatch.send(settings, batch, timeout_s)

    return send

"""Metrics to Prometheus: a text file for node_exporter, or a Pushgateway.

Both hold what the last run of a source said and, apart from that, what the last run of each DAG and of each of its tasks did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import push_to_gateway, write_to_textfile
from prometheus_client.registry import Collector

from lib.config import Pushgateway
from lib.errors import ExportError
from lib.observe.export.batch import Batch
from lib.observe.export.http import request
from lib.observe.metrics import About, Metric
from lib.observe.outcome import Outcome

JOB = "pagelake"
UNIT_ENDINGS = {"s": "seconds", "By": "bytes"}
# Prometheus gives every series a `job` of its own, and keeps `quantile` for summaries.
RENAMED_LABELS = {"job": "pagelake_job", "quantile": "pagelake_quantile"}

_Values: TypeAlias = dict[tuple[str, ...], float]  # by the values of the labels, in the order of their names


def write(path: str, batch: Batch) -> None:
    """Write the batch as a text file, in the place of the one that is there, in one move.

    A task or DAG has a file of its own beside that of the source's runs: `shop+nightly+full_ingest.prom` beside `shop.prom`.

    Raises:
        ExportError: it cannot be written.
    """
    try:
        write_to_textfile(file_of(path, batch), registry(batch))
    except OSError as error:
        message = f"{error.strerror or 'it cannot be written'}; make the folder, and let this user write to it"
        raise ExportError(message) from error


def push(settings: Pushgateway, batch: Batch, timeout_s: float) -> None:
    """Put the batch in the place of what the Pushgateway holds of the source's runs, or of the same task or DAG.

    Raises:
        ExportError: it did not take the batch.
    """
    key = {"source": batch.source, **batch.group}
    push_to_gateway(settings.url, JOB, registry(batch), grouping_key=key, timeout=timeout_s, handler=_handler)


def file_of(path: str, batch: Batch) -> str:
    """Where the batch is written, if runs are written to `path`. No id of Airflow's has the sign between the parts."""
    runs = PurePosixPath(path)
    return str(runs.with_name("+".join([runs.stem, *batch.group.values()]) + runs.suffix))


def registry(batch: Batch) -> CollectorRegistry:
    """The batch as gauges; of a run also how and when the source's last runs ended."""
    own = CollectorRegistry()
    own.register(_Known(tuple(_families(batch))))
    return own


def name_of(about: About) -> str:
    """The metric's name as Prometheus has names: with its unit at the end."""
    name = f"pagelake_{about.name.replace('.', '_')}"
    ending = UNIT_ENDINGS.get(about.unit, "")
    return name if name.endswith(ending) else f"{name}_{ending}"


def label_names(about: About) -> list[str]:
    """The labels that each series of the metric has."""
    own = [RENAMED_LABELS.get(name, name) for name in about.labels]
    return ["source", *(["table"] if about.by_table else []), *own]


@dataclass(frozen=True, eq=False)
class _Known(Collector):
    """Gauges whose values are known already. Those of the client count over time, and may keep files for it."""

    families: tuple[GaugeMetricFamily, ...]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self.families


def _families(batch: Batch) -> Iterator[GaugeMetricFamily]:
    by_metric: dict[Metric, _Values] = {}
    for one in batch.measured:
        about = one.series.metric.about
        labels = {RENAMED_LABELS.get(name, name): value for name, value in batch.labels(one).items()}
        key = tuple(labels.get(name, "") for name in label_names(about))
        by_metric.setdefault(one.series.metric, {})[key] = one.value
    for metric, values in by_metric.items():
        yield _gauge(name_of(metric.about), metric.about.says, label_names(metric.about), values)
    if batch.outcome is not None:
        yield from _ends(batch.source, batch.at, batch.outcome, batch.last_success)


def _ends(source: str, at: datetime, outcome: Outcome, last_success: datetime | None) -> Iterator[GaugeMetricFamily]:
    run_at: _Values = {(source,): at.timestamp()}
    yield _gauge("pagelake_last_run_timestamp_seconds", "End of the last run.", ["source"], run_at)
    if last_success is not None:
        good_at: _Values = {(source,): last_success.timestamp()}
        yield _gauge("pagelake_last_success_timestamp_seconds", "End of the last good run.", ["source"], good_at)
    outcomes: _Values = {(source, known.name.lower()): float(known is outcome) for known in Outcome}
    says = "1 for how the last run ended, 0 for all else."
    yield _gauge("pagelake_run_outcome", says, ["source", "outcome"], outcomes)


def _gauge(name: str, says: str, label_names: Sequence[str], values: _Values) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, says, labels=label_names)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _handler(
    url: str, method: str, timeout: float | None, headers: Iterable[tuple[str, str]], data: bytes
) -> Callable[[], None]:
    """What prometheus_client is to send with: its own way takes the proxy of the environment, and follows redirects."""

    def handle() -> None:
        request(method, url, data, dict(headers), timeout or 1)

    return handle

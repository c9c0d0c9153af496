"""Metrics to Prometheus: a text file for node_exporter, or a Pushgateway. Both hold what the last run of a source said."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import push_to_gateway, write_to_textfile

from lib.config import Pushgateway
from lib.errors import ExportError
from lib.observe.export.batch import Batch
from lib.observe.export.http import request
from lib.observe.metrics import About
from lib.observe.outcome import Outcome

JOB = "pagelake"
UNIT_ENDINGS = {"s": "seconds", "By": "bytes"}
# Prometheus gives every series a `job` of its own, and keeps `quantile` for summaries.
RENAMED_LABELS = {"job": "pagelake_job", "quantile": "pagelake_quantile"}


def write(path: str, batch: Batch) -> None:
    """Write the batch as a text file, in the place of the one that is there, in one move.

    Raises:
        ExportError: it cannot be written.
    """
    try:
        write_to_textfile(path, registry(batch))
    except OSError as error:
        message = f"{error.strerror or 'it cannot be written'}; make the folder, and let this user write to it"
        raise ExportError(message) from error


def push(settings: Pushgateway, batch: Batch, timeout_s: float) -> None:
    """Put the batch in the place of what the Pushgateway holds of the source.

    Raises:
        ExportError: it did not take the batch.
    """
    key = {"source": batch.summary.source}
    push_to_gateway(settings.url, JOB, registry(batch), grouping_key=key, timeout=timeout_s, handler=_handler)


def registry(batch: Batch) -> CollectorRegistry:
    """The batch as gauges, and how and when the source's last runs ended."""
    own = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for one in batch.measured:
        about = one.series.metric.about
        labels = {RENAMED_LABELS.get(name, name): value for name, value in batch.labels(one).items()}
        name = name_of(about)
        if name not in gauges:
            gauges[name] = Gauge(name, about.says, label_names(about), registry=own)
        gauges[name].labels(**{label: labels.get(label, "") for label in label_names(about)}).set(one.value)
    source = batch.summary.source
    run_at = Gauge("pagelake_last_run_timestamp_seconds", "End of the last run.", ["source"], registry=own)
    run_at.labels(source=source).set(batch.at.timestamp())
    if batch.last_success is not None:
        good_at = Gauge(
            "pagelake_last_success_timestamp_seconds", "End of the last good run.", ["source"], registry=own
        )
        good_at.labels(source=source).set(batch.last_success.timestamp())
    outcome = Gauge(
        "pagelake_run_outcome",
        "1 for how the last run ended, 0 for all else.",
        ["source", "outcome"],
        registry=own,
    )
    for known in Outcome:
        outcome.labels(source=source, outcome=known.name.lower()).set(known is batch.summary.outcome)
    return own


def name_of(about: About) -> str:
    """The metric's name as Prometheus has names: with its unit at the end."""
    name = f"pagelake_{about.name.replace('.', '_')}"
    ending = UNIT_ENDINGS.get(about.unit, "")
    return name if name.endswith(ending) else f"{name}_{ending}"


def label_names(about: About) -> list[str]:
    """The labels that each series of the metric has."""
    own = [] if about.label is None else [RENAMED_LABELS.get(about.label, about.label)]
    return ["source", *(["table"] if about.by_table else []), *own]


def _handler(
    url: str, method: str, timeout: float | None, headers: Iterable[tuple[str, str]], data: bytes
) -> Callable[[], None]:
    """What prometheus_client is to send with: its own way takes the proxy of the environment, and follows redirects."""

    def handle() -> None:
        request(method, url, data, dict(headers), timeout or 1)

    return handle

"""One bad night and the good one after it: the same numbers in `ops/metrics`, at every sink, in the alerts and on the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from demo import Faults
from tests.e2e.fastapi_service import Service
from tests.e2e.jobs_and_lakes import Ended, read, served_rows
from tests.e2e.warm_process import WarmProcess
from tests.e2e.watched_page import Watched
from tests.message_receivers import Receiver, http_receiver
from tests.metrics_sink import SinkServer

pytestmark = pytest.mark.e2e

Labels = frozenset[tuple[str, str]]
# 120 tracks, one of them served twice and one without a name, and 3 copies at the end; 60 users, of whom 1 and 2 more have no
# email; 300 sessions, and 4 that point by turns at a user and at a track that do not exist. Users come on one page, asked for
# three times in vain before.
BAD = {"faults": Faults(orphans=4, duplicates=3, nulls=2)}
EXPECTED: dict[tuple[str, str | None, str | None], float] = {
    ("copy.rows", "tracks", None): 124,
    ("copy.rows", "users", None): 60,
    ("copy.rows", "listen_history", None): 304,
    ("copy.pages", "tracks", None): 2,
    ("copy.pages", "users", None): 1,
    ("copy.pages", "listen_history", None): 4,
    ("copy.http_calls", "tracks", None): 2,
    ("copy.http_calls", "users", None): 4,
    ("copy.throttled", "tracks", None): 0,
    ("copy.throttled", "users", None): 3,
    ("copy.retries", "users", "429"): 3,
    ("quality.claimed_rows", "users", None): 60,
    ("quality.duplicate_rows", "tracks", None): 4,
    ("quality.differing_duplicates", "tracks", None): 0,
    ("quality.duplicate_rows", "users", None): 0,
    ("quality.rejected_rows", "tracks", None): 1,
    ("quality.rejections", "tracks", "missing_value:name"): 1,
    ("quality.rejected_rows", "users", None): 3,
    ("quality.rejections", "users", "missing_value:email"): 3,
    ("quality.missing_values", "users", "email"): 3,
    ("quality.missing_values", "users", "first_name"): 0,
    ("quality.distinct_keys", "tracks", None): 119,
    ("quality.distinct_keys", "users", None): 57,
    ("quality.inserted_rows", "users", None): 57,
    ("quality.updated_rows", "users", None): 0,
    ("quality.deleted_rows", "users", None): 0,
    ("quality.unchanged_rows", "users", None): 0,
    ("quality.orphans", "listen_history", "user_id"): 2,
    ("quality.orphans", "listen_history", "items[]"): 2,
    ("quality.failed_checks", None, None): 2,
    ("quality.unchecked", None, None): 0,
    ("run.succeeded", None, None): 0,
    ("spark.spilled", None, None): 0,
}
STEPS = ("plan", "fetch", "land", "prove", "parse", "quarantine", "merge", "derive", "check", "publish")


@dataclass
class Night:
    """What came of one run, everywhere."""

    ended: Ended
    metrics: dict[tuple[str, str | None, str | None], float]
    collected: bytes
    prometheus: str
    titles: list[str]
    messages: list[str]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("observed") / "lake"


@pytest.fixture(scope="module")
def ops() -> Iterator[Receiver]:
    with http_receiver() as receiver:
        yield receiver


def night(warm: WarmProcess, lake: Path, service: Service, ops: Receiver, run_id: str) -> Night:
    text = lake.parent / "pagelake.prom"
    n_told = len(ops.bodies)
    with SinkServer() as collector:
        ended = warm.ingest(
            lake, run_id, "--source", "moovitamix", "--api-url", service.url,
            "--set", f"metrics.otlp={{url: '{collector.url}/v1/metrics'}}", "--set", f"metrics.prometheus_file={text}",
            PAGELAKE_ALERT_URL=f"json://127.0.0.1:{ops.port}",
        )  # fmt: skip
    [request] = collector.requests
    rows = read(lake / "ops" / "metrics", sql=f"SELECT * FROM t WHERE run_id = '{run_id}'")
    metrics = {(row["metric"], row["table"], row["label"]): row["value"] for row in rows}
    assert len(metrics) == len(rows)
    told = ops.bodies[n_told:]
    titles, messages = [body["title"] for body in told], [body["message"] for body in told]
    return Night(ended, metrics, request.unpacked, text.read_text("utf-8"), titles, messages)


@pytest.fixture(scope="module")
def bad(warm: WarmProcess, lake: Path, service: Service, ops: Receiver) -> Night:
    service.rows, service.busy = served_rows(**BAD), {"users": 3}
    return night(warm, lake, service, ops, "bad")


@pytest.fixture(scope="module")
def good(bad: Night, warm: WarmProcess, lake: Path, service: Service, ops: Receiver) -> Night:
    service.rows = served_rows()
    return night(warm, lake, service, ops, "good")


def gauges(night: Night) -> dict[tuple[str, Labels], float]:
    """What Prometheus reads in the file."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(night.prometheus)
        for sample in family.samples
    }


def test_a_bad_night_has_exactly_the_numbers_that_were_planted(bad: Night) -> None:
    assert bad.ended.status == 3, bad.ended.err
    assert {series: bad.metrics.get(series) for series in EXPECTED} == EXPECTED
    assert {label for metric, _, label in bad.metrics if metric == "copy.step_seconds"} >= set(STEPS)
    assert all(bad.metrics["copy.latency_seconds", "users", quantile] > 0 for quantile in ("p50", "p95", "p99"))
    assert bad.metrics["copy.bytes", "users", None] > 60 * 100
    assert bad.metrics["spark.shuffled", None, None] > 0
    assert bad.metrics["spark.peak_memory", None, "driver"] > 50e6
    assert bad.metrics["lake.files_added", "users", None] == bad.metrics["lake.files", "users", None] > 0


def test_steps_are_the_time_of_the_run(bad: Night) -> None:
    steps = sum(value for (metric, _, _), value in bad.metrics.items() if metric == "copy.step_seconds")
    whole = bad.metrics["run.seconds", None, "full-ingest"]
    assert steps <= whole
    assert whole <= bad.ended.seconds


def test_the_collector_got_the_same_numbers(bad: Night) -> None:
    [resource] = ExportMetricsServiceRequest.FromString(bad.collected).resource_metrics
    found = {}
    for metric in resource.scope_metrics[0].metrics:
        for point in metric.gauge.data_points:
            words = {one.key: one.value.string_value for one in point.attributes}
            assert words.pop("source") == "moovitamix"
            table = words.pop("table", None)
            found[metric.name.removeprefix("pagelake."), table, next(iter(words.values()), None)] = point.as_double
    assert found == bad.metrics


def test_prometheus_reads_the_same_numbers(bad: Night, good: Night) -> None:
    source = ("source", "moovitamix")
    found = gauges(bad)
    assert found["pagelake_quality_duplicate_rows", frozenset({source, ("table", "tracks")})] == 4
    assert found["pagelake_copy_throttled", frozenset({source, ("table", "users")})] == 3
    user_id = frozenset({source, ("table", "listen_history"), ("reference", "user_id")})
    assert found["pagelake_quality_orphans", user_id] == 2
    assert found["pagelake_run_outcome", frozenset({source, ("outcome", "checks_failed")})] == 1
    assert ("pagelake_last_success_timestamp_seconds", frozenset({source})) not in found
    after = gauges(good)
    assert after["pagelake_quality_orphans", user_id] == 0
    assert after["pagelake_run_outcome", frozenset({source, ("outcome", "published")})] == 1
    assert after["pagelake_last_success_timestamp_seconds", frozenset({source})] > 1.7e9


def test_who_is_on_call_was_told_what_and_that_it_is_over(bad: Night, good: Night) -> None:
    assert sorted(bad.titles) == ["[critical] moovitamix: checks-failed", "[warning] moovitamix: orphans"]
    orphans = next(text for text in bad.messages if "quality.orphans" in text)
    assert "quality.orphans of listen_history (reference: user_id): 2 rows, above 0 rows" in orphans
    assert "site/runs/bad/index.html" in orphans
    assert sorted(good.titles) == ["[recovered] moovitamix: checks-failed", "[recovered] moovitamix: orphans"]
    mails = {row["email"] for row in served_rows(**BAD)["users"] if row["email"]}
    assert not [mail for mail in mails for text in (*bad.messages, *good.messages) if mail in text]


def test_the_good_night_after_it(good: Night) -> None:
    assert good.ended.status == 0, good.ended.err
    # The same users: 2 got their email, and 57 are as they were.
    assert good.metrics["quality.inserted_rows", "users", None] == 2
    assert good.metrics["quality.unchanged_rows", "users", None] == 57
    assert good.metrics["quality.rejected_rows", "users", None] == 1
    # The sessions with orphans are gone.
    assert good.metrics["quality.orphans", "listen_history", "user_id"] == 0
    assert good.metrics["copy.throttled", "users", None] == 0
    assert good.metrics["run.succeeded", None, None] == 1


def test_status_says_the_same(good: Night, warm: WarmProcess, lake: Path) -> None:
    said = json.loads(warm.job("status", "--source", "moovitamix", "--lake", str(lake), "--format", "json").out)
    runs = {run["run_id"]: run for run in said["runs"]}
    assert (runs["bad"]["outcome"], runs["bad"]["rows"], runs["bad"]["rejected"], runs["bad"]["orphans"]) == (
        "checks failed", 488, 4, 4,
    )  # fmt: skip
    assert runs["good"]["outcome"] == "published"
    assert (said["published"]["run_id"], said["failing"]) == ("good", None)


def test_the_page_has_the_numbers_of_each_run(good: Night, lake: Path, watched: Watched) -> None:
    page: Any = watched.page
    page.goto(f"{(lake / 'site' / 'runs.html').as_uri()}#run-bad", wait_until="networkidle")
    words = " ".join(page.locator("#run-bad").inner_text().split())
    assert "2 critical failed" in words
    for number in ("quality.orphans", "quality.duplicate_rows", "copy.throttled"):
        assert number in words
    row = page.locator("#run-bad tr", has_text="quality.orphans").filter(has_text="user_id")
    assert "2" in row.inner_text().split()
    assert "published" in page.locator("#run-good summary").first.inner_text()
    watched.check()

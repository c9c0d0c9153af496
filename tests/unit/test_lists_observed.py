"""How a build of lists is told: metrics of its run, alerts, and when a fallen hit rate asks for a training."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.steps.options import Job
from lib.config import load_alerts
from lib.errors import ChecksFailedError, ConfigError, LakeError
from lib.lake import alerts as told
from lib.lake import metrics, runs
from lib.lake.decisions import Decision, Verdict
from lib.lake.layout import claim
from lib.lake.runs import Run
from lib.observe.metrics import Measurement, Metric, Series, from_record, to_record
from lib.observe.outcome import Outcome
from lib.observe.verdicts import metric_shapes
from lib.recommend.list_numbers import ListNumbers, last_ndcg
from lib.recommend.need import Fallen
from lib.reporting.lists import fallen_since, lists_observed
from tests.made_up_runs import DAY_0, REPO, job_at
from tests.on_disk import on_disk

NUMBERS = ListNumbers(
    ndcg={"discover": 0.15},
    coverage={"discover": 0.9, "again": 0.4},
    by_rule={"discover": 0.02, "again": 1.0},
    hit_rate={"discover": 0.25},
    drift={"hour": 0.05},
    training_age_s=3600.0,
)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job of the demo source, with the rules of conf/ and no channel that is on."""
    made = job_at(tmp_path / "lake")
    claim(made.layout, "demo", DAY_0)
    outcomes = [outcome.value for outcome in Outcome]
    rules = load_alerts(
        REPO / "conf" / "alerts.yml", metrics=metric_shapes(), outcomes=outcomes, tables=["users"], env={}
    )
    return replace(made, runtime=replace(made.runtime, site_assets=None), alerts=rules)


def published(job: Job) -> Run:
    """A run that was measured at its end, and is published."""
    run = Run("r1", "demo", DAY_0, "", "{}", state=runs.PUBLISHED, exit_status=0, ended_at=datetime.now(UTC))
    run.save(job.layout)
    metrics.save(job.layout, "r1", DAY_0, [to_record(Measurement(Series(Metric.ROWS, "users"), 10.0))])
    return run


def recorded(job: Job) -> dict[tuple[Metric, str | None], float]:
    found = [from_record(record) for record in metrics.of_run(job.layout, "r1")]
    return {(one.series.metric, one.series.label): one.value for one in found if one is not None}


def test_the_numbers_of_a_build_stand_with_what_was_measured_of_the_run(job: Job) -> None:
    with lists_observed(job.watch, published(job), "build-recommendations", DAY_0) as found:
        found.numbers, found.unusable, found.is_published = NUMBERS, ["model m2 is damaged"], True
    measured = recorded(job)
    assert measured.pop((Metric.SECONDS, "build-recommendations")) > 0
    assert measured == {
        (Metric.ROWS, None): 10,
        (Metric.SUCCEEDED, None): 1,
        (Metric.LISTS_BUILT, None): 1,
        (Metric.MODEL_NDCG, "discover"): 0.15,
        (Metric.COVERAGE, "discover"): 0.9,
        (Metric.COVERAGE, "again"): 0.4,
        (Metric.BY_RULE, "discover"): 0.02,
        (Metric.BY_RULE, "again"): 1,
        (Metric.HIT_RATE, "discover"): 0.25,
        (Metric.DRIFT, "hour"): 0.05,
        (Metric.UNUSABLE, None): 1,
        (Metric.TRAINING_AGE, None): 3600,
    }
    assert {event["rule"] for event in told.latest(job.layout)} == {"model-unusable"}


def test_a_build_that_fails_is_told_and_the_run_stays_as_it_was(job: Job) -> None:
    run = published(job)
    with pytest.raises(ChecksFailedError), lists_observed(job.watch, run, "build-recommendations", DAY_0):
        raise ChecksFailedError("1 expectation failed")
    measured = recorded(job)
    assert (measured[Metric.LISTS_BUILT, None], measured[Metric.SUCCEEDED, None]) == (0, 1)
    assert [event["rule"] for event in told.latest(job.layout)] == ["lists-failed"]
    assert runs.all_runs(job.layout)[0].state == runs.PUBLISHED
    # The next one that passes ends the alert.
    with lists_observed(job.watch, run, "build-recommendations", DAY_0) as found:
        found.numbers, found.is_published = NUMBERS, True
    assert [(event["rule"], event["kind"]) for event in told.latest(job.layout)] == [("lists-failed", "recovered")]


def test_lists_that_are_published_are_told_so_though_the_copy_of_the_site_failed(job: Job) -> None:
    def build() -> None:
        with lists_observed(job.watch, published(job), "build-recommendations", DAY_0) as found:
            found.is_published = True
            raise LakeError("the site could not be copied")

    with pytest.raises(LakeError):
        build()
    assert recorded(job)[Metric.LISTS_BUILT, None] == 1


def test_measurements_that_cannot_be_read_ask_for_no_training(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    metrics.save(job.layout, "r1", DAY_0, [to_record(rate(0.1, is_anomaly=True))])
    for path in on_disk(job.layout.metrics).rglob("*.parquet"):
        path.unlink()
    training = Decision("m", "discover", DAY_0 - timedelta(days=1), Verdict.KEPT, [], None, None)
    assert fallen_since(job.layout, training) == []
    assert "a low hit rate cannot ask for a training" in caplog.text


@pytest.mark.parametrize("why", [KeyboardInterrupt(), SystemExit(143), ConfigError("no such block")])
def test_a_build_that_is_stopped_or_told_wrongly_says_nothing_of_the_lists(job: Job, why: BaseException) -> None:
    with pytest.raises(type(why)), lists_observed(job.watch, published(job), "build-recommendations", DAY_0):
        raise why
    assert not [metric for metric, _ in recorded(job) if metric.about.name.startswith("recommend.")]


def test_a_model_is_as_good_as_the_last_training_found_it() -> None:
    def decision(
        verdict: Verdict, version: str, before: str | None, after: str | None, metrics: str | None
    ) -> Decision:
        return Decision(version, "discover", DAY_0, verdict, [], after, before, model_version=version, metrics=metrics)

    def measured(**ndcg: float) -> str:
        return json.dumps({name: {"ndcg_at_10": {"mean": value}} for name, value in ndcg.items()})

    first = decision(Verdict.PROMOTED, "m1", None, "m1", measured(candidate=0.2, popular=0.1))
    kept = decision(Verdict.KEPT, "m2", "m1", "m1", measured(candidate=0.25, champion=0.24))
    second = decision(Verdict.PROMOTED, "m3", "m1", "m3", measured(candidate=0.3, champion=0.22))
    undone = decision(Verdict.ROLLED_BACK, "r", "m3", "m1", None)
    assert last_ndcg([], "discover", "m1") is None
    assert last_ndcg([first], "discover", "m1") == 0.2
    assert last_ndcg([first, kept], "discover", "m1") == 0.24
    assert last_ndcg([first, kept, second], "discover", "m3") == 0.3
    assert last_ndcg([first, kept, second, undone], "discover", "m1") == 0.22
    assert last_ndcg([first], "again", "m1") is None


def rate(value: float, *, is_anomaly: bool) -> Measurement:
    return Measurement(Series(Metric.HIT_RATE, None, "discover"), value, 0.2, 0.4, -5.0, is_anomaly=is_anomaly)


def test_a_fallen_hit_rate_counts_from_the_second_night_after_a_training(job: Job) -> None:
    training = Decision("m", "discover", DAY_0 + timedelta(hours=1), Verdict.KEPT, [], None, None)
    for day in range(3):
        at = DAY_0 + timedelta(days=day)
        metrics.save(job.layout, f"r{day}", at, [to_record(rate(0.1, is_anomaly=True))])
        assert fallen_since(job.layout, training) == ([Fallen("discover", 0.1, 0.2)] if day == 2 else [])
    assert fallen_since(job.layout, None) == []
    metrics.save(job.layout, "r3", DAY_0 + timedelta(days=3), [to_record(rate(0.3, is_anomaly=False))])
    assert fallen_since(job.layout, training) == []

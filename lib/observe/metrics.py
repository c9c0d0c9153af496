"""What is measured of every run, and of tasks of a DAG.

One enum of metrics, and the measurements that are recorded, exported, judged and shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Bad(Enum):
    """Which way a metric must move to be bad news."""

    MORE = "more"
    LESS = "less"
    EITHER = "either"
    NEVER = "never"


@dataclass(frozen=True)
class About:
    """One metric: its name, its unit (UCUM, as OpenTelemetry writes units), which way is bad, what it says.

    `label` names what else tells its measurements apart (a step, a column), None for nothing. A metric `by_table` is measured
    for each table, the others once a run. One `by_dag` is not measured of a run but of a DAG or one of its tasks; its label is
    several in one, `dag/task/state`, and so are its values, `nightly/full_ingest/success`.
    """

    name: str
    unit: str
    bad: Bad
    says: str
    label: str | None = None
    by_table: bool = False
    by_dag: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The kinds of labels, one by one."""
        return tuple(self.label.split("/")) if self.label else ()


class Metric(Enum):
    """Every metric that Pagelake measures. A measurement that does not apply to a run or table is left out, and not 0."""

    STEP_SECONDS = About("copy.step_seconds", "s", Bad.MORE, "Seconds by step of the job.", label="step")
    BYTES = About("copy.bytes", "By", Bad.EITHER, "Bytes of the answers, decoded.", by_table=True)
    ROWS = About("copy.rows", "{row}", Bad.EITHER, "Rows landed, each reading of a page counted.", by_table=True)
    PAGES = About("copy.pages", "{page}", Bad.EITHER, "Pages landed, each reading counted.", by_table=True)
    CALLS = About("copy.http_calls", "{call}", Bad.MORE, "HTTP requests for pages, tries included.", by_table=True)
    RETRIES = About(
        "copy.retries", "{call}", Bad.MORE, "Requests made again, by reason.", label="reason", by_table=True
    )
    THROTTLED = About("copy.throttled", "{call}", Bad.MORE, "Answers of status 429.", by_table=True)
    WAITED = About("copy.waited_seconds", "s", Bad.MORE, "Seconds between tries, of all requests.", by_table=True)
    LATENCY = About(
        "copy.latency_seconds", "s", Bad.MORE, "Seconds an answer took, by quantile.", label="quantile", by_table=True
    )
    IN_FLIGHT = About("copy.in_flight", "{call}", Bad.NEVER, "Requests open at once, on average.")
    ROWS_A_SECOND = About("copy.rows_per_second", "{row}/s", Bad.LESS, "Rows landed a second of fetching.")
    DUPLICATES = About("quality.duplicate_rows", "{row}", Bad.MORE, "Rows that repeat a key.", by_table=True)
    DIFFERED = About("quality.differing_duplicates", "{row}", Bad.MORE, "Of these, with other content.", by_table=True)
    MISSING = About(
        "quality.missing_values", "{row}", Bad.MORE, "Rows without a value, by column.", label="column", by_table=True
    )
    ORPHANS = About(
        "quality.orphans", "{row}", Bad.MORE, "Orphaned references, by reference.", label="reference", by_table=True
    )
    REJECTED = About("quality.rejected_rows", "{row}", Bad.MORE, "Rows put into quarantine.", by_table=True)
    REJECTED_FOR = About(
        "quality.rejections", "{row}", Bad.MORE, "Reasons of rejected rows.", label="reason", by_table=True
    )
    INSERTED = About("quality.inserted_rows", "{row}", Bad.EITHER, "Rows new to the table.", by_table=True)
    UPDATED = About("quality.updated_rows", "{row}", Bad.EITHER, "Rows whose content changed.", by_table=True)
    DELETED = About("quality.deleted_rows", "{row}", Bad.MORE, "Rows that the source no longer has.", by_table=True)
    UNCHANGED = About("quality.unchanged_rows", "{row}", Bad.NEVER, "Rows that stayed as they were.", by_table=True)
    KEYS = About("quality.distinct_keys", "{row}", Bad.EITHER, "Distinct keys of the rows taken.", by_table=True)
    CLAIMED = About("quality.claimed_rows", "{row}", Bad.EITHER, "Rows the source says it has.", by_table=True)
    FRESHNESS = About("quality.age_seconds", "s", Bad.MORE, "Age of the newest row at the run's start.", by_table=True)
    CHECKS_FAILED = About("quality.failed_checks", "{check}", Bad.MORE, "Critical expectations that failed.")
    CHECKS_WARNED = About("quality.warnings", "{check}", Bad.MORE, "Expectations that only warn, and failed.")
    CHECKS_UNDONE = About("quality.unchecked", "{check}", Bad.MORE, "Expectations that could not be checked.")
    SECONDS = About("run.seconds", "s", Bad.MORE, "Seconds of the whole run, by job.", label="job")
    SUCCEEDED = About("run.succeeded", "1", Bad.NEVER, "1 for a run that did what it was asked to, 0 for another.")
    PEAK_MEMORY = About("spark.peak_memory", "By", Bad.MORE, "Most memory in use, by process.", label="process")
    SHUFFLED = About("spark.shuffled", "By", Bad.MORE, "Bytes written for shuffles.")
    SPILLED = About("spark.spilled", "By", Bad.MORE, "Bytes spilled to disk, as memory was short.")
    FILES_ADDED = About("lake.files_added", "{file}", Bad.NEVER, "Data files that the merge added.", by_table=True)
    FILES_REMOVED = About("lake.files_removed", "{file}", Bad.NEVER, "Data files that it replaced.", by_table=True)
    FILES = About("lake.files", "{file}", Bad.MORE, "Data files of the table's version.", by_table=True)
    TABLE_BYTES = About("lake.bytes", "By", Bad.EITHER, "Bytes of these files.", by_table=True)
    LISTS_BUILT = About(
        "recommend.built", "1", Bad.NEVER, "1 for lists that passed their checks, 0 for a build that failed."
    )
    MODEL_NDCG = About(
        "recommend.ndcg_at_10", "1", Bad.LESS, "NDCG@10 of the champion, as measured last.", label="list"
    )
    HIT_RATE = About(
        "recommend.hit_rate", "1", Bad.LESS, "Share of players who played an item of their list.", label="list"
    )
    COVERAGE = About("recommend.coverage", "1", Bad.LESS, "Share of the live items that the list has.", label="list")
    BY_RULE = About("recommend.by_rule", "1", Bad.MORE, "Share of the rows that no model gave.", label="list")
    DRIFT = About("recommend.drift", "1", Bad.MORE, "PSI of the plays since the last training.", label="category")
    TRAINING_AGE = About("recommend.training_age_seconds", "s", Bad.NEVER, "Age of the last training.")
    UNUSABLE = About("recommend.unusable_models", "{model}", Bad.MORE, "Promoted models that could not be used.")
    TASK_SECONDS = About(
        "dag.task_seconds", "s", Bad.MORE, "Seconds of the last try of a task.", label="dag/task/state", by_dag=True
    )
    TASKS_FAILED = About(
        *("dag.failed_tasks", "{task}", Bad.MORE, "1 for a task that failed for good, 0 for one that ended well."),
        label="dag/task",
        by_dag=True,
    )
    TASK_RETRIES = About(
        *("dag.task_retries", "{attempt}", Bad.MORE, "Tries of a task after its first, in one run of its DAG."),
        label="dag/task",
        by_dag=True,
    )
    DAG_SECONDS = About("dag.run_seconds", "s", Bad.MORE, "Seconds of a run of a DAG.", label="dag/state", by_dag=True)
    DAGS_FAILED = About(
        *("dag.failed_runs", "{run}", Bad.MORE, "1 for a DAG whose last run failed, 0 for another."),
        label="dag",
        by_dag=True,
    )

    @property
    def about(self) -> About:
        """What is known of the metric."""
        about: About = self.value
        return about


BY_NAME: Mapping[str, Metric] = {metric.about.name: metric for metric in Metric}


@dataclass(frozen=True)
class Series:
    """What one measurement is compared with from run to run: a metric of one table (None: of the run or DAG) and one label."""

    metric: Metric
    table: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        """For people: `copy.step_seconds of the run (step: parse)`, `dag.failed_tasks of nightly/full_ingest`."""
        if self.metric.about.by_dag:
            return f"{self.metric.about.name} of {self.label}"
        of = self.table or "the run"
        return f"{self.metric.about.name} of {of}" + (
            f" ({self.metric.about.label}: {self.label})" if self.label else ""
        )


@dataclass(frozen=True)
class Measurement:
    """One value of one run. `low`, `high` and `score` say what its own history makes plausible, once that was judged.

    `score` is the distance from the median in scaled deviations, signed; None while the history is too short to judge.
    `is_anomaly`: outside of `low` to `high`, on the bad side.
    """

    series: Series
    value: float
    low: float | None = None
    high: float | None = None
    score: float | None = None
    is_anomaly: bool = False


def to_record(one: Measurement) -> dict[str, Any]:
    """A measurement as `ops/metrics` holds it, but for the run."""
    about = one.series.metric.about
    return {
        "metric": about.name,
        "unit": about.unit,
        "table": one.series.table,
        "label": one.series.label,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "score": one.score,
        "is_anomaly": one.is_anomaly,
    }


def from_record(record: Mapping[str, Any]) -> Measurement | None:
    """The measurement of a record. None for a metric that this version does not know."""
    metric = BY_NAME.get(record["metric"])
    if metric is None:
        return None
    judged = {name: record[name] for name in ("value", "low", "high", "score", "is_anomaly")}
    return Measurement(Series(metric, record["table"], record["label"]), **judged)

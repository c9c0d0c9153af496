"""A name that the lake does not have: the nearest one is named, and nothing is changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.steps.options import Job
from jobs.steps.record import open_run
from lib.errors import ConfigError
from lib.lake import runs
from lib.lake.publications import Accepted
from lib.quality.accept import check_accepted
from lib.quality.suites import read_suite_files
from tests.made_up_runs import REPO, job_at, make_runs

# The made-up run 12 failed by listen_history.orphans.user_id.
FAILED = 12


@pytest.fixture
def job(tmp_path: Path) -> Job:
    job = job_at(tmp_path / "lake")
    make_runs(job, FAILED + 1)
    tables = tuple(table.name for table in job.source.tables)
    suites = read_suite_files(REPO / "expectations" / "demo", (*tables, "listens"))
    return replace(job, tables=tables, suites=suites)


def accept(job: Job, name: str) -> None:
    run = runs.all_runs(job.layout)[FAILED]
    check_accepted(job.source, job.layout, job.suites, run, Accepted(name, "known", "me"), job.now)


def test_an_unknown_run_to_be_resumed_is_refused_with_the_nearest_one(job: Job) -> None:
    with pytest.raises(ConfigError, match=r"--resume run-001: .* has no run of that name; did you mean 'run-001"):
        open_run(job, publishes=False, resume="run-001")


def test_a_lake_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--resume nope: .* has no run yet"):
        open_run(job_at(tmp_path / "lake"), publishes=False, resume="nope")
    assert not (tmp_path / "lake").exists()


def test_a_scheduler_starts_a_run_under_its_own_id(job: Job) -> None:
    assert open_run(job, publishes=False, or_start="tonight").run_id == "tonight"


def test_an_unknown_expectation_is_refused_with_the_nearest_one(job: Job) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'listen_history\.orphans\.items\[\]'"):
        accept(job, "listen_history.orphans.items")


def test_an_expectation_that_did_not_fail_is_refused_with_those_that_did(job: Job) -> None:
    with pytest.raises(ConfigError, match=r"those that did are:\n  listen_history\.orphans\.user_id\n"):
        accept(job, "listen_history.orphans.items[]")
    accept(job, "listen_history.orphans.user_id")

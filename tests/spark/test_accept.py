"""`sanity-check --accept`: one failure is published once, with who and why; nothing else is let through."""

from __future__ import annotations

import json
import os
import pwd
from typing import Any

import pytest
from click.testing import CliRunner
from deltalake import DeltaTable

from jobs.sanity_check import check, command
from lib.errors import ChecksFailedError, ConfigError, CouldNotCheckError
from lib.lake import runs
from lib.lake.checks import all_checks
from lib.lake.publications import Accepted, all_publications, current
from tests.on_disk import on_disk
from tests.spark.served_table import Served

KNOWN = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "name", "value_set": ["a", "b"]}}
SHORT = {"type": "expect_column_value_lengths_to_be_between", "kwargs": {"column": "name", "max_value": 3}}
THERE = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "nmae"}}
UNKNOWN_NAME = "things.column_values_to_be_in_set.name"
SHORT_NAME = "things.column_value_lengths_to_be_between.name"
EVIL = "<script>alert(1)</script>"


def checked(things: Served, accepted: Accepted | None, *expectations: dict[str, Any]) -> None:
    """`sanity-check` of the last run, with these expectations in the table's suite."""
    job = things.job()
    job.run_id, job.suites = None, {"things": {"expectations": list(expectations)}}
    check(job, accepted)


def accept(expectation: str) -> Accepted:
    return Accepted(expectation, EVIL, "ann & bob")


def site(things: Served, name: str) -> str:
    return (on_disk(things.layout.site) / name).read_text("utf-8")


def test_an_accepted_failure_is_published_once_and_everyone_can_read_why(
    things: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    things.run({"id": 1, "name": "a"}, {"id": 2, "name": "c"})
    checked(things, accept(UNKNOWN_NAME), KNOWN, SHORT)

    publication = current(things.layout)
    assert publication is not None
    assert (publication.run_id, publication.accepted) == ("run-1", (accept(UNKNOWN_NAME),))
    told = json.loads(on_disk(things.layout.published_json).read_text("utf-8"))
    assert told["accepted"] == [{"expectation": UNKNOWN_NAME, "reason": EVIL, "by": "ann & bob"}]
    assert f"{UNKNOWN_NAME} failed, and was accepted by ann & bob: {EVIL}" in capsys.readouterr().out
    [line] = all_checks(things.layout)
    # Six that hold: at least one row, the columns, the types of both, a unique key, no key missing; and SHORT.
    assert (line.outcome, line.passed, line.failed) == ("published", 7, 1)
    assert [run.state for run in runs.all_runs(things.layout)] == [runs.PUBLISHED]

    index, every_run = site(things, "index.html"), site(things, "runs.html")
    escaped = "ann &amp; bob: &lt;script&gt;alert(1)&lt;/script&gt;"
    assert f"<strong>{UNKNOWN_NAME}</strong> failed. Accepted by {escaped}" in index
    assert "1 critical failed, 7 of 8 checks passed" in index
    assert f"{UNKNOWN_NAME}, accepted by {escaped}" in every_run
    assert index.count("<script") == 1  # its own
    assert EVIL not in every_run  # which has scripts of its own, for its charts

    # The next run does not inherit it.
    things.run({"id": 1, "name": "a"}, {"id": 2, "name": "c"}, {"id": 3, "name": "b"})
    with pytest.raises(ChecksFailedError, match=f"sanity-check --accept '{UNKNOWN_NAME}' --reason TEXT"):
        checked(things, None, KNOWN, SHORT)
    assert all_publications(things.layout) == [publication]
    assert "The latest run did not publish: checks failed" in site(things, "index.html")
    assert f"{UNKNOWN_NAME}</strong> failed. Accepted by {escaped}" in site(
        things, "index.html"
    )  # of what is published
    # And once it is fixed, nothing is said of it any more.
    checked(things, None, SHORT)
    assert current(things.layout) != publication
    assert "ccepted by" not in site(things, "index.html")
    assert "accepted" not in json.loads(on_disk(things.layout.published_json).read_text("utf-8"))
    assert "Accepted" not in capsys.readouterr().out


@pytest.mark.thorough
def test_one_accepted_failure_does_not_let_another_one_through(things: Served) -> None:
    things.run({"id": 1, "name": "much too long"})
    with pytest.raises(ChecksFailedError) as refused:
        checked(things, accept(UNKNOWN_NAME), KNOWN, SHORT)
    lines = str(refused.value).splitlines()
    assert lines[0] == "2 critical failed, 6 of 8 checks passed:"
    assert lines[1].startswith("  critical: things.name ")
    assert lines[1].endswith(" [things.column_value_lengths_to_be_between.name]")
    assert UNKNOWN_NAME not in str(refused.value)
    # Accepting this one in place of the other would not help either.
    assert "--accept" not in str(refused.value)
    assert all_publications(things.layout) == []
    [line] = all_checks(things.layout)
    assert (line.outcome, line.failed) == ("checks failed", 2)
    assert EVIL not in str(line.message)


@pytest.mark.thorough
def test_what_did_not_fail_cannot_be_accepted(things: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    things.run({"id": 1, "name": "c"})
    merged, measured = runs.all_runs(things.layout), DeltaTable(str(things.layout.metrics)).version()

    def refused(name: str, *expectations: dict[str, Any]) -> list[str]:
        with pytest.raises(ConfigError) as error:
            checked(things, accept(name), *expectations)
        return str(error.value).splitlines()

    # A name that there is not, whether the run was checked before or not: without a look at the rows.
    typo = "--accept things.typo: there is no expectation of that name. Nothing was changed"
    near = f"--accept {UNKNOWN_NAME}s: there is no expectation of that name; did you mean '{UNKNOWN_NAME}'? Nothing was changed"
    assert refused("things.typo", KNOWN, SHORT) == [typo]
    assert refused(f"{UNKNOWN_NAME}s", KNOWN, SHORT) == [near]
    # Of a run that was never checked the check says what failed.
    assert refused(SHORT_NAME, KNOWN, SHORT) == [
        f"--accept {SHORT_NAME}: no critical expectation of that name failed, so nothing was published; those that did are:",
        f"  {UNKNOWN_NAME}",
    ]
    assert "all passed: run sanity-check without --accept" in refused(SHORT_NAME, SHORT)[0]
    assert "no critical expectation of that name failed" in refused(UNKNOWN_NAME, {**KNOWN, "severity": "warning"})[0]
    assert all_publications(things.layout) == []
    assert all_checks(things.layout) == []
    assert runs.all_runs(things.layout) == merged
    assert DeltaTable(str(things.layout.metrics)).version() == measured

    # Once it was checked, that is asked: at once, and the run stays one whose checks failed.
    with pytest.raises(ChecksFailedError):
        checked(things, None, KNOWN, SHORT)
    after, told = runs.all_runs(things.layout), site(things, "runs.html")
    monkeypatch.setattr("jobs.steps.publish.start_session", lambda *_, **__: pytest.fail("Spark was started"))
    assert refused("things.typo", KNOWN, SHORT) == [typo]
    assert refused(SHORT_NAME, KNOWN, SHORT) == [
        f"--accept {SHORT_NAME}: it is not among the critical expectations that failed when run run-1 was last checked; "
        "those that did are:",
        f"  {UNKNOWN_NAME}",
        "Nothing was changed. After a change of a suite run sanity-check without --accept first.",
    ]
    assert [run.state for run in after] == [runs.CHECKS_FAILED]
    assert (runs.all_runs(things.layout), site(things, "runs.html")) == (after, told)
    assert len(all_checks(things.layout)) == 1


@pytest.mark.thorough
def test_what_could_not_be_checked_can_never_be_accepted(things: Served) -> None:
    things.run({"id": 1, "name": "c"})
    for name in ("things.column_values_to_not_be_null.nmae", UNKNOWN_NAME):
        with pytest.raises(CouldNotCheckError, match=r"things\.column_values_to_not_be_null\.nmae") as refused:
            checked(things, accept(name), KNOWN, THERE)
        assert "--accept" not in str(refused.value)
    assert all_publications(things.layout) == []
    assert {line.outcome for line in all_checks(things.layout)} == {"could not check"}


def test_who_accepts_is_the_user_that_the_system_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr("jobs.sanity_check.open_job", lambda **_: None)
    monkeypatch.setattr("jobs.sanity_check.check", lambda _, accepted: given.append(accepted))
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    done = CliRunner().invoke(command, ["--accept", UNKNOWN_NAME, "--reason", " known,\n until  May "])
    assert done.exit_code == 0
    assert given == [Accepted(UNKNOWN_NAME, "known, until May", pwd.getpwuid(os.getuid()).pw_name)]

"""One failure that an operator accepts: whether there is such a one, and which are left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lib.config import Source
from lib.config.suggest import did_you_mean
from lib.errors import ConfigError
from lib.lake import runs
from lib.lake.checks import ROLLED_BACK, checks_since
from lib.lake.layout import Layout
from lib.lake.publications import Accepted
from lib.lake.runs import Run
from lib.quality.implied import implied
from lib.quality.names import name_expectations
from lib.quality.validate import Finding, Findings


def check_accepted(
    source: Source, layout: Layout, files: Mapping[str, Mapping[str, Any]], run: Run, accepted: Accepted, at: datetime
) -> None:
    """Check that the expectation to be accepted exists, and that it failed when the run was last checked.

    `files` are the suites of the tables as they are written, `at` is the time of the check.

    Raises:
        ConfigError: it does not exist, or was not among the critical expectations that failed.
    """
    known = runs.all_runs(layout)
    names = [
        name
        for table, file in files.items()
        for name in name_expectations(table, [*implied(source, table, known, at), *file["expectations"]])
    ]
    wanted = accepted.expectation
    if wanted not in names:
        hint = did_you_mean(wanted, names) or "."
        raise ConfigError(f"--accept {wanted}: there is no expectation of that name{hint} Nothing was changed")
    checks = checks_since(layout, run.number)
    last = next((one for one in checks if one.run_id == run.run_id and one.outcome != ROLLED_BACK), None)
    # What could not be checked hides what failed, and a run that was never checked says nothing: there the check decides.
    if last is None or last.unchecked:
        return
    failed = (last.message or "").split("; ") if last.outcome == "checks failed" else []
    if wanted not in failed:
        lines = [
            f"--accept {wanted}: it is not among the critical expectations that failed when run {run.run_id} was last checked"
        ]
        lines[0] += "; those that did are:" if failed else ": none did."
        lines += [f"  {name}" for name in failed]
        lines += ["Nothing was changed. After a change of a suite run sanity-check without --accept first."]
        raise ConfigError("\n".join(lines))


def not_accepted(findings: Findings, accepted: Accepted | None) -> tuple[Finding, ...]:
    """The failed critical expectations that nobody has accepted.

    Raises:
        ConfigError: the accepted one is none of those that failed; names them.
    """
    failed = findings.gating
    if accepted is None or findings.unchecked:
        return failed
    if accepted.expectation not in {finding.name for finding in failed}:
        names = "\n".join(f"  {finding.name}" for finding in failed)
        which = f"those that did are:\n{names}" if names else "all passed: run sanity-check without --accept"
        message = f"--accept {accepted.expectation}: no critical expectation of that name failed, so nothing was published; {which}"
        raise ConfigError(message)
    return tuple(finding for finding in failed if finding.name != accepted.expectation)

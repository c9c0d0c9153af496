"""Names that an operator gives on the command line: whether the lake has them, asked before anything is touched or started."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.steps.declare import declared
from jobs.steps.options import Job
from lib.config.suggest import did_you_mean
from lib.errors import ConfigError
from lib.lake import runs
from lib.lake.checks import checks_since
from lib.lake.layout import Layout
from lib.lake.publications import Accepted
from lib.lake.runs import Run
from lib.quality.names import name_expectations
from lib.quality.pages import ROLLED_BACK


def unknown_run(layout: Layout, option: str, run_id: str, known: Iterable[str], *, which: str = "run") -> ConfigError:
    """The error for a run that the lake does not have: names the nearest one, or says that there is none at all."""
    names = list(known)
    if not names:
        return ConfigError(
            f"{option} {run_id}: {layout.root} has no {which} yet; run ./spark-submit.sh full-ingest first"
        )
    # Newest first: of ids that are equally near, the last run is meant.
    hint = did_you_mean(run_id, reversed(names)) or f"; the last one is {names[-1]!r}"
    return ConfigError(f"{option} {run_id}: {layout.root} has no {which} of that name{hint}")


def check_accepted(job: Job, run: Run, accepted: Accepted) -> None:
    """Check that the expectation to be accepted exists, and that it failed when the run was last checked.

    Raises:
        ConfigError: it does not exist, or was not among the critical expectations that failed.
    """
    known = runs.all_runs(job.layout)
    names = [
        name
        for table, file in job.suites.items()
        for name in name_expectations(table, [*declared(job, table, known), *file["expectations"]])
    ]
    wanted = accepted.expectation
    if wanted not in names:
        message = (
            f"--accept {wanted}: there is no expectation of that name{did_you_mean(wanted, names)}. Nothing was changed"
        )
        raise ConfigError(message)
    checks = checks_since(job.layout, run.number)
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

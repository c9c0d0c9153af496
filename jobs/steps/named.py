"""Names that an operator gives on the command line: whether the lake has them, asked before anything is touched or started."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.steps.options import Job
from lib.config.suggest import closest, did_you_mean
from lib.errors import ConfigError
from lib.lake import runs, storage
from lib.lake.checks import ROLLED_BACK, checks_since
from lib.lake.layout import Layout
from lib.lake.publications import Accepted
from lib.lake.runs import Run
from lib.quality.implied import implied
from lib.quality.names import name_expectations


def check_lake(job: Job) -> None:
    """Check that there is a lake to read.

    Raises:
        ConfigError: there is none; names the nearest one beside it.
    """
    root = job.layout.root
    if not storage.is_file(job.layout.lake_json):
        message = f"{root}: there is no lake; run ./spark-submit.sh full-ingest first, or give another --lake"
        raise ConfigError(message + near_lake(job.layout))


def near_lake(layout: Layout) -> str:
    """`"; did you mean 'x'?"` where a lake beside this folder has a name much like it, else nothing."""
    beside = layout.root.parent
    try:
        names = [name for name in storage.names(beside) if storage.is_file(beside / name / layout.lake_json.name)]
    except OSError:  # no such folder, or one that this user may not list
        return ""
    found = closest(layout.root.name, names)
    return f"; did you mean {str(beside / found)!r}?" if found else ""


def check_run_known(job: Job) -> None:
    """Check that the run of `--run-id`, if one is named, is one of the lake, for a job that only reads.

    Raises:
        ConfigError: it is not; names the nearest one.
    """
    if job.run_id is not None:
        names = [run.run_id for run in runs.all_runs(job.layout)]
        if job.run_id not in names:
            raise unknown_run(job.layout, "--run-id", job.run_id, names)


def unknown_run(
    layout: Layout, option: str, run_id: str, known: Iterable[str], *, which: str = "run", words: Iterable[str] = ()
) -> ConfigError:
    """The error for a run that the lake does not have: names the nearest one, or says that there is none at all.

    `words` are what the option takes beside the names of runs.
    """
    names = list(known)
    if not names:
        message = f"{option} {run_id}: {layout.root} has no {which} yet; run ./spark-submit.sh full-ingest first"
        return ConfigError(message if storage.is_file(layout.lake_json) else message + near_lake(layout))
    # Newest first: of ids that are equally near, the last run is meant.
    hint = did_you_mean(run_id, [*words, *reversed(names)]) or f"; the last one is {names[-1]!r}"
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
        for name in name_expectations(table, [*implied(job.source, table, known, job.now), *file["expectations"]])
    ]
    wanted = accepted.expectation
    if wanted not in names:
        hint = did_you_mean(wanted, names) or "."
        raise ConfigError(f"--accept {wanted}: there is no expectation of that name{hint} Nothing was changed")
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

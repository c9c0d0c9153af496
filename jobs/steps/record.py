"""A run's record from its start to its end, and the job's summary."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from jobs.steps.named import unknown_run
from jobs.steps.options import Job
from lib.config import derivations_of, new_run_id
from lib.console import say
from lib.errors import ConfigError, PagelakeError, SourceIncompleteError
from lib.failpoints import reached
from lib.lake import publications, runs
from lib.lake.complete import CompleteSet, complete_set
from lib.lake.layout import claim, remove_rebuilds
from lib.lake.lock import writing
from lib.lake.publications import Publication
from lib.lake.runs import Run, TableRun, new_run
from lib.lake.states import RunState, Step, TableState
from lib.observe.measure import Work
from lib.reporting.observe import close_killed, observe
from lib.reporting.site import heal_site


def open_run(
    job: Job,
    *,
    publishes: bool,
    resume: str | None = None,
    or_start: str | None = None,
    replay_of: str | None = None,
) -> Run:
    """A new run that is not recorded yet, or the one to be resumed. `or_start` is resumed if it is known, and else started.

    Raises:
        ConfigError: the run id is taken, there is no run to be resumed or it had other settings, or tables that were never
            published are left out of a run that publishes.
    """
    known = {run.run_id: run for run in runs.all_runs(job.layout)}
    if resume is not None and resume not in known:
        raise unknown_run(job.layout, "--resume", resume, known)
    if found := known.get(resume or or_start or ""):
        return _resumed(job, found)
    _mention_unfinished(job, list(known.values()))
    run_id = or_start or job.run_id or new_run_id(job.now)
    if run_id in known:
        message = f"--run-id {run_id}: this lake has a run of that name; take another one, or --resume it"
        raise ConfigError(message)
    run = new_run(run_id, job.source.source, job.source.settings_hash, job.source.public(), job.now)
    run.replay_of = replay_of
    published = publications.current(job.layout)
    left_out = [table.name for table in job.source.tables if table.name not in job.tables]
    for table in job.source.tables:
        if table.name in job.tables:
            run.tables[table.name] = TableRun(table.name)
        elif publishes and (published is None or table.name not in published.tables):
            message = (
                f"--tables {','.join(job.tables)}: {table.name} was never published in this lake, and a publication has all "
                "tables. Run full-ingest once without --tables, or add --no-check."
            )
            raise ConfigError(message)
    run.tables |= _kept(published, (*left_out, *derivations_of(job.source)))
    return run


def _kept(published: Publication | None, names: Iterable[str]) -> dict[str, TableRun]:
    """Those of the tables that are published, as they are published."""
    there = published.tables if published else {}
    return {
        name: TableRun(name, TableState.KEPT, path=there[name].path, version=there[name].version)
        for name in names
        if name in there
    }


def keep_the_rest(job: Job, run: Run) -> None:
    """Keep the tables of which a replay had no pages as they are published."""
    rest = [name for name, table in run.tables.items() if table.state == TableState.PLANNED]
    run.tables |= _kept(publications.current(job.layout), rest)


def _resumed(job: Job, run: Run) -> Run:
    """The run with everything still to be shown again, but for what has landed."""
    if run.settings_hash != job.source.settings_hash:
        message = f"--resume {run.run_id}: the settings are not those of that run any more; start a new run"
        raise ConfigError(message)
    if run.state == RunState.PUBLISHED:
        return run
    before = run.tables
    job.tables = tuple(name for name, table in before.items() if table.state not in (TableState.KEPT, TableState.BUILT))
    # What may have been merged before the kill is still to be reckoned with.
    run.tables = {
        name: TableRun(
            name,
            as_of=before[name].as_of,
            fetched_by=before[name].fetched_by,
            unproved_because=before[name].unproved_because,
        )
        for name in job.tables
    }
    # Another run may have been published since.
    rest = [table.name for table in job.source.tables if table.name not in job.tables]
    run.tables |= _kept(publications.current(job.layout), (*rest, *derivations_of(job.source)))
    run.again()
    return run


def _mention_unfinished(job: Job, known: list[Run]) -> None:
    """Say that the last run did not finish, and how to go on with it."""
    # A run that was killed has no end, however far it came.
    if known and (known[-1].ended_at is None or known[-1].state == runs.FAILED) and known[-1].plan:
        job.steps.note(
            f"run {known[-1].run_id} did not finish; to go on with it: full-ingest --resume {known[-1].run_id}"
        )


def note_merged(job: Job, run: Run) -> None:
    """Record that every table that could be merged is, and that all is derived from them that can be."""
    run.ended(Step.DERIVE)
    run.to(RunState.MERGED)
    run.save(job.layout)
    reached("recorded as merged")


def complete(job: Job, run: Run) -> CompleteSet:
    """The tables of the run that are checked and published together.

    Raises:
        SourceIncompleteError: the run did not come to the end of deriving, or a table is missing; says what goes on.
    """
    derived = derivations_of(job.source)
    built = {name: tuple(one.bases) for name, one in derived.items() if not one.apart}
    return complete_set(run, [table.name for table in job.source.tables], built, derived.keys() - built.keys())


@contextmanager
def recorded(job: Job, run: Run, name: str) -> Iterator[None]:
    """Keep the run's record in `ops/runs` from now on, whatever happens, and other runs out of the lake; then tell how it ended.

    `name` is that of the job.

    Raises:
        LakeError: another run is at work on this lake.
    """
    with writing(job.layout, run.run_id, datetime.now(UTC)):
        claim(job.layout, job.source.source, job.now, job.runtime.key_secret)
        remove_rebuilds(job.layout)
        publications.heal(job.layout)
        heal_site(job.site)
        close_killed(job.watch, run)
        runs.begin(job.layout, run)
        with _observed(job, run, name), _ended(job, run):
            yield


@contextmanager
def _observed(job: Job, run: Run, name: str) -> Iterator[None]:
    """Tell how the run ended, before whatever ended it is raised. Of a run that is being stopped, Spark is not asked any more.

    A mistake in the command line of a check says nothing of the run, which had come to its end before: there is nothing to tell.
    """
    is_stopped = is_untouched = False
    was_over = run.state != RunState.RUNNING
    try:
        yield
    except ConfigError:
        is_untouched = was_over
        raise
    except (KeyboardInterrupt, SystemExit):
        is_stopped = True
        raise
    finally:
        if not is_untouched:
            spark = None if is_stopped else SparkSession.getActiveSession()
            work = Work(job.now, run.ended_at, name, dict(job.steps.seconds), spark)
            with job.steps.step("observe"):
                observe(job.watch, run, work)


@contextmanager
def _one_reason() -> Iterator[None]:
    """What a stop breaks on its way out, as Spark is halted by then, is no reason of its own: the stop is raised."""
    try:
        yield
    # A halted JVM breaks calls of py4j, pyspark and pyarrow, each with errors of its own. This one is raised again, or the stop is.
    except Exception as error:
        before: BaseException | None = error
        while before is not None and not isinstance(before, KeyboardInterrupt | SystemExit):
            before = before.__context__
        if before is None:
            raise
        raise before from None


@contextmanager
def _ended(job: Job, run: Run) -> Iterator[None]:
    """Record how the run ended."""
    status, message = 0, None
    before = replace(run)
    try:
        with _one_reason():
            yield
    except PagelakeError as error:
        status, message = error.exit_status, str(error)
        raise
    except (KeyboardInterrupt, SystemExit) as stop:
        status = int(stop.code or 0) if isinstance(stop, SystemExit) else 128 + signal.SIGINT
        message = "stopped by Ctrl-C" if isinstance(stop, KeyboardInterrupt) else "stopped by a signal"
        say(
            [
                f"Run {run.run_id} was {message}. What is published is as it was, and the lake can be read.",
                f"Next:    go on with it: the same command with --resume {run.run_id}",
            ]
        )
        raise
    except BaseException as error:
        status, message = 1, type(error).__name__
        raise
    finally:
        run.ended_at, run.exit_status, run.message = datetime.now(UTC), status, message
        if status == ConfigError.exit_status and before.state != RunState.RUNNING:
            # A mistake in the command line of a later check says nothing of how the run ended.
            run.put_back(before)
        # A mistake in the command line or a suite takes nothing away from what is merged.
        unfinished = (RunState.RUNNING,) if status == ConfigError.exit_status else (RunState.RUNNING, RunState.MERGED)
        if status and run.state in unfinished:
            run.to(RunState.FAILED)
        run.save(job.layout)


def stop_on_failed_tables(run: Run) -> None:
    """End a run of which a table failed.

    Raises:
        SourceIncompleteError: names the tables and the reasons.
    """
    if run.failed:
        merged = [name for name, table in run.tables.items() if table.state == TableState.MERGED]
        lines = [f"{len(run.failed)} of {len(run.tables)} tables failed; nothing is published."]
        lines += [f"  {error if error.startswith(name) else f'{name}: {error}'}" for name, error in run.failed.items()]
        lines += [f"Merged all the same: {', '.join(merged)}." if merged else "No table was changed."]
        lines += [f"Next:    see to the reason, then start the same command again, or with --resume {run.run_id}"]
        raise SourceIncompleteError("\n".join(lines))

"""How a run ends, whatever ends it: recorded, told to everyone who wants to know, and said to whoever started it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from lib.console import say
from lib.errors import ConfigError, PagelakeError, SourceIncompleteError
from lib.lake.layout import Layout
from lib.lake.runs import Run
from lib.lake.states import RunState, TableState
from lib.logs import WARNED
from lib.observe.measure import Work
from lib.reporting.observe import Watch, observe
from lib.stores.trouble import store_error


@contextmanager
def observed(watch: Watch, run: Run, name: str, at: datetime) -> Iterator[None]:
    """Tell how the run ended, before whatever ended it is raised. Of a run that is being stopped, Spark is not asked any more.

    `name` is that of the job, which began `at` that time.

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
            work = Work(at, run.ended_at, name, dict(watch.steps.seconds), spark)
            with watch.steps.step("observe"):
                observe(watch, run, work)


@contextmanager
def ended(layout: Layout, run: Run) -> Iterator[None]:
    """Record how the run ended."""
    status, message = 0, None
    before = replace(run)
    try:
        yield
    except BaseException as error:
        reason = _reason(error, f"{layout.root}")
        status, message = _status(reason)
        if isinstance(reason, KeyboardInterrupt | SystemExit):
            say(
                [
                    f"Run {run.run_id} was {message}. Nothing published has changed, and the lake can be read.",
                    f"Next:    to continue it, run the same command with --resume {run.run_id}",
                ],
                WARNED,
            )
        if reason is error:
            raise
        raise reason from None
    finally:
        run.ended_at, run.exit_status, run.message = datetime.now(UTC), status, message
        if status == ConfigError.exit_status and before.state != RunState.RUNNING:
            # A mistake in the command line of a later check says nothing of how the run ended.
            run.put_back(before)
        # A mistake in the command line or a suite takes nothing away from what is merged.
        unfinished = (RunState.RUNNING,) if status == ConfigError.exit_status else (RunState.RUNNING, RunState.MERGED)
        if status and run.state in unfinished:
            run.to(RunState.FAILED)
        run.save(layout)


def _reason(error: BaseException, lake: str) -> BaseException:
    """The stop that an error came of, if it came of one: what a stop breaks on its way out, as Spark is halted, is no reason."""
    before: BaseException | None = error
    while before is not None:
        if isinstance(before, KeyboardInterrupt | SystemExit):
            return before
        before = before.__context__
    # What Spark says of a store is a page long.
    return error if isinstance(error, PagelakeError) else store_error(error, lake) or error


def _status(reason: BaseException) -> tuple[int, str]:
    """The exit status and the message of what ended a run."""
    match reason:
        case PagelakeError():
            return reason.exit_status, str(reason)
        case KeyboardInterrupt():
            return 128 + signal.SIGINT, "stopped by Ctrl-C"
        case SystemExit():
            return int(reason.code or 0), "stopped by a signal"
    return 1, type(reason).__name__


def stop_on_failed_tables(run: Run) -> None:
    """End a run of which a table failed.

    Raises:
        SourceIncompleteError: names the tables and the reasons.
    """
    if run.failed:
        merged = [name for name, table in run.tables.items() if table.state == TableState.MERGED]
        lines = [f"{len(run.failed)} of {len(run.tables)} tables failed; nothing is published."]
        lines += [f"  {reason}" for reason in run.reasons]
        lines += [f"Merged anyway: {', '.join(merged)}." if merged else "No table was changed."]
        lines += [f"Next:    fix the cause, then run the same command again, or with --resume {run.run_id}"]
        raise SourceIncompleteError("\n".join(lines))

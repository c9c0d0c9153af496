"""Whether what the source YAML declares can be merged into what the lake holds, asked before anything is touched."""

from __future__ import annotations

from jobs.steps.options import Job
from lib.errors import ConfigError
from lib.lake.columns import held_columns
from lib.lake.runs import ALL, Run
from lib.tables.fit import fit


def check_columns_held(job: Job, run: Run) -> None:
    """Check the columns of every table of the run. One that makes the tables anew may change them as it likes.

    Raises:
        ConfigError: a column became narrower, or is no longer declared.
    """
    if run.replay_of == ALL:
        return
    problems: list[str] = []
    for name in job.tables:
        held = held_columns(job.layout.silver(name))
        problems += fit(job.source.table(name), held).problems if held is not None else ()
    if problems:
        raise ConfigError("\n".join(problems))

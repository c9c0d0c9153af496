"""Names that an operator gives on the command line: whether the lake has them, asked before anything is touched or started."""

from __future__ import annotations

from collections.abc import Iterable

from lib.config.suggest import closest, did_you_mean
from lib.errors import ConfigError
from lib.lake import storage
from lib.lake.layout import Layout


def check_lake(layout: Layout) -> None:
    """Check that there is a lake to read.

    Raises:
        ConfigError: there is none; names the nearest one beside it.
    """
    root = layout.root
    if not storage.is_file(layout.lake_json):
        message = f"{root}: there is no lake; run ./spark-submit.sh full-ingest first, or give another --lake"
        raise ConfigError(message + near_lake(layout))


def near_lake(layout: Layout) -> str:
    """`"; did you mean 'x'?"` where a lake beside this folder has a name much like it, else nothing."""
    beside = layout.root.parent
    try:
        names = [name for name in storage.names(beside) if storage.is_file(beside / name / layout.lake_json.name)]
    except OSError:  # no such folder, or one that this user may not list
        return ""
    found = closest(layout.root.name, names)
    return f"; did you mean {str(beside / found)!r}?" if found else ""


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

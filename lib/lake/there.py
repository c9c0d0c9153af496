"""Whether there is something to read, asked before anything is started: if not, a sentence says what to run."""

from __future__ import annotations

from shlex import quote

from lib.errors import ConfigError
from lib.lake import storage, tables
from lib.lake.layout import Layout, check_there, lake_at
from lib.lake.publications import Publication, current


def lake_there(lake: str) -> Layout:
    """The lake at a path or URI. Needs no Spark.

    Raises:
        ConfigError: there is none, or no run in it, or it has another format; says what to run.
    """
    layout = lake_at(lake)
    # A lake without a run is one that its first run could not begin.
    check_there(layout)
    if not storage.is_file(layout.lake_json) or not tables.exists(layout.runs):
        message = (
            f"{layout.root}: there is no lake here. Make one with ./spark-submit.sh full-ingest --lake {quote(str(layout.root))}, "
            "or name another one: make notebook LAKE=..."
        )
        raise ConfigError(message)
    return layout


def published_there(layout: Layout) -> Publication:
    """The current publication. Needs no Spark.

    Raises:
        ConfigError: nothing was ever published here; says what to run.
    """
    publication = current(layout)
    if publication is None:
        raise ConfigError(nothing(layout, "nothing is published"))
    return publication


def nothing(layout: Layout, what: str) -> str:
    """The sentence on a lake where something is still to come."""
    return f"{layout.root}: {what} here; run ./spark-submit.sh full-ingest --lake {quote(str(layout.root))} first"

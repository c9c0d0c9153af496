"""Makes the previous publication current again. No Spark, no checks."""

from __future__ import annotations

from datetime import UTC, datetime

from jobs.steps.named import near_lake
from jobs.steps.options import Job
from lib.console import columns, say
from lib.errors import ConfigError
from lib.failpoints import reached
from lib.lake import publications, storage
from lib.lake.layout import remove_rebuilds
from lib.lake.lock import left_by, writing
from lib.lake.publications import Publication
from lib.lake.rollback import restored
from lib.reporting.observe import copy_site
from lib.reporting.site import heal_site, note_rollback, write_site


def roll_back(job: Job) -> None:
    """Make the previous publication current again, and say so.

    A rollback that was killed on its way is ended instead: whoever starts it again wants one step back, not two.

    Raises:
        ConfigError: there is no previous publication.
        LakeError: a version cannot be read any more, or a run is at work on this lake. Nothing was changed.
    """
    if not storage.is_file(job.layout.lake_json):
        message = f"{job.layout.root}: there is no lake, so there is nothing to roll back; give another one with --lake"
        raise ConfigError(message + near_lake(job.layout))
    # However far it came: when all else is written, docs may be yet to be removed or copied.
    before = publications.current(job.layout)
    was_killed = before is not None and before.restores is not None and left_by(job.layout) == _name(before.replaces)
    name = _name(before.replaces if was_killed else before.publication_id) if before else _name(None)
    with writing(job.layout, name, job.now), job.steps.step("roll back"):
        remove_rebuilds(job.layout)
        # Both, whatever the first one found.
        was_killed |= any([publications.heal(job.layout), heal_site(job.site)])
        publication = publications.current(job.layout)
        if publication is None or publication.restores is None or not was_killed:
            publication = publications.publish(job.layout, restored(job.layout, datetime.now(UTC)))
            reached("published")
            note_rollback(job.site, publication)
        write_site(job.site)
        copy_site(job.watch)
    _say_done(job, publication)


def _name(publication_id: str | None) -> str:
    """What the lock says of a rollback of that publication."""
    return f"sanity-check --rollback of {publication_id}"


def _say_done(job: Job, publication: Publication) -> None:
    tables = publication.tables.values()
    rows = [("table", "version", "rows"), *((one.table, str(one.version), f"{one.rows:,}") for one in tables)]
    say(
        [
            "",
            *columns(rows),
            "",
            f"Publication {publication.restores} is current again, in place of {publication.replaces}.",
            f"Docs:    {job.layout.site / 'index.html'}  (open it in a browser)",
            f"Tables:  {job.layout.published_json}  (README.md says how to read them)",
            "Next:    fix what was wrong before the next full-ingest: it publishes what passes its checks",
        ]
    )

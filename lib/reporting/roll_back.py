"""Makes the previous publication current again. No Spark, no checks."""

from __future__ import annotations

from datetime import UTC, datetime

from lib.console import columns, say
from lib.errors import ConfigError
from lib.failpoints import reached
from lib.lake import publications, storage
from lib.lake.layout import Layout, remove_rebuilds
from lib.lake.lock import left_by, writing
from lib.lake.named import near_lake
from lib.lake.publications import Publication
from lib.lake.rollback import restored
from lib.lake.site_folder import page_to_open
from lib.reporting.observe import Watch, copy_site
from lib.reporting.site import heal_site, note_rollback, write_site


def roll_back(watch: Watch, at: datetime) -> None:
    """Make the previous publication current again, and say so.

    A rollback that was killed on its way is ended instead: whoever starts it again wants one step back, not two.

    Raises:
        ConfigError: there is no previous publication.
        LakeError: a version cannot be read any more, or a run is at work on this lake. Nothing was changed.
    """
    layout = watch.site.layout
    if not storage.is_file(layout.lake_json):
        message = f"{layout.root}: there is no lake, so there is nothing to roll back; give another one with --lake"
        raise ConfigError(message + near_lake(layout))
    # However far it came: when all else is written, docs may be yet to be removed or copied.
    before = publications.current(layout)
    was_killed = before is not None and before.restores is not None and left_by(layout) == _name(before.replaces)
    name = _name(before.replaces if was_killed else before.publication_id) if before else _name(None)
    with writing(layout, name, at), watch.steps.step("roll back") as step:
        remove_rebuilds(layout)
        # Both, whatever the first one found.
        was_killed |= any([publications.heal(layout), heal_site(watch.site)])
        publication = publications.current(layout)
        if publication is None or publication.restores is None or not was_killed:
            publication = publications.publish(layout, restored(layout, datetime.now(UTC)))
            reached("published")
            note_rollback(watch.site, publication)
        write_site(watch.site)
        copy_site(watch)
        step.result = f"publication {publication.restores}"
    _say_done(layout, publication)


def _name(publication_id: str | None) -> str:
    """What the lock says of a rollback of that publication."""
    return f"sanity-check --rollback of {publication_id}"


def _say_done(layout: Layout, publication: Publication) -> None:
    tables = publication.tables.values()
    rows = [("table", "version", "rows"), *((one.table, str(one.version), f"{one.shown_rows:,}") for one in tables)]
    say(
        [
            "",
            *columns(rows),
            "",
            f"Publication {publication.restores} is current again, in place of {publication.replaces}.",
            f"Docs:    {page_to_open(layout.site)}",
            f"Tables:  {layout.published_json}  (docs/reading.md says how to read them)",
            "Next:    fix what was wrong before the next full-ingest: it publishes what passes its checks",
        ]
    )

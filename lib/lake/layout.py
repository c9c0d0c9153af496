"""Where everything is in a lake, and whose lake it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lib.errors import ConfigError
from lib.files import replace_text
from lib.lake.place import place_of

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Layout:
    """The folders of a lake. All but `site` and the two JSON files are Delta tables that any engine can open by path."""

    root: Path

    @property
    def pages(self) -> Path:
        """Bronze: every page as it came."""
        return self.root / "bronze" / "pages"

    @property
    def quarantine(self) -> Path:
        """Rejected rows of all tables."""
        return self.root / "quarantine" / "rows"

    @property
    def runs(self) -> Path:
        """A row per run."""
        return self.root / "ops" / "runs"

    @property
    def publications(self) -> Path:
        """A row per publication and table."""
        return self.root / "ops" / "publications"

    @property
    def failures(self) -> Path:
        """A row per row that failed an expectation."""
        return self.root / "ops" / "failures"

    @property
    def metrics(self) -> Path:
        """A row per measurement of a run."""
        return self.root / "ops" / "metrics"

    @property
    def alerts(self) -> Path:
        """A row per message about an alert and channel."""
        return self.root / "ops" / "alerts"

    @property
    def site(self) -> Path:
        """The pages that people look at."""
        return self.root / "site"

    @property
    def published_json(self) -> Path:
        """The publication in force, for readers without Spark."""
        return self.root / "published.json"

    @property
    def lake_json(self) -> Path:
        """The lake's source and format."""
        return self.root / "lake.json"

    @property
    def lock(self) -> Path:
        """Held by the run that writes."""
        return self.root / ".lock"

    @property
    def alerts_lock(self) -> Path:
        """Held while alerts are sent."""
        return self.root / ".alerts.lock"

    def rebuilt(self, run_id: str) -> Layout:
        """The tables that a rebuild makes before they replace those of the lake."""
        return Layout(self.root / "rebuild" / run_id)

    def silver(self, table: str) -> Path:
        """Typed rows of one source table."""
        return self.root / "silver" / table

    def gold(self, name: str) -> Path:
        """A derived table."""
        return self.root / "gold" / name

    def relative(self, path: Path) -> str:
        """The path as it stands in a publication: relative to the lake, with forward slashes."""
        return path.relative_to(self.root).as_posix()


def lake_at(text: str) -> Layout:
    """The layout of the lake at a path or a `file:` URI. Nothing is touched.

    Raises:
        ConfigError: not a local folder, or a path that an engine cannot open.
    """
    return Layout(place_of(text))


def check_owner(layout: Layout, source: str) -> None:
    """Check that the lake, if there is one, belongs to this source and has a format that this version knows.

    Raises:
        ConfigError: another source's lake, a newer format, or a folder that holds something else.
    """
    if not layout.lake_json.exists():
        if layout.root.exists() and any(path != layout.lock for path in layout.root.iterdir()):
            message = f"{layout.root}: the folder is not empty and holds no lake; give another one with --lake"
            raise ConfigError(message)
        return
    try:
        known = json.loads(layout.lake_json.read_text("utf-8"))
        owner, version = str(known["source"]), int(known["format_version"])
    except (ValueError, KeyError, TypeError):
        message = f"{layout.lake_json}: cannot be read; it should name the lake's source and format_version"
        raise ConfigError(message) from None
    if owner != source:
        message = (
            f"{layout.root}: this lake belongs to the source '{owner}', not to '{source}'; give another one with --lake"
        )
        raise ConfigError(message)
    if version > FORMAT_VERSION:
        message = f"{layout.root}: the lake has format {version}, this version of Pagelake knows up to {FORMAT_VERSION}; update it"
        raise ConfigError(message)


def claim(layout: Layout, source: str, now: datetime) -> None:
    """Make the lake if it is not there, and record whose it is."""
    if not layout.lake_json.exists():
        known = {"source": source, "format_version": FORMAT_VERSION, "created_at": now.isoformat()}
        replace_text(layout.lake_json, json.dumps(known, indent=2) + "\n")

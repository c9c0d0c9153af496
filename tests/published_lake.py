"""A lake of one table, written by delta-rs, in which a test publishes run after run: version n of `tracks` has n + 1 rows."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from jobs.steps.options import Job
from lib.config import Runtime, load_source
from lib.config.runtime import REPO
from lib.console import Steps
from lib.lake import publications
from lib.lake.checks import Check, add_check
from lib.lake.layout import Layout, claim, lake_at
from lib.lake.publications import Accepted, Publication, PublishedTable, all_publications
from lib.quality.counts import Counts
from lib.reporting import site as pages_of
from lib.reporting.kept_page import keep_page
from lib.reporting.pages import IndexPage, TableLine
from lib.reporting.roll_back import roll_back
from tests.on_disk import on_disk

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)


class PublishedLake:
    """A lake in which a test publishes run after run, a day each."""

    def __init__(self, folder: Path) -> None:
        self.layout = lake_at(f"{folder}/a lake")
        self.days = 0
        source = load_source("demo", conf_dir=REPO / "conf", env={})
        self.job = Job(source, self.layout, (), None, {}, Runtime.of(os.environ), DAY_0, Steps())
        claim(self.layout, "demo", DAY_0)

    def write(self) -> int:
        """One more version, with one more row."""
        path, rows = self.layout.silver("tracks"), self.days + 1
        on_disk(path).parent.mkdir(exist_ok=True)
        write_deltalake(str(path), pa.table({"id": list(range(rows))}), mode="overwrite")
        return DeltaTable(str(path)).version()

    def published(self, name: str, accepted: tuple[Accepted, ...] = ()) -> None:
        """Publish a run as check_and_publish does."""
        at, version = DAY_0 + timedelta(days=self.days), self.write()
        table = PublishedTable("tracks", "silver/tracks", version, self.days + 1, self.days + 1)
        docs = f"runs/{name}/index.html"
        line = TableLine(
            "tracks", table.rows, version, 1, table.rows, 0, 0, 1, 0, 0, "counted", Counts(0, 0, 0, 9), docs
        )
        line = replace(line, live=table.rows)
        folder = on_disk(self.layout.site) / "runs" / name
        folder.mkdir(parents=True)
        keep_page(folder, IndexPage("demo", name, name, at, docs, (line,), (), (f"A note on {name}.",)))
        publications.publish(self.layout, Publication(name, name, at, {"tracks": table}, accepted=accepted))
        add_check(self.layout, Check(name, name, at, "published", 9, 0, 0, table.rows, None))
        pages_of.write_site(self.job.site)
        self.days += 1

    def roll_back(self) -> None:
        roll_back(self.job.watch, self.job.now)

    @property
    def told(self) -> Any:
        return self.told_by(self.layout)

    @staticmethod
    def told_by(layout: Layout) -> Any:
        return json.loads(on_disk(layout.published_json).read_text("utf-8"))

    def page(self, name: str = "index.html") -> str:
        return " ".join((on_disk(self.layout.site) / name).read_text("utf-8").split())

    @property
    def chain(self) -> list[tuple[str, str | None, str | None]]:
        return [(one.publication_id, one.replaces, one.restores) for one in all_publications(self.layout)]

    def footprint(self) -> dict[Path, tuple[int, int]]:
        found = [path for path in on_disk(self.layout.root).rglob("*") if path.is_file() and path.name != ".lock"]
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in found}

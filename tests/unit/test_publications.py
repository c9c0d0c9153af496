"""What readers see when a run is killed in the middle of publishing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.lake import publications
from lib.lake.layout import Layout
from lib.lake.publications import Publication, PublishedTable, heal, in_force, publish


class Killed(BaseException):
    """Takes the place of a kill."""


def publication(name: str, hour: int, version: int) -> Publication:
    at = datetime(2026, 1, 1, hour, tzinfo=UTC)
    return Publication(name, name, at, {"tracks": PublishedTable("tracks", "silver/tracks", version, 10)})


def told(layout: Layout) -> tuple[str, int]:
    content = json.loads(layout.published_json.read_text("utf-8"))
    return content["publication_id"], content["tables"]["tracks"]["version"]


def test_a_kill_between_the_commit_and_the_file_is_mended_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    publish(layout, publication("first", 1, 3))
    assert told(layout) == ("first", 3)

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(publications, "write_published_json", kill)
        with pytest.raises(Killed):
            publish(layout, publication("second", 2, 5))
    # One commit decides: the second is in force, whole, and the file says so after the next start.
    assert in_force(layout) == publication("second", 2, 5)
    assert told(layout) == ("first", 3)
    heal(layout)
    assert told(layout) == ("second", 5)


def test_there_is_nothing_to_mend_where_nothing_was_published_or_all_is_well(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    heal(layout)
    assert not layout.published_json.exists()
    publish(layout, publication("first", 1, 3))
    before = layout.published_json.stat().st_mtime_ns
    heal(layout)
    assert layout.published_json.stat().st_mtime_ns == before

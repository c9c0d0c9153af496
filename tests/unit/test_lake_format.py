"""A lake of another format is refused before anything of it is read, by every job and every way of reading."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from jobs import __main__ as entry
from lib.errors import ConfigError
from lib.lake import open_lake, read_masked, read_published
from lib.lake.layout import FORMAT_VERSION, Layout, claim, lake_at
from tests.on_disk import on_disk

AT = datetime(2026, 3, 1, tzinfo=UTC)
NEWER, OLDER, BROKEN = (
    "a newer Pagelake made this lake",
    "an older Pagelake made this lake",
    "lake.json: cannot be read",
)
JOBS: list[list[str]] = [
    ["full-ingest"],
    ["full-ingest", "--dry-run"],
    ["full-ingest", "--resume", "r1"],
    ["full-ingest", "--from-landed", "all"],
    ["sanity-check"],
    ["sanity-check", "--rollback"],
    ["status"],
    ["status", "--format", "json"],
    ["status", "--alerts", "check"],
    ["explain-row", "--table", "tracks", "--key", "id=1"],
    ["record-task", "--dag", "d", "--dag-run", "r", "--state", "success", "--seconds", "1"],
]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A lake whose records have a column that this version does not know."""
    layout = lake_at(str(tmp_path / "lake"))
    claim(layout, "demo", AT)
    for name in ("runs", "publications", "checks"):
        write_deltalake(str(on_disk(layout.root) / "ops" / name), pa.table({"run_id": ["r1"], "from_the_future": [1]}))
    return layout


def says(layout: Layout, **changes: Any) -> None:
    known = json.loads(on_disk(layout.lake_json).read_text("utf-8"))
    on_disk(layout.lake_json).write_text(json.dumps({**known, **changes}), "utf-8")


@pytest.mark.parametrize("job", JOBS, ids=" ".join)
@pytest.mark.parametrize(("version", "said"), [(FORMAT_VERSION + 1, NEWER), (FORMAT_VERSION - 1, OLDER)])
def test_every_job_ends_with_2_and_one_sentence(
    job: list[str], version: int, said: str, layout: Layout, capfd: pytest.CaptureFixture[str]
) -> None:
    says(layout, format_version=version)
    before = sorted(path.as_posix() for path in on_disk(layout.root).rglob("*"))
    assert entry.main([*job, "--lake", str(layout.root)]) == 2
    told = capfd.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err
    assert sorted(path.as_posix() for path in on_disk(layout.root).rglob("*")) == before


@pytest.mark.parametrize("read", [open_lake, read_published, lambda lake: read_masked(lake=lake)])
def test_every_reader_is_told(read: Any, layout: Layout) -> None:
    for version, said in ((FORMAT_VERSION + 1, NEWER), (FORMAT_VERSION - 1, OLDER), ("2", BROKEN)):
        says(layout, format_version=version)
        with pytest.raises(ConfigError, match=said):
            read(str(layout.root))


@pytest.mark.parametrize("version", [True, 2.0, -1, 0, "2", None, [2], 10**30])
def test_a_version_that_is_no_number_of_a_format_is_damage(version: Any, layout: Layout) -> None:
    says(layout, format_version=version)
    with pytest.raises(ConfigError, match=BROKEN):
        open_lake(str(layout.root))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"1", b"null", b"\xff\xfe", b"{}", b'{"format_version": 2}', b"[" * 100_000, b"9" * 10_000],
)
def test_a_damaged_record_of_the_lake_is_said_to_be(
    content: bytes, layout: Layout, capfd: pytest.CaptureFixture[str]
) -> None:
    on_disk(layout.lake_json).write_bytes(content)
    assert entry.main(["status", "--lake", str(layout.root)]) == 2
    assert "lake.json: cannot be read" in capfd.readouterr().err


def test_a_folder_in_the_place_of_the_record_is_damage(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    on_disk(layout.lake_json).unlink()
    on_disk(layout.lake_json).mkdir()
    assert entry.main(["status", "--lake", str(layout.root)]) == 2
    assert "lake.json: cannot be read" in capfd.readouterr().err


@pytest.mark.parametrize("job", JOBS, ids=" ".join)
def test_tables_without_a_record_of_the_lake_are_left_alone(
    job: list[str], layout: Layout, capfd: pytest.CaptureFixture[str]
) -> None:
    on_disk(layout.lake_json).unlink()
    assert entry.main([*job, "--lake", str(layout.root)]) == 2
    assert "lake.json is missing in this lake" in capfd.readouterr().err
    assert not on_disk(layout.lake_json).exists()
    with pytest.raises(ConfigError, match=r"lake\.json is missing in this lake"):
        read_published(str(layout.root))

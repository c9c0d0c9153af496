"""A lake whose name is hard on paths, URLs and globs, made and read in the C locale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.jobs_and_lakes import ingest, job, read, small_demo

pytestmark = pytest.mark.e2e

NAME = "{\u00e9,'q\" *} ~<x>; a:b"
C = {"LC_ALL": "C", "LANG": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_in_the_c_locale_a_lake_of_a_hard_name_is_published_and_read_by_every_job(tmp_path: Path) -> None:
    lake = tmp_path / NAME
    ended = ingest(lake, "one", *small_demo(), **C)
    assert ended.status == 0, ended.err
    assert f"{lake}/published.json" in ended.out
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    tracks = json.loads((lake / "published.json").read_text("utf-8"))["tables"]["tracks"]
    [row] = read(lake / tracks["path"], tracks["version"], "SELECT id FROM t ORDER BY id LIMIT 1")
    assert (lake / "site" / "runs" / "one" / "index.html").exists()
    status = job("status", "--lake", str(lake), **C)
    assert (status.status, f"{lake}/site/runs.html" in status.out) == (0, True)
    found = job("explain-row", "--lake", lake.as_uri(), "--table", "tracks", "--key", f"id={row['id']}", **C)
    assert (found.status, ": taken" in found.out) == (0, True), found.err


def test_a_name_that_an_engine_reads_otherwise_is_refused_at_once_and_nothing_is_made(tmp_path: Path) -> None:
    for lake in ("a%20b", "a#b", "[x]", "", "--dry-run", "file://host/x"):
        ended = job("full-ingest", "--lake", lake, cwd=tmp_path, **C)
        assert (ended.status, ended.err.count("\n"), ended.err.startswith("--lake")) == (2, 1, True), ended.err
    assert list(tmp_path.iterdir()) == []

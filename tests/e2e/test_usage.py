"""Mistakes in the command line and the settings: exit 2, soon, with nothing touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.jobs_and_lakes import ROOT, Ended, footprint, job, read, small_demo
from tests.e2e.warm_process import WarmProcess

pytestmark = [pytest.mark.e2e, pytest.mark.quick]

MOOVITAMIX = (ROOT / "conf" / "sources" / "moovitamix.yml").read_text("utf-8")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with one run, which found the API down: that takes no Spark."""
    folder = tmp_path_factory.mktemp("usage") / "lake"
    down = ("--set", "demo.faults.down=true", "--set", "api.limits.attempts=1")
    ended = job("full-ingest", "--lake", str(folder), "--run-id", "taken", *small_demo(), *down)
    assert ended.status == 4, ended.err
    return folder


def refused(ended: Ended, *words: str) -> None:
    assert ended.status == 2, ended.err
    assert [word for word in words if word not in ended.err] == []
    assert "Traceback" not in ended.err


def test_a_bad_yaml_is_answered_at_once_with_line_and_suggestion_and_no_lake_is_made(tmp_path: Path) -> None:
    source = tmp_path / "bad.yml"
    source.write_text(MOOVITAMIX.replace("newest_by: updated_at", "newst_by: updated_at", 1), "utf-8")
    [line] = [number for number, text in enumerate(source.read_text("utf-8").splitlines(), 1) if "newst_by" in text]
    ended = job("full-ingest", "--source", str(source), "--lake", str(tmp_path / "lake"), cwd=tmp_path)
    refused(ended, f"bad.yml:{line}: ", "newst_by", "did you mean", "newest_by")
    assert "start Spark" not in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yml"]


def test_a_missing_secret_is_named_and_no_lake_is_made(tmp_path: Path, warm: WarmProcess) -> None:
    source = tmp_path / "shop.yml"
    secret = 'auth: {type: header, name: X-Api-Key, value: "${PAGELAKE_TEST_NO_SUCH_KEY}"}'
    source.write_text(MOOVITAMIX.replace("auth: {type: none}", secret, 1), "utf-8")
    ended = warm.job("full-ingest", "--source", str(source), "--lake", str(tmp_path / "lake"), cwd=tmp_path)
    refused(ended, "PAGELAKE_TEST_NO_SUCH_KEY", "is not set")
    assert [path.name for path in tmp_path.iterdir()] == ["shop.yml"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--no-such-option"], ["--no-such-option"]),
        (["--set", "api.limits.concurency=4"], ["--set api.limits.concurency", "concurrency"]),
        (["--set", "demo.faults.orphan=3"], ["--set demo.faults.orphan", "orphans"]),
        (["--set", "api.limits.attempts=many"], ["--set api.limits.attempts", "whole number"]),
        (["--set", "api.limits.attempts"], ["KEY=VALUE"]),
        (["--tables", "trakcs"], ["trakcs", "tracks"]),
        (["--tables", ","], ["names no table"]),
        (["--source", "dmeo"], ["dmeo", "demo"]),
        (["--source", "moovitamix"], ["belongs to the source 'demo'"]),
        (["--run-id", "taken"], ["taken"]),
        (["--run-id", "../outside"], ["../outside"]),
        (["--run-id", "it's"], ["it's"]),
        (["--api-url", "ftp://127.0.0.1"], ["--api-url", "http"]),
        (["--from-landed", "nope"], ["--from-landed nope", "no run that fetched pages of that name"]),
        (["--from-landed", "taken"], ["--from-landed taken", "no landed pages", "--resume"]),
        (["--from-landed", "all", "--dry-run"], ["--from-landed", "--dry-run"]),
        (["--from-landed", "all", "--resume", "taken"], ["--from-landed", "--resume"]),
        (["--set", "site.publish_to=ftp://x"], ["site.publish_to", "s3://"]),
        (["--set", "site.publish_to=s3://key:secret@bucket/x"], ["site.publish_to", "must not hold a key"]),
    ],
)
def test_a_mistake_in_the_options_touches_nothing(
    lake: Path, options: list[str], words: list[str], warm: WarmProcess
) -> None:
    before = footprint(lake)
    refused(warm.job("full-ingest", "--lake", str(lake), *options, cwd=lake.parent), *words)
    assert footprint(lake) == before
    assert [path.name for path in lake.parent.iterdir()] == ["lake"]


def test_a_job_that_does_not_exist_is_answered_with_the_nearest(tmp_path: Path) -> None:
    refused(job("full-ingets", cwd=tmp_path), "full-ingest")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_is_no_lake(tmp_path: Path, warm: WarmProcess) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"miaow")
    before = footprint(tmp_path)
    refused(warm.job("full-ingest", "--lake", str(tmp_path / "photos")), "photos", "--lake")
    assert footprint(tmp_path) == before


def test_there_is_nothing_to_check_in_a_lake_without_a_run(tmp_path: Path, warm: WarmProcess) -> None:
    refused(warm.job("sanity-check", "--lake", str(tmp_path / "lake")), "full-ingest")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["--help"], ["full-ingest", "--help"], ["sanity-check", "--help"], ["explain-row", "--help"]]
)
def test_help_is_at_hand(tmp_path: Path, words: list[str], warm: WarmProcess) -> None:
    ended = warm.job(*words, cwd=tmp_path)
    assert ended.status == 0
    assert "Usage" in ended.out
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_which_nothing_could_be_planned_is_recorded(lake: Path) -> None:
    [run] = read(lake / "ops" / "runs")
    assert (run["run_id"], run["state"], run["exit_status"]) == ("taken", "failed", 4)
    assert {table["state"] for table in run["tables"]} == {"failed"}

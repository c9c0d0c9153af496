"""A run's way from its checks to what people read: what the pages say of it, the copy of the site, and a kill at each step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from jobs.sanity_check import check as sanity_check
from jobs.steps import publish as steps
from jobs.steps.options import Job
from jobs.steps.publish import check_and_publish
from lib.config import Runtime
from lib.errors import LakeError
from lib.lake import publications
from lib.lake.checks import all_checks
from lib.lake.publications import current
from lib.lake.runs import Run
from lib.lineage.explain import Asked, explain
from lib.quality import checking
from lib.quality import validate as validation
from lib.quality.checking import prepare_checks
from lib.quality.failed_rows import Listed
from lib.reporting import site as pages_of
from lib.reporting.pages import publication_of, render_runs
from tests.on_disk import on_disk
from tests.page_text import Text
from tests.spark.served_table import Killed, Served

NOT_NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "name"}}
WARNS = {**NOT_NULL, "severity": "warning"}


def job_of(things: Served, *expectations: dict[str, Any], publish_to: str | None = None) -> Job:
    """The next job, whose pages need no assets."""
    job = replace(things.job(), runtime=replace(Runtime.of(os.environ), site_assets=None))
    job.suites = {"things": {"expectations": list(expectations)}}
    job.source = job.source.model_copy(update={"site": job.source.site.model_copy(update={"publish_to": publish_to})})
    return job


def check(things: Served, run: Run, job: Job) -> None:
    check_and_publish(things.spark, job, run, prepare_checks(job.source, job.layout, job.suites, job.now))


def page(things: Served, name: str = "index.html") -> str:
    return " ".join((on_disk(things.layout.site) / name).read_text("utf-8").split())


def test_duplicates_and_missing_values_are_told_as_they_arrived_and_as_they_were_merged(things: Served) -> None:
    things.columns["at"] = "timestamp!"
    things.settings |= {"newest_by": "at", "max_rejected_fraction": 0.5}
    early, late = "2026-01-01T00:00:00", "2026-01-01T00:00:01"
    run = things.run(
        {"id": 1, "name": "a", "at": early},
        {"id": 1, "name": "a", "at": early},
        {"id": 2, "name": None, "at": early},
        {"id": 2, "name": "b", "at": late},
        {"id": 3, "name": None, "at": early},
        {"id": None, "at": early},
    )
    record = run.tables["things"]
    # Six arrived: one without a key, one of id 1 the same again, one of id 2 older and with another content.
    assert (record.rows_landed, record.rows_rejected, record.rows_duplicate, record.rows_differed) == (6, 1, 2, 1)
    assert record.keys == 3
    assert record.rows_missing == [{"column": "id", "rows": 1}, {"column": "name", "rows": 3}]
    assert things.silver("id, name") == [(1, "a"), (2, "b"), (3, None)]

    check(things, run, job_of(things, WARNS))
    index = page(things)
    assert "2 (1 differ)" in index
    for column, rows in (("id", "1"), ("name", "3")):
        cells = f'<td data-name="Column">{column}</td><td class="n" data-name="Rows without a value">{rows}</td>'
        assert f'{cells}<td class="n" data-name="Landed">6</td>' in index.replace("> <", "><")
    # Of the three rows that were merged, one has no name; no key appears twice.
    docs = "".join(path.read_text("utf-8") for path in (on_disk(things.layout.site) / "runs").rglob("*.html"))
    assert "≈66.667% not null" in docs
    assert things.rows(things.layout.failures, "SELECT expectation, key FROM t") == [
        ("things.column_values_to_not_be_null.name", '{"id":3}')
    ]
    [line] = all_checks(things.layout)
    assert (line.outcome, line.failed, line.warnings) == ("published", 0, 1)


def test_a_deleted_row_is_not_counted_on_the_site_and_stands_apart_in_the_publication(things: Served) -> None:
    things.settings |= {"deletes": "soft", "max_delete_fraction": 1.0}
    check(things, things.run({"id": 1, "name": "a"}, {"id": 2, "name": "b"}), job_of(things, WARNS))
    check(things, things.run({"id": 1, "name": "a"}), job_of(things, WARNS))
    index = " ".join(Text(page(things)).words.split())
    assert "shop: 1 row in 1 table " in index
    assert " things 1 row 1 fewer than in the previous publication And 1 deleted Complete: counted " in index
    assert [one.rows for one in all_checks(things.layout)] == [1, 2]
    publication = current(things.layout)
    assert publication is not None
    assert (publication.tables["things"].rows, publication.tables["things"].live_rows) == (2, 1)


def test_a_row_is_explained_with_the_expectations_that_it_failed(things: Served) -> None:
    run = things.run({"id": 1, "name": "a"}, {"id": 2, "name": None})
    job = job_of(things, WARNS)
    check(things, run, job)
    table = job.source.table("things")

    def failed(number: int, key_secret: str | None = None) -> list[str]:
        asked = Asked(things.spark, job.source, job.layout, table, {"id": number}, key_secret)
        return [line for line in explain(asked) if line.startswith("check ")]

    at = f"{job.now:%Y-%m-%d %H:%M} UTC"
    name = "things.column_values_to_not_be_null.name"
    assert failed(1) == []
    assert failed(2) == [f"check run-1 ({at}): failed: warning: things.name must not be null [{name}]"]
    [other] = failed(2, "another secret of at least 32 characters")
    assert other.startswith(f"check run-1 ({at}): whether the row failed it cannot be found out: ")


def files(folder: Path) -> dict[str, bytes]:
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {str(path): (folder / path).read_bytes() for path in paths if not path.parts[0].startswith(".")}


def test_the_site_is_copied_after_each_check_and_a_copy_that_fails_hides_no_failed_check(
    things: Served, tmp_path: Path
) -> None:
    there = tmp_path / "a copy"
    run = things.run({"id": 1, "name": "a"})
    check(things, run, job_of(things, publish_to=there.as_uri()))
    assert files(there) == files(on_disk(things.layout.site))
    assert publication_of((there / "index.html").read_text("utf-8")) == "run-1"

    run = things.run({"id": 1, "name": None})
    no_folder = tmp_path / "a file"
    no_folder.write_text("", "utf-8")
    with pytest.raises(LakeError) as failed:
        check(things, run, job_of(things, NOT_NULL, publish_to=(no_folder / "copy").as_uri()))
    lines = str(failed.value).splitlines()
    assert lines[:2] == [
        "1 critical failed, 6 of 7 checks passed:",
        "  critical: things.name must not be null: 1 of 1 rows (id 1) [things.column_values_to_not_be_null.name]",
    ]
    assert any(line.startswith("Besides: the site could not be copied to ") for line in lines)
    # The run's docs and its line are on the site; what is published stays.
    assert all_checks(things.layout)[0].outcome == "checks failed"
    assert (on_disk(things.layout.site) / "runs" / "run-3" / "index.html").exists()
    assert publication_of(page(things)) == "run-1"


def test_the_report_is_written_once_and_has_the_check_and_what_was_measured(
    things: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    things.run({"id": 1, "name": None})
    rendered = []

    def render(*arguments: Any, **named: Any) -> str:
        rendered.append(render_runs(*arguments, **named))
        return rendered[-1]

    monkeypatch.setattr(pages_of.pages, "render_runs", render)
    job = job_of(things, WARNS)
    job.run_id = None
    sanity_check(job, None)
    [report] = rendered
    assert page(things, "runs.html") == " ".join(report.split())
    assert 'href="runs/run-1/index.html"' in report
    # What is measured of checks, by the name that the metric has.
    assert '<th scope="row">quality.warnings</th><td class="n">1</td>' in report


# In their order. After the commit the new publication is current, whatever else is written.
BEFORE = [(checking, "validate"), (validation, "write_docs"), (steps, "keep_page"), (steps.site, "publish_run_docs")]
BEFORE += [(Listed, "write"), (steps, "publish")]
AFTER = [(publications, "write_published_json"), (steps, "add_check"), (pages_of.pages, "render_index")]


def read(things: Served) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    """What published.json says, and the rows of its table."""
    told = json.loads(on_disk(things.layout.published_json).read_text("utf-8"))
    entry = told["tables"]["things"]
    table = DeltaTable(str(on_disk(things.layout.root) / entry["path"]), version=entry["version"])
    return told, things.rows_of(table, "SELECT id, name FROM t WHERE _deleted_at IS NULL ORDER BY id")


def test_a_kill_at_each_step_of_a_publication_leaves_the_old_one_or_the_new_one_whole(
    things: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(things, things.run({"id": 1, "name": "a"}), job_of(things))
    is_new, new = True, [(1, "a")]
    for module, name in (*BEFORE, *AFTER):
        before, rows = read(things)
        if is_new:  # else the same run is checked once more
            new = [*new, (len(new) + 1, "b")]
            run = things.run(*({"id": key, "name": value} for key, value in new))
        stale = page(things)
        with monkeypatch.context() as patch:
            patch.setattr(module, name, kill_in_front_of(name))
            with pytest.raises(Killed):
                check(things, run, job_of(things))
        now = current(things.layout)
        assert now is not None
        is_new = (module, name) in AFTER
        assert (now.run_id == run.run_id) is is_new, name
        # published.json is the old one or the new one, whole, with its rows; so is the page.
        if name in ("add_check", "render_index"):
            assert read(things)[1] == new, name
            assert read(things)[0]["publication_id"] == now.publication_id
        else:
            assert read(things) == (before, rows), name
        assert page(things) == stale, name
        # What the next start of any job does.
        assert publications.heal(things.layout) is (name == "write_published_json")
        assert pages_of.heal_site(job_of(things).site) is is_new
        told, held = read(things)
        assert (told["publication_id"], held) == (now.publication_id, new if is_new else rows)
        assert publication_of(page(things)) == now.publication_id


def kill_in_front_of(name: str) -> Callable[..., None]:
    def kill(*_: Any, **__: Any) -> None:
        raise Killed(name)

    return kill

"""The suites in `expectations/` are GX's own files: its tools open them, save them, and change nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import great_expectations as gx
import pytest
from great_expectations.data_context import FileDataContext

from lib.config import load_source
from lib.errors import ConfigError
from lib.quality.names import name_expectations
from lib.quality.suites import build_suite, read_suite_files

REPO = Path(__file__).parents[2]
FILES = sorted((REPO / "expectations").glob("*/*.json"))
SOURCES = sorted({path.parent.name for path in FILES})


def name_of(path: Path) -> str:
    return f"{path.parent.name}.{path.stem}"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> FileDataContext:
    """A project as a person would set it up, with a copy of the suites in it."""
    root = tmp_path_factory.mktemp("project")
    context = gx.get_context(mode="file", project_root_dir=root)
    for source in SOURCES:
        shutil.copytree(REPO / "expectations" / source, folder(context) / source)
    return context


def folder(context: FileDataContext) -> Path:
    return Path(context.root_directory) / "expectations"


def content(path: Path) -> list[dict[str, Any]]:
    """The expectations of a file, without the ids and the empty `meta` that GX gives them."""
    entries = json.loads(path.read_text("utf-8"))["expectations"]
    return [{name: value for name, value in entry.items() if name != "id" and value != {}} for entry in entries]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_suite_that_gx_saves_again_says_the_same(context: FileDataContext, path: Path) -> None:
    suite = context.suites.get(name_of(path))
    assert len(suite.expectations) == len(content(path)) > 0
    suite.save()
    saved = folder(context) / path.parent.name / path.name
    assert content(saved) == content(path)
    assert '"id"' in saved.read_text("utf-8")


@pytest.mark.parametrize("source_name", SOURCES)
def test_what_gx_saved_is_read_here_as_before(context: FileDataContext, source_name: str) -> None:
    source = load_source(source_name, conf_dir=REPO / "conf", env={})
    tables = (*(table.name for table in source.tables), "listens")
    written = read_suite_files(REPO / "expectations" / source_name, tables)
    for name in tables:
        context.suites.get(f"{source_name}.{name}").save()
    saved = read_suite_files(folder(context) / source_name, tables)
    for name in tables:
        before, after = (build_suite(source, name, files[name], []) for files in (written, saved))
        assert [e.configuration for e in after.expectations] == [e.configuration for e in before.expectations]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_expectation_says_how_much_it_matters_and_why(path: Path) -> None:
    for entry in content(path):
        assert entry["severity"] in ("critical", "warning", "info")
        assert entry["type"] != "unexpected_rows_expectation" or entry["description"].endswith(".")
        assert entry["notes"].endswith(".")


def test_a_parameter_that_no_run_gives_is_a_mistake_in_the_suite() -> None:
    source = load_source("demo", conf_dir=REPO / "conf", env={})
    kwargs = {"column": "created_at", "max_value": {"$PARAMETER": "tomorow"}}
    file = {"expectations": [{"type": "expect_column_values_to_be_between", "kwargs": kwargs}]}
    with pytest.raises(ConfigError) as caught:
        build_suite(source, "tracks", file, [])
    assert str(caught.value) == (
        "expectations/demo/tracks.json: expectation 1 (expect_column_values_to_be_between): "
        "unknown $PARAMETER 'tomorow'; there is a_day_after_the_check"
    )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_each_expectation_that_ships_has_a_short_name(path: Path) -> None:
    entries = json.loads(path.read_text("utf-8"))["expectations"]
    names = name_expectations(path.stem, entries)
    assert [name for name in names if not re.fullmatch(rf"{path.stem}\.[a-z_]{{1,20}}", name)] == []
    pairs = [name for name, entry in zip(names, entries, strict=True) if "pair_values" in entry["type"]]
    assert pairs == ([] if path.stem == "listens" else [f"{path.stem}.updated"])

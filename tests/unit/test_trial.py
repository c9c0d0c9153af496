"""A new expectation goes into the file of a suite, and nothing else of the file changes."""

from __future__ import annotations

import json
import shutil
from difflib import ndiff
from pathlib import Path

import great_expectations.expectations as gxe
import pytest

from lib.config import REPO
from lib.errors import ConfigError
from lib.quality.trial import Trial, with_expectation, write_suite

NEW = {
    "type": "expect_column_values_to_not_be_null",
    "kwargs": {"column": "album"},
    "meta": {"name": "has_album"},
    "severity": "warning",
    "notes": "Für die Anzeige.",
}


def has_album(column: str = "album") -> gxe.ExpectColumnValuesToNotBeNull:
    return gxe.ExpectColumnValuesToNotBeNull(
        column=column, severity="warning", notes="Für die Anzeige.", meta={"name": "has_album"}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(REPO / "expectations", tmp_path / "expectations"))


def test_the_file_has_the_new_entry_and_is_else_as_it_was(folder: Path) -> None:
    file = folder / "demo" / "tracks.json"
    before = file.read_text("utf-8")
    assert write_suite(folder, "demo", "tracks", with_expectation(folder, "demo", "tracks", has_album())) == file
    after = file.read_text("utf-8")
    was, now = json.loads(before), json.loads(after)
    assert now == {**was, "expectations": [*was["expectations"], NEW]}
    assert [line for line in ndiff(before.splitlines(), after.splitlines()) if line.startswith("- ")] == []
    assert '"notes": "Für die Anzeige."' in after
    assert after.endswith("}\n")


def test_an_expectation_of_the_same_name_is_replaced(folder: Path) -> None:
    for column in ("album", "genres"):
        suite = with_expectation(folder, "demo", "tracks", has_album(column=column))
        write_suite(folder, "demo", "tracks", suite)
    entries = json.loads((folder / "demo" / "tracks.json").read_text("utf-8"))["expectations"]
    named = [entry["kwargs"] for entry in entries if entry.get("meta") == NEW["meta"]]
    assert named == [{"column": "genres"}]
    # Those without a name are all kept, and so is another one without.
    nameless = gxe.ExpectColumnValuesToNotBeNull(column="album", id="8f2b6d0e-5a71-4c39-9f0e-1d2c3b4a5968")
    added = with_expectation(folder, "demo", "tracks", nameless)["expectations"]
    assert len(added) == len(entries) + 1
    assert "id" not in added[-1]


def test_a_table_without_a_suite_gets_one_and_a_folder_is_not_made_up(folder: Path) -> None:
    suite = with_expectation(folder, "shop", "orders", has_album())
    assert suite == {"name": "shop.orders", "expectations": [NEW]}
    assert write_suite(folder, "shop", "orders", suite) == folder / "shop" / "orders.json"
    with pytest.raises(ConfigError, match=r"nowhere: there is no such folder; the jobs read suites from expectations/"):
        write_suite(folder / "nowhere", "shop", "orders", suite)


def test_the_page_of_a_trial_is_shown_as_text_in_a_frame_without_rights() -> None:
    shown = Trial("a<b", (), '<p title="x">page</p>')._repr_html_()
    assert '<iframe sandbox="" title="Data docs of a&lt;b"' in shown
    assert 'srcdoc="&lt;p title=&quot;x&quot;&gt;page&lt;/p&gt;&lt;style&gt;a { pointer-events: none }' in shown

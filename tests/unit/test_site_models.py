"""The pages on recommendation models: what they say of each decision and version, and that they say it to everyone."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lib.config import Source
from lib.lake.decisions import SCHEMA, Decision, Verdict, all_decisions, decide
from lib.recommend.retrain import roll_back
from lib.reporting.mirror import mirror
from lib.reporting.model_cards import write_cards
from lib.reporting.site import write_site
from tests.made_up_models import DAY_0, EASE, EXAMPLES, beside, made_up, measured, trained
from tests.made_up_runs import EVIL
from tests.on_disk import on_disk
from tests.page_text import Text
from tests.published_lake import PublishedLake

NONE = "\u2013"
"""In a cell: was not measured, or is not there."""


@pytest.fixture
def lake(tmp_path: Path) -> PublishedLake:
    lake = PublishedLake(tmp_path)
    made_up(lake.layout)
    return lake


def pages(lake: PublishedLake) -> list[str]:
    return sorted(path.name for path in (on_disk(lake.layout.site) / "models").glob("*"))


def text(lake: PublishedLake, name: str = "index") -> Text:
    write_cards(lake.job.site)
    return Text(lake.page(f"models/{name}.html"))


def words(lake: PublishedLake, version: str) -> str:
    return " ".join(text(lake, version).words.split())


def with_source(lake: PublishedLake, **changes: Any) -> None:
    lake.job.source = lake.job.source.model_copy(update=changes)


def personal_tracks(source: Source) -> list[Any]:
    """The tables of the source, with a personal key of tracks."""
    [tracks] = [table for table in source.tables if table.name == "tracks"]
    columns = [column.model_copy(update={"pii": True}) if column.name == "id" else column for column in tracks.columns]
    changed = tracks.model_copy(update={"columns": columns})
    return [changed if table.name == "tracks" else table for table in source.tables]


def test_all_decisions_are_on_one_page_the_newest_first(lake: PublishedLake) -> None:
    assert text(lake).rows["decisions"][1:] == [
        [
            *("2026-04-1202:00 UTC", "discover", "promoted", "m3", "0.36000.3500 to 0.3700", "0.35000.3400 to 0.3600"),
            "0.22620.2162 to 0.2362popular_in_favourite_groups",
            f"{beside('popular_in_favourite_groups', 0.1338)}{beside('the champion m1', 0.01)}",
        ],
        [
            *("2026-04-0502:00 UTC", "discover", "kept", "m2", "0.22800.2180 to 0.2380", "0.35000.3400 to 0.3600"),
            "0.22620.2162 to 0.2362popular_in_favourite_groups",
            f"{beside('popular_in_favourite_groups', 0.0018)}{beside('the champion m1', -0.122)}",
        ],
        [
            *("2026-03-2902:00 UTC", "discover", "promoted", "m1", "0.35000.3400 to 0.3600", NONE),
            "0.22620.2162 to 0.2362popular_in_favourite_groups",
            beside("popular_in_favourite_groups", 0.1238),
        ],
        [
            *("2026-03-2902:00 UTC", "again", "promoted", "m1", "0.45000.4400 to 0.4600", NONE),
            *("0.42000.4100 to 0.4300recency", beside("recency", 0.03)),
        ],
        *(
            [
                *("2026-03-0102:00 UTC", name, "kept", "m0", NONE, NONE, NONE),
                "The plays cover 12.3 days, and 28 are needed (4 times window_days)",
            ]
            for name in ("discover", "again")
        ),
    ]


def test_each_version_of_which_a_model_was_trained_has_a_card_and_a_link_to_it(lake: PublishedLake) -> None:
    text(lake)
    assert pages(lake) == ["index.html", "m1.html", "m2.html", "m3.html"]
    page = lake.page("models/index.html")
    assert [version for version in ("m0", "m1", "m2", "m3") if f'<a href="{version}.html">' in page] == [
        *("m1", "m2", "m3")
    ]
    assert '<a href="index.html" aria-current="true">Models</a>' in lake.page("models/m1.html")


def test_who_serves_each_list_follows_promotions_and_rollbacks(lake: PublishedLake) -> None:
    serving = [["discover", "m3", "2026-04-12 02:00 UTC"], ["again", "m1", "2026-03-29 02:00 UTC"]]
    assert text(lake).rows["serving"][1:] == serving
    assert "discover: Promoted, and replaced since; the champion now is m3" in words(lake, "m1")
    assert "discover: Promoted, and the champion now" in words(lake, "m3")
    roll_back(lake.layout, "r1")
    found = text(lake)
    assert found.rows["serving"][1:] == [["discover", "m1", "2026-03-29 02:00 UTC"], serving[1]]
    assert found.rows["decisions"][1][1:] == [
        *("discover", "rolled back", "m3", NONE, NONE, NONE, "Model m3 was taken back by an operator")
    ]
    assert "discover: Promoted, and taken back by a rollback" in words(lake, "m3")
    assert "discover: Promoted, and the champion now" in words(lake, "m1")
    assert "discover: Not promoted" in words(lake, "m2")
    roll_back(lake.layout, "r2")
    assert text(lake).rows["serving"][1:] == [["discover", "the baselines", NONE], ["again", "the baselines", NONE]]


def test_a_card_has_the_metrics_of_all_models_and_whether_each_was_beaten(lake: PublishedLake) -> None:
    found = text(lake, "m1").rows
    assert found["metrics-discover"] == [
        ["Model", "NDCG@10", "recall@20", "MAP@10", "Coverage", "Novelty", "Served", "Beaten"],
        [
            *("candidate", "0.35000.3400 to 0.3600", "0.70000.6900 to 0.7100", "0.17500.1650 to 0.1850"),
            *("50.0%", "4.25 bits", "96.4%", NONE),
        ],
        [
            *("popular", "0.09000.0800 to 0.1000", "0.18000.1700 to 0.1900", "0.04500.0350 to 0.0550"),
            *("5.0%", "4.25 bits", "96.4%", "not compared"),
        ],
        [
            "popular_in_favourite_groups",
            *("0.22620.2162 to 0.2362", "0.45240.4424 to 0.4624", "0.11310.1031 to 0.1231"),
            *("50.0%", "4.25 bits", "96.4%", "beaten"),
        ],
    ]
    assert [row[-1] for row in found["metrics-again"][1:]] == [NONE, "not compared", "beaten"]
    # A record of a model that was not promoted names the gates that it did not pass.
    assert [(row[0], row[-1]) for row in text(lake, "m2").rows["metrics-discover"][1:]] == [
        ("candidate", NONE),
        ("champion", "may be worse"),
        ("popular", "not compared"),
        ("popular_in_favourite_groups", "not beaten"),
    ]
    assert text(lake, "m3").rows["metrics-discover"][2][-1] == "as good, within the margin"


def test_what_failed_at_another_gate_has_still_beaten_the_baseline(lake: PublishedLake) -> None:
    other = {"because": ["3.0% of the live items are in a list; at least 5.0% are needed."]}
    trained(lake.layout, "m4", 50, ("discover", Verdict.KEPT, other))
    assert [row[-1] for row in text(lake, "m4").rows["metrics-discover"][1:]] == [NONE, "beaten"]


def test_a_card_says_what_a_model_was_trained_on_and_why(lake: PublishedLake) -> None:
    said = words(lake, "m1")
    assert text(lake, "m1").rows["data"][1:] == [["tracks", "4"], ["listens", "1,234"]]
    assert "On publication p-m1" in said
    assert "Seed 7" in said
    assert "Plays 123,456" in said
    assert "Measured on the plays of 2026-02-22 00:00 UTC to 2026-03-01 00:00 UTC" in said
    assert "Why it was trained No model was trained yet." in said
    assert "Jazz 1,200, Rock 700, no group 40 By hour" in said
    assert "00: 0, 01: 10, 02: 20" in said
    assert "1: 20, 2 to 3: 40, 8 and more: 5" in said
    assert "Why it was trained It was asked for." in words(lake, "m3")


def test_parameters_are_said_in_words(lake: PublishedLake) -> None:
    one, two = words(lake, "m1"), words(lake, "m2")
    assert (
        "Item-to-item weights in closed form (EASE), with lambda 300. A play loses half of its weight in 30 days. "
        "The weight of an item's plays counts to the power of 0.5."
    ) in one
    assert "The user's own plays of each item, added up. A play loses half of its weight in 7 days." in one
    assert (
        "Matrix factorisation for implicit feedback (ALS): 64 factors, alpha 10, lambda 0.1, 15 iterations. "
        "A play counts the same however old it is. Each play of an item counts."
    ) in two


def test_examples_are_items_by_id_unless_their_ids_are_personal(lake: PublishedLake) -> None:
    assert text(lake, "m1").rows["examples-discover"][1:] == [["4711", "815(0.4375), 42(0.1250)"], ["99", "none"]]
    with_source(lake, tables=personal_tracks(lake.job.source))
    found = text(lake, "m1")
    assert "examples-discover" not in found.rows
    assert "4711" not in lake.page("models/m1.html")


def test_names_that_look_like_markup_are_text(lake: PublishedLake) -> None:
    hostile = {
        "because": [EVIL],
        "fired": [EVIL],
        "publication_id": EVIL,
        "versions": [{"table": EVIL, "version": 1}],
        "metrics": json.dumps({EVIL: measured(0.1), "candidate": measured(0.2)}),
        "profile": json.dumps({"plays": 1, "spread": {"group": {EVIL: 1}, "hour": {}, "activity": {"1": 0}}}),
        "examples": json.dumps([{"item": EVIL, "nearest": [[EVIL, 1.0]]}]),
    }
    trained(lake.layout, "m4", 50, ("discover", Verdict.PROMOTED, hostile))
    assert text(lake).rows["decisions"][1][-1] == EVIL
    found = text(lake, "m4")
    assert found.rows["examples-discover"][1] == [EVIL, f"{EVIL}(1.0000)"]
    assert found.rows["metrics-discover"][2][0] == EVIL
    assert found.words.count(EVIL) == 8
    for name in ("index", "m4"):
        page = lake.page(f"models/{name}.html")
        assert "<script" not in page
        assert "<img" not in page


def test_the_site_links_the_pages_once_there_is_a_decision(tmp_path: Path) -> None:
    lake = PublishedLake(tmp_path)
    lake.published("a")
    assert pages(lake) == []
    assert "models/" not in lake.page() + lake.page("runs.html")
    made_up(lake.layout)
    write_site(lake.job.site)
    for name in ("index.html", "runs.html"):
        assert '<a href="models/index.html">Models</a>' in lake.page(name)
    assert '<a href="../index.html">Published</a><a href="../runs.html">Runs</a>' in lake.page("models/m1.html")


def test_a_source_without_the_block_has_no_pages_and_no_link(lake: PublishedLake) -> None:
    lake.published("a")
    assert pages(lake) == ["index.html", "m1.html", "m2.html", "m3.html"]
    with_source(lake, recommend=None)
    write_site(lake.job.site)
    assert not (on_disk(lake.layout.site) / "models").exists()
    assert "models/" not in lake.page() + lake.page("runs.html")


def test_pages_that_would_say_the_same_are_not_written_again(lake: PublishedLake) -> None:
    def changed() -> dict[str, int]:
        write_cards(lake.job.site)
        folder = on_disk(lake.layout.site) / "models"
        return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    before = changed()
    assert changed() == before
    roll_back(lake.layout, "r1")
    after = changed()
    assert [name for name, at in sorted(after.items()) if before[name] != at] == ["index.html", "m1.html", "m3.html"]


@pytest.mark.parametrize("damage", ["no data", "no log", "half a file"])
def test_a_damaged_table_of_decisions_stops_no_publication_and_leaves_the_pages(
    lake: PublishedLake, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_cards(lake.job.site)
    before = lake.page("models/index.html")
    for path in (on_disk(lake.layout.decisions)).rglob("*.json" if damage == "no log" else "*.parquet"):
        if damage == "no data":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        lake.published("a")
    assert "the pages on models stay as they are" in caplog.text
    assert lake.page("models/index.html") == before
    assert 'data-publication="a"' in lake.page()
    assert '<a href="models/index.html">Models</a>' in lake.page()


def test_the_copy_of_the_site_has_the_pages_and_loses_those_that_are_gone(lake: PublishedLake, tmp_path: Path) -> None:
    lake.published("a")
    copy = tmp_path / "copy"
    mirror(lake.layout.site, copy.as_uri())
    assert sorted(path.name for path in (copy / "models").iterdir()) == pages(lake)
    # Of the same length, but not the same.
    page = on_disk(lake.layout.site) / "models" / "m1.html"
    page.write_text(page.read_text("utf-8").replace("4711", "4712"), "utf-8")
    (on_disk(lake.layout.site) / "models" / "m2.html").unlink()
    mirror(lake.layout.site, copy.as_uri())
    assert "4712" in (copy / "models" / "m1.html").read_text("utf-8")
    assert not (copy / "models" / "m2.html").exists()


def test_decisions_from_before_there_were_examples_are_read_and_others_follow(tmp_path: Path) -> None:
    lake = PublishedLake(tmp_path)
    old = pa.schema([field for field in SCHEMA if field.name != "examples"])
    record = vars(Decision("m1", "discover", DAY_0, Verdict.PROMOTED, ["it is better"], "m1", None, "m1", number=1))
    record = {**record, "kind": "ease", "parameters": EASE.as_json}
    write_deltalake(str(lake.layout.decisions), pa.Table.from_pylist([record], old))
    assert [one.examples for one in all_decisions(lake.layout)] == [None]
    assert "examples-discover" not in text(lake, "m1").rows
    more = Decision("m2", "discover", DAY_0, Verdict.PROMOTED, [""], "m2", "m1", examples=json.dumps(EXAMPLES))
    decide(lake.layout, [more])
    assert [one.examples for one in all_decisions(lake.layout)] == [None, json.dumps(EXAMPLES)]


def test_the_page_of_runs_says_who_serves_and_where_its_card_is(lake: PublishedLake) -> None:
    write_site(lake.job.site)
    page = Text(lake.page("runs.html"))
    said = " ".join(page.words.split())
    assert "Recommendations are made by these models: discover by m3 (ease, promoted 2026-04-12 02:00 UTC)" in said
    assert 'href="models/m3.html">m3</a>' in lake.page("runs.html")
    with_source(lake, recommend=None)
    write_site(lake.job.site)
    assert "Recommendations are made" not in lake.page("runs.html")

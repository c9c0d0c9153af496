"""`explain-row`, on lakes whose runs are known row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.explain_row import command
from lib.errors import ConfigError
from lib.lake import runs
from lib.lake.layout import claim, lake_at
from lib.lake.publications import Publication, PublishedTable, publish
from tests.moving_server import Fails, MovingServer, MovingTable, Row, Short, delete
from tests.spark.served_table import copied, day, job_of

pytestmark = pytest.mark.thorough

SOURCE = """
source: shop
api:
  url: {url}
  pagination: {{size: 3}}
  limits: {{concurrency: 1, attempts: 1}}
tables:
  things:
    path: /things
    key: [id]
    newest_by: at
    deletes: soft
    max_delete_fraction: 1.0
    max_rejected_fraction: 0.9
    columns: {{id: bigint!, name: string!, at: timestamp!}}
  visits:
    path: /visits
    key: [who, at]
    max_rejected_fraction: 0.9
    columns: {{who: {{type: string!, pii: true}}, at: timestamp!, n: bigint}}
"""
ANN, BOB = "ann@example.org", "bob@example.org"


@dataclass
class Shop:
    """A lake, and the source of which its runs are copies: a run a day, from 2 January on."""

    spark: SparkSession
    folder: Path
    server: MovingServer
    n_runs: int = 0

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def source(self) -> Path:
        path = self.folder / "shop.yml"
        path.write_text(SOURCE.format(url=self.server.url), "utf-8")
        return path

    def run(self, *, published: bool = False) -> None:
        self.n_runs += 1
        job = job_of(self.source, self.n_runs)
        run = copied(job)
        if published:
            tables = {
                t.table: PublishedTable(t.table, str(t.path), int(t.version or 0), 0) for t in run.tables.values()
            }
            publish(job.layout, Publication(run.run_id, run.run_id, job.now + timedelta(hours=1), tables))
            run.state = runs.PUBLISHED
            run.save(job.layout)

    def explain(self, capsys: pytest.CaptureFixture[str], table: str, *key: str) -> list[str]:
        before = self.footprint()
        options = [option for one in key for option in ("--key", one)]
        command.main(
            ["--source", str(self.source), "--lake", str(self.lake), "--table", table, *options], standalone_mode=False
        )
        assert self.footprint() == before, "nothing is written"
        return capsys.readouterr().out.splitlines()

    def footprint(self) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in self.lake.rglob("*")}


def thing(number: int, name: str | None, day: int = 1) -> Row:
    return {"id": number, "name": name, "at": f"2025-01-{day:02}T00:00:00"}


def visit(who: str, at: str, n: object = 1) -> Row:
    return {"who": who, "at": at, "n": n}


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Four runs; the first is published, of the third the things failed."""
    things, visits = MovingTable([]), MovingTable([])
    with MovingServer({"things": things, "visits": visits}) as server:
        shop = Shop(spark, tmp_path_factory.mktemp("explain"), server)
        things.rows[:] = [
            *(thing(1, "one"), thing(2, "two"), thing(3, "three")),
            *(thing(2, "two"), thing(4, "old"), thing(5, None)),
            *(thing(4, "new", day=2), thing(6, "this"), thing(6, "that")),
        ]
        visits.rows[:] = [
            *(
                visit(ANN, "2026-01-01T08:30:00"),
                visit(ANN, "2026-01-01T09:30:00", 2),
                visit(BOB, "2026-01-01T08:30:00"),
            ),
            *(visit(ANN, "2026-01-01T08:30:00", "none"), visit(ANN, "2026-01-01T08:30:00", 5)),
        ]
        shop.run(published=True)
        things.rows[:] = [
            *(thing(1, "changed", day=2), thing(2, "two"), thing(4, "old")),
            *(thing(5, "five"), thing(7, "seven")),
        ]
        visits.rows[:] = visits.rows[1:3]
        shop.run()
        things.once(2, Fails(404))
        shop.run()
        things.rows[:] = [
            *(thing(1, "changed", day=2), thing(2, "two"), thing(3, "three")),
            *(thing(4, "new", day=2), thing(5, "five"), thing(7, "seven")),
        ]
        things.once(2, Short())  # so that pages of this run are read twice: the last reading counts
        shop.run()
        yield shop


RUN_1 = "run run-1 (2026-01-02 00:00 UTC, published)"
RUN_2 = "run run-2 (2026-01-03 00:00 UTC, merged, not published)"
RUN_3 = "run run-3 (2026-01-04 00:00 UTC, failed)"
RUN_4 = "run run-4 (2026-01-05 00:00 UTC, merged, not published)"
PUBLICATION = "publication run-1 (2026-01-02 01:00 UTC), version 0"
# Run 1 has 3 pages, 2 have 2; of run 3 the first page only could be read.
LOOKED_AT = "Looked at 8 pages of 4 runs (run-1 to run-4)"


def test_a_repeated_row(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shop.explain(capsys, "things", "id=2")
    failed = lines.pop(4)
    assert lines == [
        "things id=2:",
        f"{RUN_1}: page 1, row 2: taken",
        f"{RUN_1}: page 2, row 1: duplicate of page 1, row 2: identical",
        f"{RUN_2}: page 1, row 2: taken: nothing had changed",
        f"{RUN_4}: page 1, row 2: taken: nothing had changed",
        "silver: present; first seen 2026-01-02 00:00 UTC, last changed by run run-1 (2026-01-02 00:00 UTC)",
        f"{PUBLICATION}: there",
        f"{LOOKED_AT}.",
    ]
    assert failed.startswith(
        f"{RUN_3}: page 1, row 2: not merged: things failed in this run (things: page 2 of 2 failed: "
    )


def test_a_replaced_row_and_one_older_than_what_the_lake_held(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shop.explain(capsys, "things", "id=4")
    assert [*lines[1:4], *lines[5:7]] == [
        f"{RUN_1}: page 2, row 2: replaced by page 3, row 1, whose at is newer",
        f"{RUN_1}: page 3, row 1: taken",
        f"{RUN_2}: page 1, row 3: not taken: the lake held a row whose at is newer",
        f"{RUN_4}: page 2, row 1: taken: nothing had changed",
        "silver: present; first seen 2026-01-02 00:00 UTC, last changed by run run-1 (2026-01-02 00:00 UTC)",
    ]


def test_a_tie_is_broken_by_content_and_a_deleted_row_is_said_to_be_one(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shop.explain(capsys, "things", "id=6")
    silver = shop.spark.read.format("delta").load(str(shop.lake / "silver" / "things"))
    [name] = [row["name"] for row in silver.where("id = 6").collect()]
    winner, loser = (2, 3) if name == "this" else (3, 2)
    assert sorted(lines[1:3], key=lambda line: "taken" in line) == [
        f"{RUN_1}: page 3, row {loser}: replaced by page 3, row {winner}, whose at is the same: the content decides",
        f"{RUN_1}: page 3, row {winner}: taken",
    ]
    assert lines[3:] == [
        f"{RUN_2}: on no page: marked as deleted",
        "silver: deleted: run run-2 (2026-01-03 00:00 UTC) no longer found it; first seen 2026-01-02 00:00 UTC",
        f"{PUBLICATION}: present, as run run-1 left it; silver has changed since",
        f"{LOOKED_AT}.",
    ]


def test_a_rejected_row_that_is_good_later_and_not_published(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.explain(capsys, "things", "id=5") == [
        "things id=5:",
        f"{RUN_1}: page 2, row 3: rejected: missing_value:name (arrived: run run-2)",
        f"{RUN_2}: page 2, row 1: taken",
        f"{RUN_4}: page 2, row 2: taken: nothing had changed",
        "silver: present; first seen 2026-01-03 00:00 UTC, last changed by run run-2 (2026-01-03 00:00 UTC)",
        f"{PUBLICATION}: not present",
        f"{LOOKED_AT}.",
    ]


def test_a_row_that_was_deleted_and_is_back(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.explain(capsys, "things", "id= 3 ")[1:] == [
        f"{RUN_1}: page 1, row 3: taken",
        f"{RUN_2}: on no page: marked as deleted",
        f"{RUN_4}: page 1, row 3: taken: it was deleted, and is back",
        "silver: present; first seen 2026-01-02 00:00 UTC, last changed by run run-4 (2026-01-05 00:00 UTC)",
        f"{PUBLICATION}: present, as run run-1 left it; silver has changed since",
        f"{LOOKED_AT}.",
    ]


def test_a_key_that_is_nowhere(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.explain(capsys, "things", "id=-99") == [
        f"things id=-99: nowhere. {LOOKED_AT}, quarantine/rows, silver and the publication."
    ]


def test_a_key_of_two_columns_one_of_them_personal(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Two rows have the key: one is rejected, the other two are told apart by their content alone."""
    lines = shop.explain(capsys, "visits", "at=2026-01-01T10:30:00+02:00", f"who={ANN}")
    assert not any("ann" in line for line in lines)
    assert lines[0] == "visits who=***, at=2026-01-01T08:30:00Z:"
    assert lines[2] == f"{RUN_1}: page 2, row 1: rejected: wrong_type:n (deleted: run run-2)"
    no_newest_by = "the table has no newest_by, and the content decides"
    one = [f"{RUN_1}: page 1, row 1: taken", f"{RUN_1}: page 2, row 2: replaced by page 1, row 1: {no_newest_by}"]
    two = [f"{RUN_1}: page 1, row 1: replaced by page 2, row 2: {no_newest_by}", f"{RUN_1}: page 2, row 2: taken"]
    assert [lines[1], lines[3]] in (one, two)
    assert lines[4:] == [
        f"{RUN_2}: on no page: kept (the table has deletes: ignore)",
        "silver: present; first seen 2026-01-02 00:00 UTC, last changed by run run-1 (2026-01-02 00:00 UTC)",
        f"{PUBLICATION}: there",
        "Looked at 5 pages of 4 runs (run-1 to run-4).",
    ]
    assert shop.explain(capsys, "visits", "at=2026-01-02", f"who={ANN}")[0].startswith(
        "visits who=***, at=2026-01-02T00:00:00Z: nowhere."
    )


def test_settings_that_have_changed_since_are_said(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--source", str(shop.source), "--lake", str(shop.lake), "--table", "things", "--key", "id=7"]
    command.main([*options, "--set", "tables.things.newest_by="], standalone_mode=False)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "The settings of things have changed since: pages of run-1, run-2, run-3, run-4 are read as they are now."
    )


def test_a_lake_with_no_quarantine_no_publication_and_at_first_no_pages(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = {"things": MovingTable([thing(1, "one")]), "visits": MovingTable([visit(BOB, "2026-01-01T08:30:00")])}
    with MovingServer(tables) as server:
        shop = Shop(spark, tmp_path, server)
        with pytest.raises(ConfigError, match=r"there is no lake; run \./spark-submit.sh full-ingest first"):
            shop.explain(capsys, "things", "id=1")
        claim(lake_at(str(shop.lake)), "shop", day(0))
        none = (
            "Looked at no page of any run: bronze has none of this table, quarantine/rows, silver and the publication."
        )
        assert shop.explain(capsys, "things", "id=1") == [f"things id=1: nowhere. {none}"]
        tables["things"].once(1, Fails(500))
        shop.run()
        shop.run()
        assert shop.explain(capsys, "things", "id=1") == [
            "things id=1:",
            f"{RUN_2}: page 1, row 1: taken",
            "silver: present; first seen 2026-01-03 00:00 UTC, last changed by run run-2 (2026-01-03 00:00 UTC)",
            "publication: nothing is published",
            "Looked at 1 page of run run-2.",
        ]
        # Page 2 is read before the source becomes one page long. Its row comes again on page 1, and only that one counts.
        server.tables["things"] = MovingTable([thing(number, "any") for number in (1, 2, 3, 4)])
        server.tables["things"].after(2, delete(2))
        shop.run()
        pages = spark.read.format("delta").load(str(shop.lake / "bronze" / "pages"))
        assert pages.where("run_id = 'run-3' AND table = 'things' AND page = 2").count() == 1
        lines = shop.explain(capsys, "things", "id=4")
        assert lines[1:-3] == ["run run-3 (2026-01-04 00:00 UTC, merged, not published): page 1, row 3: taken"]

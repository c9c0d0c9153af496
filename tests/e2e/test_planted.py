"""Personal values, markup and formulas in every column and name that the source chooses: where they come out, and where never."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.jobs_and_lakes import ROOT, Lake, Row, read
from tests.e2e.watched_page import Watched, pages_of
from tests.moving_server import MovingServer, MovingTable

pytestmark = pytest.mark.e2e

SCRIPT, IMAGE = "<script>alert('zq')</script>", '"><img src=https://foreign.example/x.png onerror=alert(2)>'
FORMULA, TEMPLATE = "=cmd|' /C calc'!A0", "{{7*7}} ${7*7} javascript:alert(3)"
EVIL = (SCRIPT, IMAGE, FORMULA, TEMPLATE)
# What no place but bronze, silver and gold may hold, in any writing: each personal value has one of these in it.
PERSONAL = (
    "zqpersonal",
    "1912-06-23",
    "2003-04-05",
    ".654321",
    "2004-05-06",
    ".765432",
    "77012345678901",
    "1901234567",
)
PERSONAL += ("870123456", "9182736.45", "9182736")
# The same times as numbers. As many digits as no time of a commit has by chance.
AS_NUMBERS = ("104952282", "108382728976543")


def personal(word: str) -> str:
    return f"zqpersonal {word} {SCRIPT}{FORMULA}"


def person(number: int, **changes: Any) -> Row:
    """A person with something personal in every column."""
    row: Row = {
        "mail": personal(f"{number}@example.org"),
        "changed": f"2003-04-05T06:07:0{number % 10}.654321",
        "born": "1912-06-23",
        "phone": 77012345678901,
        "pin": 1901234567,
        "height": 1.870123456,
        "balance": 9182736.45,
        "aliases": [personal("alias"), None],
        "address": {"street": personal("street"), "number": 1901234567},
        "trips": [{"to": personal("trip"), "at": "2004-05-06T07:08:09.765432"}],
        "remark": personal("remark"),
    }
    return {**row, **changes}


TYPES = {
    "mail": "string!",
    "changed": "timestamp!",
    "born": "date",
    "phone": "bigint",
    "pin": "int",
    "height": "double",
    "balance": "decimal(12,2)",
    "aliases": "array<string>",
    "address": "struct<street: string, number: bigint>",
    "trips": "array<struct<to: string, at: timestamp>>",
    "remark": "string",
}
# A value of a wrong type, in each column in turn: text where there is a number, an object or a number where there is text.
WRONG = {**dict.fromkeys(TYPES, personal("wrong")), "mail": {"zq": personal("wrong")}, "remark": 77012345678901}
WRONG["changed"] = "zqpersonal 2003-04-05"
PEOPLE = [
    *(person(number) for number in range(1, 6)),
    person(5, remark=personal("another remark"), aliases=None),
    *(person(10 + number, **{name: WRONG[name]}) for number, name in enumerate(TYPES)),
    person(30, mail=None),
    # New to the contract, names and all.
    person(31, **{SCRIPT: personal("new"), "nick_name": personal("nick"), FORMULA: 77012345678901}),
]


def message(number: int, value: str, **changes: Any) -> Row:
    """A message of the first person, with the same in each column that is not personal."""
    row: Row = {
        "id": f"{value} {number}",
        "sender": personal("1@example.org"),
        "seen_by": [],
        "text": value,
        "tags": [value, value],
        "meta": {"client": value},
        "at": "2026-01-01T00:00:00",
    }
    return {**row, **changes}


MESSAGES = [
    *(message(number, value) for number, value in enumerate(EVIL)),
    message(10, SCRIPT, sender=personal("nobody@example.org")),
    # Two pointers at the person whose address was rejected, and two at nobody.
    message(11, IMAGE, seen_by=[personal("18@example.org")] * 2 + [personal("lost@example.org")] * 2),
    message(12, SCRIPT, at=SCRIPT),
    message(13, SCRIPT, **{IMAGE: SCRIPT}),
    # As often there as the script: of the most common values all are shown.
    message(14, FORMULA),
    message(15, FORMULA),
]
SOURCE = (
    "source: shop\napi: {url: 'http://127.0.0.1:1', pagination: {size: 100}}\ntables:\n"
    "  people:\n    path: /people\n    key: [mail]\n    newest_by: changed\n    deletes: soft\n    max_age: 1h\n"
    "    max_rejected_fraction: 1.0\n    on_new_column: ignore\n    columns:\n"
    + "".join(f"      {name}: {{type: '{kind}', pii: true}}\n" for name, kind in TYPES.items())
    + "  messages:\n    path: /messages\n    key: [id]\n    max_rejected_fraction: 1.0\n    columns:\n"
    "      id: string!\n      sender: {type: string!, pii: true}\n      seen_by: {type: array<string>, pii: true}\n"
    "      text: string\n      tags: array<string>\n      meta: 'struct<client: string>'\n      at: timestamp\n"
    "    references:\n      - {column: sender, to: people.mail}\n      - {column: 'seen_by[]', to: people.mail}\n"
)
Entry = dict[str, Any]


def entry(kind: str, severity: str = "critical", **kwargs: Any) -> Entry:
    return {"type": kind, "kwargs": kwargs, "severity": severity}


def query(sql: str, severity: str = "critical") -> Entry:
    return entry("unexpected_rows_expectation", severity, unexpected_rows_query=sql)


def failing(severity: str) -> dict[str, list[Entry]]:
    """Expectations that fail in every column: for personal ones of the kinds that may, for others of those that show values too."""
    text = [name for name, kind in TYPES.items() if kind.startswith("string")]
    return {
        "people": [
            *(entry("expect_column_values_to_be_null", severity, column=name) for name in TYPES),
            *(entry("expect_column_values_to_not_match_regex", severity, column=name, regex="zq") for name in text),
            entry("expect_column_values_to_be_unique", severity, column="remark"),
            query("SELECT * FROM {batch} WHERE mail LIKE 'zq%'", severity),
        ],
        "messages": [
            *(entry("expect_column_values_to_be_null", severity, column=name) for name in ("tags", "meta", "at")),
            *(
                entry("expect_column_values_to_be_in_set", severity, column=name, value_set=["x"])
                for name in ("id", "text")
            ),
            entry("expect_column_distinct_values_to_be_in_set", severity, column="text", value_set=["x", *EVIL[:1]]),
            entry("expect_column_most_common_value_to_be_in_set", severity, column="text", value_set=["x"]),
            entry("expect_column_max_to_be_between", severity, column="at", max_value="2000-01-01T00:00:00"),
            {
                **query("SELECT * FROM {batch} WHERE text LIKE '<%'", severity),
                "description": f"No {SCRIPT} and no {IMAGE}.",
            },
        ],
    }


# Errors that quote a value of a row, each in its own way, and one for each way to be wrong in the suite.
NO_CHECK = {
    "people": [
        query("SELECT * FROM {batch} WHERE CAST(mail AS BIGINT) > 0"),
        query("SELECT * FROM {batch} WHERE CAST(remark AS TIMESTAMP) > '2020-01-01'"),
        query("SELECT * FROM {batch} WHERE raise_error(remark) IS NULL"),
        query("SELECT * FROM {batch} WHERE CAST(phone AS INT) > 0"),
        query("SELECT * FROM no_such_table /* {batch} */"),
        entry("expect_column_values_to_not_be_null", column="nmae"),
    ],
    "messages": [query("SELECT * FROM {batch} WHERE CAST(text AS BIGINT) > 0")],
}


@dataclass(frozen=True)
class Planted:
    """What the jobs said and left. Their folder holds the lake, and whatever else they wrote where they were started."""

    folder: Path
    statuses: list[int]
    said: str

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def site(self) -> Path:
        return self.lake / "site"


def write_suites(folder: Path, suites: dict[str, list[Entry]]) -> str:
    (folder / "shop").mkdir(parents=True)
    for table, entries in suites.items():
        (folder / "shop" / f"{table}.json").write_text(json.dumps({"expectations": entries}), "utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """One ingest that fails its checks, and two more checks of it: one that cannot be carried out, and one that only warns."""
    folder = tmp_path_factory.mktemp("planted")
    suites = tmp_path_factory.mktemp("suites")
    source = suites / "shop.yml"
    source.write_text(SOURCE, "utf-8")
    with MovingServer({"people": MovingTable(PEOPLE), "messages": MovingTable(MESSAGES)}) as server:
        options = ["--source", str(source), "--lake", str(folder / "lake"), "--api-url", server.url, "--verbose"]
        accept = ["--accept", "messages.orphans.sender", "--reason", SCRIPT]
        no_orphans = ["--set", "tables.messages.references=[]", "--set", "tables.people.max_age=null"]
        plan = [
            (write_suites(suites / "failing", failing("critical")), ["full-ingest", *options]),
            (write_suites(suites / "unchecked", NO_CHECK), ["sanity-check", *options]),
            (write_suites(suites / "refused", {}), ["sanity-check", *options, *accept]),
            (write_suites(suites / "warning", failing("warning")), ["sanity-check", *options, *no_orphans]),
        ]
        done = subprocess.run(
            [sys.executable, "-m", "tests.jobs_with_suites", json.dumps(plan)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=580,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return Planted(folder, json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr)


def test_the_jobs_came_to_every_place_that_could_show_a_value(planted: Planted) -> None:
    # The checks failed; could not be carried out; failed in more than what was accepted; only warned.
    assert planted.statuses == [3, 1, 3, 0], planted.said
    lake = Lake.seen(planted.lake)
    rejected = lake.rows("quarantine/rows", 'SELECT "table", reason FROM t')
    people = [row["reason"] for row in rejected if row["table"] == "people"]
    wrong = [f"wrong_type:{name}" for name in TYPES]
    assert sorted(people) == sorted([*wrong, "missing_value:mail"])
    assert [row["reason"] for row in rejected if row["table"] == "messages"] == ["wrong_type:at"]
    [run] = lake.rows("ops/runs")
    names = {table["table"]: set(table["new_columns"] or ()) for table in run["tables"]}
    # What is no name of a column may be anything: it is not shown.
    assert names == {"people": {"***", "nick_name"}, "messages": {"***"}}
    # Each expectation of the first check and of the last one has rows that fail it, by key.
    for docs_id in {
        row["docs_id"] for row in lake.rows("ops/checks") if row["outcome"] in ("checks failed", "published")
    }:
        assert lake.rows("ops/failures", f"SELECT * FROM t WHERE docs_id = '{docs_id}'"), docs_id
    # Without a key, as those are personal.
    assert "messages.sender -> people: 1 orphan [messages.orphans.sender]" in planted.said
    assert "messages.seen_by[] -> people: 2 orphans [messages.orphans.seen_by[]]" in planted.said
    quarantined = "messages.seen_by[]: 2 references to quarantined rows of people (1 distinct key)."
    assert any(quarantined in page.read_text("utf-8") for page in planted.site.rglob("*.html"))
    assert len(list((planted.site / "runs").iterdir())) == 4


def test_no_personal_value_is_anywhere_but_in_the_tables_themselves(planted: Planted) -> None:
    held = {
        path.relative_to(planted.folder).as_posix(): path.read_bytes()
        for path in planted.folder.rglob("*")
        if path.is_file() and not re.match("lake/(bronze|silver|gold)/", path.relative_to(planted.folder).as_posix())
    }
    places = ("lake/site/index.html", "lake/site/runs.html", "lake/published.json", "lake/ops/", "lake/quarantine/")
    assert all(any(name.startswith(place) for name in held) for place in places)
    assert [
        (name, word) for name, content in held.items() for word in (*PERSONAL, *AS_NUMBERS) if word.encode() in content
    ] == []
    # What is compressed on disk.
    lake = Lake.seen(planted.lake)
    apart = [name for name in lake.versions if name.startswith(("ops/", "quarantine/"))]
    assert {"ops/runs", "ops/checks", "ops/failures", "ops/publications", "quarantine/rows"} <= set(apart)
    for name in apart:
        rows = json.dumps(lake.rows(name), default=str)
        assert [(name, word) for word in (*PERSONAL, *AS_NUMBERS) if word in rows] == []
    assert [line for line in planted.said.splitlines() if any(word in line for word in PERSONAL)] == []
    # They were there to be found.
    silver = json.dumps(read(planted.lake / "silver" / "people"), default=str)
    assert all(word in silver for word in PERSONAL)


def test_markup_of_the_source_is_text_on_every_page(planted: Planted) -> None:
    pages = {path: path.read_text("utf-8") for path in planted.site.rglob("*.html")}
    assert len(pages) > 20
    for path, html in pages.items():
        assert not re.search(r"<script>alert|<img|onerror=alert\(2\)>", html), path
    # It was there to be shown: of columns that are not personal, by kinds of expectation that show values.
    assert any(SCRIPT in unescape(html) for html in pages.values())
    assert any(FORMULA in unescape(html) for html in pages.values())


def test_the_index_of_the_docs_says_of_which_checks_only_warnings_failed(planted: Planted) -> None:
    checks = Lake.seen(planted.lake).rows("ops/checks")
    assert {(check["outcome"], said_only_to_warn(planted, check["docs_id"])) for check in checks} == {
        ("checks failed", 0),
        ("could not check", 0),
        ("published", 2),
    }


def said_only_to_warn(planted: Planted, docs_id: str) -> int:
    """How many rows of the table in the index say so."""
    html = (planted.site / "runs" / docs_id / "index.html").read_text("utf-8")
    return html.count('class="result-open"')


def test_what_could_not_be_checked_is_told_without_traceback_path_or_value(planted: Planted) -> None:
    [broken] = Lake.seen(planted.lake).rows("ops/checks", "SELECT * FROM t WHERE outcome = 'could not check'")
    folder = planted.site / "runs" / broken["docs_id"]
    html = "".join(path.read_text("utf-8") for path in folder.rglob("*.html"))
    for inside in ("raceback", "site-packages", str(ROOT), str(planted.folder), "\tat org.apache"):
        assert inside not in html
    text = unescape(html)
    for told in (
        "[CAST_INVALID_INPUT] (the rest may hold values, and is not shown)",
        "[USER_RAISED_EXCEPTION] (the rest may hold values, and is not shown)",
        "[CAST_OVERFLOW] (the rest may hold values, and is not shown)",
        "[TABLE_OR_VIEW_NOT_FOUND] The table or view `no_such_table` cannot be found.",
        'The column "nmae" in BatchData does not exist.',
    ):
        assert told in text, told
        assert told in planted.said, told


def test_a_browser_opens_every_page_without_a_dialog_an_error_or_another_host(
    planted: Planted,
    watched: Watched,
) -> None:
    for name in pages_of(planted.site):
        watched.page.goto(f"{planted.site.as_uri()}/{name}", wait_until="networkidle")
    watched.check()

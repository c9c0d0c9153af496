"""`recommend:` of a source YAML: what it may say, what each mistake is answered with, and what table it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.config import Grouped, Plays, Recommend, Source, derivations_of, load_source, recorded_derivations
from lib.config.runtime import REPO
from lib.errors import ConfigError

TEXT = """\
source: shop
api: {url: "http://127.0.0.1:8000"}
tables:
  books: {path: /books, key: [isbn], columns: {isbn: string!, shelves: array<string>, pages: int}}
  readers:
    path: /readers
    key: [id]
    columns: {id: bigint!, likes: string, email: {type: string, pii: true}}
  loans:
    path: /loans
    key: [reader, book, day]
    columns:
      {reader: int!, book: string!, day: timestamp!, days: int, price: "decimal(10,2)", note: string,
       mail: {type: string, pii: true}}
"""
BLOCK = """\
recommend:
  plays: {table: loans, user: reader, item: book, at: day}
  users: {table: readers, groups: likes}
  items: {table: books, groups: shelves}
"""


def load(folder: Path, block: str = "", text: str = TEXT) -> Source:
    path = folder / "shop.yml"
    path.write_text(text + block)
    return load_source(str(path), conf_dir=folder, env={})


def mistakes(folder: Path, block: str, text: str = TEXT) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, block, text)
    return [line.partition("shop.yml:")[2] for line in str(caught.value).splitlines()]


def test_a_source_without_the_block_has_no_recommendations(tmp_path: Path) -> None:
    source = load(tmp_path)
    assert source.recommend is None
    assert derivations_of(source) == {}


def test_what_the_block_leaves_out_has_a_default(tmp_path: Path) -> None:
    assert load(tmp_path, BLOCK).recommend == Recommend(
        plays=Plays(table="loans", user="reader", item="book", at="day", weight=None),
        users=Grouped(table="readers", groups="likes"),
        items=Grouped(table="books", groups="shelves"),
        rows=20,
        window_days=7,
        margin=0.005,
        min_coverage=0.05,
        idle_days=90,
        max_items=10_000,
        seed=7,
    )


def test_the_music_sources_have_the_block_and_plays_from_a_derived_table() -> None:
    for name in ("demo", "moovitamix"):
        recommend = load_source(name, conf_dir=REPO / "conf", env={}).recommend
        assert recommend is not None
        assert recommend.plays == Plays(table="listens", user="user_id", item="track_id", at="listened_at")


def test_it_does_not_decide_what_is_copied(tmp_path: Path) -> None:
    assert load(tmp_path, BLOCK).settings_hash == load(tmp_path).settings_hash


def test_a_weight_may_be_any_number(tmp_path: Path) -> None:
    for name in ("days", "price"):
        block = BLOCK.replace("at: day}", f"at: day, weight: {name}}}")
        recommend = load(tmp_path, block).recommend
        assert recommend is not None
        assert recommend.plays.weight == name


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("table: loans", "table: loan", "plays.table: there is no such table; did you mean 'loans'?"),
        ("table: loans", "table: listens", "plays.table: there is no such table"),
        ("user: reader", "user: readr", "plays.user: loans has no such column; did you mean 'reader'?"),
        ("at: day", "at: days", "plays.at: loans.days is int; use a timestamp"),
        ("item: book", "item: day", "plays.item: loans.day is timestamp; an id is 'bigint', 'int' or 'string'"),
        ("at: day", "at: day, weight: note", "plays.weight: loans.note is string; use a column of numbers"),
        (
            "item: book",
            "item: days",
            "plays.item: loans.days is int, which cannot be compared with books.isbn, string",
        ),
        (
            "user: reader",
            "user: book",
            "plays.user: loans.book is string, which cannot be compared with readers.id, bigint",
        ),
        (
            "user: reader, item: book",
            "user: reader, item: reader",
            "plays.item: 'reader' is the user's column; use that of the item",
        ),
        (
            "item: book",
            "item: mail",
            "plays.item: loans.mail is personal (pii) and books.isbn is not; the lists hold both, so say the same of both",
        ),
        ("table: readers", "table: reader", "users.table: the source has no such table; did you mean 'readers'?"),
        ("table: readers", "table: listens", "users.table: the source has no such table"),
        (
            "table: readers, groups: likes",
            "table: loans",
            "users.table: loans has the key reader, book, day; use a table with one key column",
        ),
        ("groups: likes", "groups: like", "users.groups: readers has no such column; did you mean 'likes'?"),
        (
            "groups: shelves",
            "groups: pages",
            "items.groups: books.pages is int; groups are 'string' or 'array<string>'",
        ),
        (
            "groups: likes",
            "groups: email",
            "users.groups: readers.email is personal (pii), and pages that explain a list show its groups; leave it out",
        ),
    ],
)
def test_a_mistake_is_answered_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert BLOCK.count(old) == 1
    line = 15 + BLOCK[: BLOCK.index(old)].count("\n")
    assert f"{line}: recommend.{said}" in mistakes(tmp_path, BLOCK.replace(old, new))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("rows: 0", "recommend.rows: must be at least 1"),
        ("rows: 201", "recommend.rows: must be at most 200"),
        ("min_coverage: 1.1", "recommend.min_coverage: must be at most 1"),
        ("margin: -0.1", "recommend.margin: must be at least 0"),
        ("max_item: 5", "recommend.max_item: unknown key; did you mean 'max_items'?"),
    ],
)
def test_a_number_out_of_bounds_and_an_unknown_key_are_named(tmp_path: Path, key: str, said: str) -> None:
    assert mistakes(tmp_path, f"{BLOCK}  {key}\n") == [f"19: {said}"]


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    block = (
        BLOCK.replace("at: day", "at: dy")
        .replace("groups: likes", "groups: like")
        .replace("table: books", "table: book")
    )
    assert mistakes(tmp_path, block) == [
        "16: recommend.plays.at: loans has no such column; did you mean 'day'?",
        "17: recommend.users.groups: readers has no such column; did you mean 'likes'?",
        "18: recommend.items.table: the source has no such table; did you mean 'books'?",
    ]


def test_the_ids_have_other_names_than_the_columns_of_the_lists(tmp_path: Path) -> None:
    text = TEXT.replace("book: string!", "Score: string!").replace("book, day", "Score, day")
    block = BLOCK.replace("item: book", "item: Score")
    said = "16: recommend.plays.item: 'Score' is the name of a column of the lists; give it another one by from:"
    assert mistakes(tmp_path, block, text) == [said]


def test_no_table_of_a_source_is_called_as_the_lists_are(tmp_path: Path) -> None:
    text = TEXT.replace("  books:", "  recommendations:")
    [said] = mistakes(tmp_path, "", text)
    assert said == "4: tables.recommendations: is the name of a table that Pagelake derives; choose another one"


def test_the_lists_have_the_ids_under_the_names_of_the_plays_and_in_the_types_of_their_tables(tmp_path: Path) -> None:
    lists = derivations_of(load(tmp_path, BLOCK))["recommendations"]
    assert lists.key == ("reader", "list", "rank")
    assert lists.columns == {
        "reader": "bigint",  # int in the plays
        "list": "string",
        "rank": "int",
        "book": "string",
        "score": "double",
        "model_version": "string",
        "generated_at": "timestamp",
        "fallback": "string",
        "because": "array<string>",
    }
    assert lists.apart
    assert lists.bases == {
        "loans": {"reader": "int", "book": "string", "day": "timestamp"},
        "readers": {"id": "bigint", "likes": "string"},
        "books": {"isbn": "string", "shelves": "array<string>"},
    }
    assert [(one.column, one.to) for one in lists.references] == [
        ("reader", "readers.id"),
        ("book", "books.isbn"),
        ("because[]", "books.isbn"),
    ]


def test_the_ids_are_personal_where_the_keys_are(tmp_path: Path) -> None:
    assert derivations_of(load(tmp_path, BLOCK))["recommendations"].pii(load(tmp_path, BLOCK)) == ()
    text = TEXT.replace("isbn: string!", 'isbn: {type: "string!", pii: true}')
    text = text.replace("book: string!", 'book: {type: "string!", pii: true}')
    source = load(tmp_path, BLOCK, text)
    assert derivations_of(source)["recommendations"].pii(source) == ("book", "because")


def test_the_record_of_a_run_tells_the_same_as_the_yaml(tmp_path: Path) -> None:
    source = load(tmp_path, BLOCK)
    recorded = recorded_derivations(source.public())
    assert recorded["recommendations"] == derivations_of(source)["recommendations"]
    assert "recommendations" not in recorded_derivations(load(tmp_path).public())
    # What an earlier version has recorded, which had no such block.
    assert list(recorded_derivations({"tables": []})) == ["listens"]


def test_a_block_that_names_what_the_run_did_not_have_says_nothing_of_the_lists(tmp_path: Path) -> None:
    settings = load(tmp_path, BLOCK).public()
    settings["recommend"]["plays"]["at"] = "gone"
    assert "recommendations" not in recorded_derivations(settings)

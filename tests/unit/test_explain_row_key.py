"""`--key` of explain-row: which columns, and values of which types."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from jobs import __main__ as entry
from lib.config import Table
from lib.errors import ConfigError
from lib.lineage.key import read_key, shown_key

ROOT = Path(__file__).parents[2]


def table(**columns: object) -> Table:
    return Table.model_validate({"name": "t", "path": "/t", "key": list(columns), "columns": columns})


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bigint!", "17", 17),
        ("bigint!", " -17 ", -17),
        ("bigint!", "9223372036854775807", 2**63 - 1),
        ("int!", "2147483647", 2**31 - 1),
        ("string!", " 17 ", " 17 "),
        ("string!", "a=b", "a=b"),
        ("string!", "", ""),
        ("double!", "1.5e3", 1500.0),
        ("decimal(10,2)!", "1.50", Decimal("1.5")),
        ("boolean!", "true", True),
        ("date!", "2026-11-25", date(2026, 11, 25)),
        ("timestamp!", "2026-11-25T14:45:00", datetime(2026, 11, 25, 14, 45, tzinfo=UTC)),
        ("timestamp!", "2026-11-25 14:45:00.123456", datetime(2026, 11, 25, 14, 45, 0, 123456, tzinfo=UTC)),
        ("timestamp!", "2026-11-25T14:45:00+02:00", datetime(2026, 11, 25, 12, 45, tzinfo=UTC)),
        ("timestamp!", "2026-11-25T14:45:00Z", datetime(2026, 11, 25, 14, 45, tzinfo=UTC)),
    ],
)
def test_a_value_is_read_by_the_type_of_its_column(kind: str, text: str, value: object) -> None:
    read = read_key(table(k=kind), [f"k={text}"])
    assert read == {"k": value}
    assert type(read["k"]) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bigint!", "x"),
        ("bigint!", ""),
        ("bigint!", "1.0"),
        ("bigint!", "1_000"),
        ("bigint!", "٣"),
        ("bigint!", "9223372036854775808"),
        ("int!", "2147483648"),
        ("double!", "nan"),
        ("double!", "1e999"),
        ("decimal(10,2)!", "1.005"),
        ("decimal(10,2)!", "100000000"),
        ("boolean!", "yes"),
        ("date!", "25.11.2026"),
        ("timestamp!", "now"),
        ("timestamp!", "14:45"),
    ],
)
def test_a_value_of_another_type_is_refused_and_told_how_to_write_it(kind: str, text: str) -> None:
    with pytest.raises(ConfigError, match=r"--key k=.*: is no .*; write it as "):
        read_key(table(k=kind), [f"k={text}"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["user_id=1"], "--key: t: the key is user_id, created_at; created_at is missing"),
        ([], "user_id and created_at is missing"),
        (["user_id=1", "createdat=2026-01-01"], "'createdat' is not a column of the key; did you mean 'created_at'?"),
        (["user_id=1", "user_id=2", "created_at=2026-01-01"], "the key column 'user_id' is given twice"),
        (["user_id"], "--key: write COLUMN=VALUE, as in --key user_id=..."),
    ],
)
def test_exactly_the_key_columns_are_named(options: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_key(table(user_id="bigint!", created_at="timestamp!"), options)
    assert message in str(caught.value)


def test_the_order_of_the_options_does_not_matter() -> None:
    key = read_key(table(a="bigint!", b="boolean!"), ["b=false", "a=1"])
    assert list(key) == ["a", "b"]
    assert shown_key(table(a="bigint!", b="boolean!"), key) == "a=1, b=false"


def test_personal_values_are_never_shown() -> None:
    personal = table(mail={"type": "string!", "pii": True}, born={"type": "date!", "pii": True})
    assert shown_key(personal, {"mail": "ann@example.org", "born": date(2001, 2, 3)}) == "mail=***, born=***"
    with pytest.raises(ConfigError) as caught:
        read_key(personal, ["mail=ann@example.org", "born=3.2.2001"])
    assert str(caught.value) == "--key born=***: is no date; write it as 2026-11-25"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--table", "trakcs", "--key", "id=1"], ["trakcs", "did you mean 'tracks'?"]),
        (["--table", "tracks", "--key", "idd=1"], ["--key: tracks: 'idd'", "did you mean 'id'?"]),
        (["--table", "tracks", "--key", "id=seventeen"], ["--key id=seventeen: is no bigint"]),
        (["--table", "tracks"], ["--key"]),
        (["--key", "id=1"], ["--table"]),
        (["--table", "tracks", "--key", "id=1"], ["there is no lake; run ./spark-submit.sh full-ingest first"]),
    ],
)
def test_a_mistake_is_exit_2_before_spark_starts(
    options: list[str],
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    assert entry.main(["explain-row", "--lake", str(tmp_path / "lake"), *options]) == 2
    said = capsys.readouterr().err
    assert [word for word in words if word not in said] == []
    assert list(tmp_path.iterdir()) == []

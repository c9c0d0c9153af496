"""What fits each type, value by value, worked out by hand. All values are parsed in one Spark job."""

from __future__ import annotations

import json
from typing import TypeAlias

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lib.config import AdoptedColumn, Column, Table
from lib.tables.parse import parse

Values: TypeAlias = dict[tuple[str, str], tuple[list[str], str | None]]

# Type, JSON, and the value as Spark writes it out in UTC.
FITS = [
    ("string", '"17"', "17"),
    ("string", '"true"', "true"),
    ("string", '"null"', "null"),
    ("string", '""', ""),
    ("string", '" "', " "),
    ("string", '"{\\"a\\":1}"', '{"a":1}'),
    ("string", "null", None),
    ("array<string>", '["a",null,"17",""]', "[a, null, 17, ]"),
    ("array<string>", "[]", "[]"),
    ("array<string>", "[null]", "[null]"),
    ("array<string>", "null", None),
    ("boolean", "true", "true"),
    ("boolean", "false", "false"),
    ("boolean", '"true"', "true"),
    ("boolean", '"false"', "false"),
    ("int", "2147483647", "2147483647"),
    ("int", "-2147483648", "-2147483648"),
    ("int", '"17"', "17"),
    ("int", '"-007"', "-7"),
    ("int", "1.0", "1"),
    ("int", "-0", "0"),
    ("bigint", "9223372036854775807", "9223372036854775807"),
    ("bigint", "-9223372036854775808", "-9223372036854775808"),
    ("bigint", '"9007199254740993"', "9007199254740993"),
    ("double", "17", "17.0"),
    ("double", "1.5e3", "1500.0"),
    ("double", '"-2.5E-3"', "-0.0025"),
    ("double", "1.7976931348623157e308", "1.7976931348623157E308"),
    ("double", '"-1.7976931348623157e308"', "-1.7976931348623157E308"),
    ("double", '"0' + "0" * 200 + '1"', "1.0"),
    ("decimal(10,2)", "12345678.91", "12345678.91"),
    ("decimal(10,2)", '"-0.5"', "-0.50"),
    ("decimal(10,2)", '"1.500000"', "1.50"),
    ("decimal(10,2)", "1e2", "100.00"),
    ("decimal(10,2)", '"12.5E-1"', "1.25"),
    ("decimal(10,2)", "7", "7.00"),
    ("decimal(10,1)", "1.50", "1.5"),
    ("decimal(10,1)", '"1.50"', "1.5"),
    ("decimal(3,3)", "0.125", "0.125"),
    ("decimal(3,3)", '"-0.001"', "-0.001"),
    ("decimal(38,0)", "12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    ("decimal(38,0)", "1e16", "10000000000000000"),
    ("decimal(38,18)", "12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
    ("decimal(38,18)", "1e-5", "0.000010000000000000"),
    ("decimal(38,18)", "123.45678901234567", "123.456789012345670000"),
    ("array<decimal(38,18)>", "[0.1,null]", "[0.100000000000000000, null]"),
    ("date", '"2026-01-31"', "2026-01-31"),
    ("date", '"2024-02-29"', "2024-02-29"),
    ("date", '"0001-01-01"', "0001-01-01"),
    ("date", '"9999-12-31"', "9999-12-31"),
    ("timestamp", '"2026-11-25T14:09:43+02:00"', "2026-11-25 12:09:43"),
    ("timestamp", '"2026-11-25 14:09:43+0200"', "2026-11-25 12:09:43"),
    ("timestamp", '"2026-11-25T14:09:43+02"', "2026-11-25 12:09:43"),
    ("timestamp", '"2026-11-25 12:09:43Z"', "2026-11-25 12:09:43"),
    ("timestamp", '"2026-11-25t12:09:43z"', "2026-11-25 12:09:43"),
    ("timestamp", '"2026-11-25t12:09"', "2026-11-25 12:09:00"),
    ("timestamp", '"2026-11-25T12:09:43"', "2026-11-25 12:09:43"),
    ("timestamp", '"2026-11-25T12:09:43.1"', "2026-11-25 12:09:43.1"),
    ("timestamp", '"2026-11-25T12:09:43.168716"', "2026-11-25 12:09:43.168716"),
    ("timestamp", '"2026-11-25T12:09:43.1687169"', "2026-11-25 12:09:43.168716"),
    ("timestamp", '"2026-11-25T12:09:43.168716999Z"', "2026-11-25 12:09:43.168716"),
    ("timestamp", '"1969-12-31T23:59:59.999999999"', "1969-12-31 23:59:59.999999"),
    ("timestamp", '"2026-01-01T00:00"', "2026-01-01 00:00:00"),
    ("timestamp", '"2026-01-01T00:00Z"', "2026-01-01 00:00:00"),
    ("timestamp", '"2026-01-01T00:00-05:30"', "2026-01-01 05:30:00"),
    ("timestamp", '"2026-01-01T00:00:00+18:00"', "2025-12-31 06:00:00"),
    ("timestamp", '"2026-01-01T00:00:00-18:00"', "2026-01-01 18:00:00"),
    ("timestamp", '"0001-01-01T00:00:00"', "0001-01-01 00:00:00"),
    ("timestamp", '"0001-01-01T01:00:00+01:00"', "0001-01-01 00:00:00"),
    ("timestamp", '"9999-12-31T23:59:59.999999Z"', "9999-12-31 23:59:59.999999"),
    ("timestamp s", "0", "1970-01-01 00:00:00"),
    ("timestamp s", "1764072583", "2025-11-25 12:09:43"),
    ("timestamp s", '"1764072583.168716"', "2025-11-25 12:09:43.168716"),
    ("timestamp s", "1764072583.5", "2025-11-25 12:09:43.5"),
    ("timestamp s", "-1", "1969-12-31 23:59:59"),
    ("timestamp s", "-0.000001", "1969-12-31 23:59:59.999999"),
    ("timestamp s", "-62135596800", "0001-01-01 00:00:00"),
    ("timestamp s", "253402300799.999999", "9999-12-31 23:59:59.999999"),
    ("timestamp ms", "1764072583168", "2025-11-25 12:09:43.168"),
    ("timestamp ms", "1764072583168.716", "2025-11-25 12:09:43.168716"),
    ("timestamp ms", '"-1"', "1969-12-31 23:59:59.999"),
    ("timestamp ms", "-62135596800000", "0001-01-01 00:00:00"),
    ("timestamp ms", "253402300799999.999", "9999-12-31 23:59:59.999999"),
    ("array<bigint>", '[1,null,"3"]', "[1, null, 3]"),
    ("array<timestamp>", '["2026-01-01T00:00Z"]', "[2026-01-01 00:00:00]"),
    ("array<array<string>>", '[["a"],[],null]', "[[a], [], null]"),
    ("struct<a:string,b:array<int>>", '{"a":"x","b":[1]}', "{x, [1]}"),
    ("struct<a:string,b:array<int>>", '{"b":null,"c":5}', "{null, null}"),
    ("struct<a:string,b:array<int>>", "{}", "{null, null}"),
    ("array<struct<a:boolean>>", '[{"a":true},null]', "[{true}, null]"),
    ("any", '"17"', "17"),
    ("any", '" é"', " é"),
    ("any", "17", "17"),
    ("any", "1.5", "1.5"),
    ("any", "true", "true"),
    ("any", '{"a": [1, null, "x"]}', '{"a":[1,null,"x"]}'),
    ("any", "[ ]", "[]"),
    ("any", "null", None),
]
WRONG = {
    "string": ["17", "1.5", "1e2", "true", "false", '{"a":1}', "{}", "[]", '["a"]'],
    "array<string>": ['["a",1]', "[true]", '[{"a":1}]', '[["a"]]', '"a"', "5", "{}", '"[]"'],
    "boolean": ['"yes"', '"True"', '"TRUE"', '"true "', '"true\\n"', '""', "1", "0", "{}", "[true]"],
    "int": ["2147483648", "-2147483649", "1.5", "1e2", "true", '"1.0"', '"+1"', '" 1"', '"1\\n"', '""', '"a"', '"٣"', "[1]", "{}"],
    "bigint": ["9223372036854775808", "-9223372036854775809", "9e18", "0.5", "false", '"9223372036854775808"', '"1L"', "[]"],
    "double": ['"1e309"', '"-1e309"', '"1' + "0" * 400 + '"', '"NaN"', '"Infinity"', '"a lot"', '"1d"', '"1."', "true", "{}"],
    "decimal(10,2)": ["1.005", "123456789.0", '"123456789"', '"0.001"', '"1.5e-3"', '"1e-99"', '"1e9"', "true", '"1,5"', "[]"],
    "decimal(10,1)": ["1.55", '"1.51"'],
    "decimal(3,3)": ["1", '"1.000"', "0.1255"],
    "decimal(38,0)": ["123456789012345678901234567890123456789", "0.5", '"1.00000000000000000000000000000000001"'],
    "decimal(38,18)": ["3.14159265358979323846264338327950288419716939937510", "1.2345678901234567e2", '"1.2345678901234567e2"'],
    "array<decimal(38,18)>": ["[3.14159265358979323846264338327950288419716939937510]"],
    "date": ['"2026-02-30"', '"2025-02-29"', '"2026-13-01"', '"0000-01-01"', '"2026-1-1"', '"2026-01-01T00:00"', "20260101"],
    "timestamp": [
        *('"now"', '"12:30"', '"2026-11-25"', '"2026-11-25T12"', '"20261125T120943Z"', '"2026-11-25T12:09:43 UTC"'),
        *('"2026-11-25T24:00"', '"2026-11-25T25:00:00"', '"2026-11-25T12:60"', '"2026-12-31T23:59:60Z"', '"2026-02-30T00:00"'),
        *('"2026-01-01T00:00:00+18:01"', '"2026-01-01T00:00:00-19:00"', '"2026-01-01T00:00:00+02:60"', '"2026-01-01T00:00:00+2"'),
        *('"0000-12-31T00:00:00"', '"0001-01-01T00:59:59.999999+01:00"', '"0001-01-01T00:00+01:00"', '"9999-12-31T23:00:00-01:00"'),
        *('"2026-11-25T12:09:43.1234567890"', '"2026-11-25T12:09:43."', '"2026-11-25T12:09:43\\n"', '" 2026-11-25T12:09:43"'),
        *("1764072583", "1764072583168", '"1764072583"', "true", "{}", "[]"),
    ],
    "timestamp s": [
        *('"2026-11-25T12:09:43"', '"now"', "true", "[]", "{}", '""', "1.1234567", '"1.0000000"', '"1e9"', "1e9"),
        *("-62135596800.000001", "253402300800", "1764072583168", "9223372036854775808", '"9223372036854"'),
    ],
    "timestamp ms": ['"2026-11-25"', "1.0001", "-62135596800000.001", "253402300800000", '"9223372036854775807"', "false"],
    "array<bigint>": ["5", '"[1]"', '[1,"x"]', "[1.5]", "[[1]]", "[{}]", "{}"],
    "array<timestamp>": ['["2026-01-01"]'],
    "array<array<string>>": ['[["a",1]]', '["a"]', '["[]"]'],
    "struct<a:string,b:array<int>>": ['"Ulm"', '"{}"', "[]", '{"a":5}', '{"b":["x"]}', '{"b":5}', '{"a":"x","b":[2147483648]}'],
    "array<struct<a:boolean>>": ['[{"a":true},{"a":"yes"}]', "[true]", '{"a":true}'],
}  # fmt: skip
WRONG_PAIRS = [(kind, text) for kind, texts in WRONG.items() for text in texts]
# The whole text of a long value is no name for a test.
IDS = [f"{kind} {text[:40]}" for kind, text in WRONG_PAIRS]


def column(name: str, kind: str) -> Column:
    if kind == "any":
        return AdoptedColumn(name=name)
    base, _, epoch = kind.partition(" ")
    return Column.model_validate({"name": name, "type": base} | ({"epoch": epoch} if epoch else {}))


@pytest.fixture(scope="module")
def parsed(spark: SparkSession) -> Values:
    """Problems and value (as text) of each type and JSON."""
    cases = [(kind, text) for kind, text, _ in FITS] + WRONG_PAIRS
    names = {kind: f"c{number}" for number, kind in enumerate(dict.fromkeys(kind for kind, _ in cases))}
    columns = (
        Column(name="n", type="int", required=True),
        *(column(name, kind) for kind, name in names.items()),
    )
    table = Table(name="things", path="/things", key=("n",), columns=columns)
    rows = ",".join(f'{{"n":{number},"{names[kind]}":{text}}}' for number, (kind, text) in enumerate(cases))
    pages = spark.createDataFrame([("r", 1, f'{{"items":[{rows}]}}')], "run_id string, page bigint, body string")
    values = [F.col(f"row.{name}").cast("string").alias(name) for name in names.values()]
    found = pages.transform(parse(table, "items")).select("row.n", "problems", *values).collect()
    assert len(found) == len(cases)
    named = {name: kind for kind, name in names.items()}
    return {
        cases[row.n]: ([_with_kind(problem, named) for problem in row.problems], row[names[cases[row.n][0]]])
        for row in found
    }


def _with_kind(problem: str, kinds: dict[str, str]) -> str:
    code, _, name = problem.partition(":")
    return f"{code}:{kinds[name]}"


@pytest.mark.parametrize(("kind", "text", "value"), FITS)
def test_a_value_that_fits_is_read_exactly(parsed: Values, kind: str, text: str, value: str | None) -> None:
    assert parsed[kind, text] == ([], value)


@pytest.mark.parametrize(("kind", "text"), WRONG_PAIRS, ids=IDS)
def test_a_value_that_does_not_fit_is_a_problem_and_not_a_null(parsed: Values, kind: str, text: str) -> None:
    assert parsed[kind, text][0] == [f"wrong_type:{kind}"]


def test_text_keeps_every_character(spark: SparkSession) -> None:
    texts = [
        "",
        " ",
        "\t\n",
        "null",
        "a\x00b",
        "\x00",
        "😀 é ￿",
        "\u2028\ufeff",
        '\\"/',
        "1e5",
        "x" * 2**20,
        "é😀" * 2**18,
    ]
    columns = (
        Column(name="n", type="int", required=True),
        Column(name="plain", type="string"),
        Column(name="inside", type="struct<t:string,l:array<string>>"),
        AdoptedColumn(name="adopted"),
    )
    table = Table(name="things", path="/things", key=("n",), columns=columns)
    items = [
        {"n": number, "plain": text, "inside": {"t": text, "l": [text]}, "adopted": text}
        for number, text in enumerate(texts)
    ]
    bodies = [json.dumps({"items": items}), json.dumps({"items": items}, ensure_ascii=False)]
    pages = spark.createDataFrame(
        [("r", n, body) for n, body in enumerate(bodies)], "run_id string, page long, body string"
    )
    rows = pages.transform(parse(table, "items")).orderBy("page", "position").collect()
    assert [row.problems for row in rows] == [[]] * 2 * len(texts)
    read = [(row.row.plain, row.row.inside.t, row.row.inside.l[0], row.row.adopted) for row in rows]
    assert read == [(text, text, text, text) for text in texts * 2]

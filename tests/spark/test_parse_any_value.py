"""Whatever a source sends, the parse says of each value what a reading in plain Python says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import Column as SparkColumn
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lib.config import AdoptedColumn, Column, Table
from lib.tables.parse import parse

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class DoesNotFit(Exception):
    pass


@dataclass(frozen=True)
class Number:
    """A JSON number as Spark has it: exact to 38 digits, a double beyond that and with an exponent."""

    text: str

    @property
    def is_double(self) -> bool:
        return "e" in self.text.lower() or sum(map(str.isdigit, self.text.strip("-").lstrip("0."))) > 38

    @property
    def exact(self) -> Decimal:
        return Decimal(repr(float(self.text))) if self.is_double else Decimal(self.text)


def need(*facts: object) -> None:
    if not all(facts):
        raise DoesNotFit


def a_string(value: Any) -> Any:
    need(isinstance(value, str))
    return value


def a_boolean(value: Any) -> Any:
    need(isinstance(value, bool) or value in ("true", "false"))
    return value in (True, "true")


def a_whole(bits: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, Number):
            need(not value.is_double, value.exact == value.exact.to_integral_value())
            number = int(value.exact)
        else:
            need(isinstance(value, str) and re.fullmatch("-?[0-9]+", value))
            number = int(value)
        need(-(2 ** (bits - 1)) <= number < 2 ** (bits - 1))
        return number

    return read


def number_text(value: Any) -> str:
    need(isinstance(value, Number | str))
    text = value.text if isinstance(value, Number) else value
    need(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?", text))
    return text


def a_double(value: Any) -> float:
    number = float(number_text(value))
    need(abs(number) != float("inf"))
    return number


def a_decimal(precision: int, scale: int) -> Callable[[Any], Decimal]:
    def read(value: Any) -> Decimal:
        text = number_text(value)
        if isinstance(value, Number):
            exact = value.exact
            need(not value.is_double or len(exact.normalize().as_tuple().digits) <= 15)
        else:
            exact = Decimal(text)
            mantissa, e, exponent = text.lower().partition("e")
            need(not e or sum(map(str.isdigit, mantissa)) <= 15, abs(int(exponent or "0")) <= 99)
        need(abs(exact) < Decimal(10) ** (precision - scale))
        shifted = exact.scaleb(scale)
        need(shifted == shifted.to_integral_value())
        return exact

    return read


def a_date(value: Any) -> date:
    need(isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value))
    try:
        return date(*map(int, value.split("-")))
    except ValueError as error:
        raise DoesNotFit from error


def a_timestamp(value: Any) -> int:
    need(isinstance(value, str))
    parts = re.fullmatch(
        r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
        r"(?:[Zz]|([+-])([0-9]{2})(?::?([0-9]{2}))?)?",
        value,
    )
    need(parts)
    day, hour, minute, second, fraction, sign, hours, minutes = parts.groups(default="")
    first = a_date(day).toordinal() - date(1970, 1, 1).toordinal()
    need(int(hour) < 24, int(minute) < 60, int(second or 0) < 60, int(minutes or 0) < 60)
    offset = int(hours or 0) * 60 + int(minutes or 0)
    need(offset <= 18 * 60)
    seconds = first * 86_400 + int(hour) * 3600 + int(minute) * 60 + int(second or 0)
    seconds -= offset * 60 * (-1 if sign == "-" else 1)
    return in_years(seconds * 1_000_000 + int((fraction + "000000")[:6]))


def in_years(micros: int) -> int:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    need((first - EPOCH) // MICROSECOND <= micros <= (last - EPOCH) // MICROSECOND)
    return micros


def an_epoch(digits: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        text = str(value.exact) if isinstance(value, Number) else value
        need(isinstance(text, str))
        if isinstance(value, Number):
            need(not value.is_double)
            text = re.sub(r"\.?0+$", "", text) if "." in text else text
        need(re.fullmatch(rf"-?[0-9]{{1,{18 - digits}}}(\.[0-9]{{1,{digits}}})?", text))
        return in_years(int(Decimal(text).scaleb(digits)))

    return read


def a_list(element: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        need(isinstance(value, list))
        return [None if one is None else element(one) for one in value]

    return read


def a_struct(**fields: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        need(isinstance(value, dict))
        return {name: None if value.get(name) is None else part(value[name]) for name, part in fields.items()}

    return read


READERS: dict[str, Callable[[Any], Any]] = {
    "string": a_string,
    "boolean": a_boolean,
    "int": a_whole(32),
    "bigint": a_whole(64),
    "double": a_double,
    "decimal(6,2)": a_decimal(6, 2),
    "decimal(38,18)": a_decimal(38, 18),
    "decimal(20,0)": a_decimal(20, 0),
    "date": a_date,
    "timestamp": a_timestamp,
    "timestamp s": an_epoch(6),
    "timestamp ms": an_epoch(3),
    "array<bigint>": a_list(a_whole(64)),
    "array<string>": a_list(a_string),
    "struct<a:string,b:array<decimal(6,2)>>": a_struct(a=a_string, b=a_list(a_decimal(6, 2))),
    "array<struct<a:boolean>>": a_list(a_struct(a=a_boolean)),
}
KINDS = list(READERS)


def strings(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return texts.map(json.dumps)


whole_numbers = st.one_of(
    st.integers(-100, 100),
    st.sampled_from([2**31, 2**63, 253_402_300_800, 62_135_596_800, 10**4, 10**20]).flatmap(
        lambda edge: st.tuples(st.sampled_from([edge, -edge, edge * 1000, -edge * 1000]), st.integers(-1, 1)).map(sum)
    ),
    st.integers(-(10**14), 10**14),
).map(str)
digits = st.text("0123456789", min_size=1, max_size=9)
fractions = st.builds("{}.{}".format, whole_numbers, digits | st.sampled_from(["50", "000", "123456789012345678"]))
scientific = st.builds("{}{}{}".format, whole_numbers | fractions, st.sampled_from("eE"), st.integers(-30, 30))
numbers = whole_numbers | fractions | scientific | st.floats(-1e308, 1e308).map(json.dumps)
years = st.sampled_from(["0000", "0001", "1969", "2024", "2026", "9999", "26"])
days = st.builds("{}-{:02}-{:02}".format, years, st.integers(0, 13), st.sampled_from([0, 1, 28, 29, 30, 31, 32]))
offsets = st.sampled_from(
    ["", "", "Z", "z", "+02:00", "-0530", "+18:00", "+18:01", "-19:00", "+01", "+1", " UTC", "+02:60"]
)
seconds = st.sampled_from(["", ":00", ":59", ":60"]) | digits.map(":59.{}".format)
clocks = st.builds("{:02}:{:02}{}".format, st.sampled_from([0, 12, 23, 24]), st.sampled_from([0, 59, 60]), seconds)
moments = st.builds("{}{}{}{}".format, days, st.sampled_from(["T", "t", " ", "_"]), clocks, offsets)
words = st.sampled_from(
    ["", " ", "null", "true", "false", "True", "yes", "now", "today", "NaN", "Infinity", "{}", "[]", "1\n", "\x00"]
)
scalars = st.one_of(
    st.sampled_from(["true", "false", "null"]), numbers, strings(numbers | days | moments | words | st.text(max_size=5))
)


def lists(elements: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(elements, max_size=3).map(lambda parts: f"[{','.join(parts)}]")


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.dictionaries(st.sampled_from("abc"), values, max_size=3).map(
        lambda fields: "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"
    )


anything = st.one_of(scalars, lists(scalars), objects(scalars | lists(scalars)), lists(objects(scalars)))
# Values that are likely to fit, so that both answers are common.
LIKELY = {
    "string": strings(st.text(max_size=20)),
    "boolean": st.sampled_from(["true", "false", '"true"', '"false"']),
    "date": strings(days),
    "timestamp": strings(moments),
    "array<bigint>": lists(whole_numbers),
    "array<string>": lists(strings(words)),
    "struct<a:string,b:array<decimal(6,2)>>": objects(strings(words) | lists(fractions | whole_numbers)),
    "array<struct<a:boolean>>": lists(objects(st.sampled_from(["true", '"false"', "null"]))),
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, str]:
    kind = draw(st.sampled_from(KINDS))
    return kind, draw(LIKELY.get(kind, numbers | strings(numbers)) | anything)


def expected(kind: str, text: str) -> tuple[list[str], Any]:
    value = json.loads(text, parse_float=Number, parse_int=Number)
    if value is None:
        return [], None
    try:
        return [], READERS[kind](value)
    except DoesNotFit:
        return [f"wrong_type:{name_of(kind)}"], None


def name_of(kind: str) -> str:
    return f"c{KINDS.index(kind)}"


def column(kind: str) -> Column:
    base, _, epoch = kind.partition(" ")
    return Column.model_validate({"name": name_of(kind), "type": base} | ({"epoch": epoch} if epoch else {}))


TABLE = Table(
    name="things",
    path="/things",
    key=("n",),
    columns=(Column(name="n", type="int", required=True), *map(column, KINDS), AdoptedColumn(name="any")),
)


def test_the_parse_agrees_with_plain_python(spark: SparkSession) -> None:
    n_of_each = {True: 0, False: 0}

    @settings(
        max_examples=4,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(cases(), min_size=150, max_size=150))
    def agrees(drawn: list[tuple[str, str]]) -> None:
        rows = [f'{{"n":{number},"{name_of(kind)}":{text},"any":{text}}}' for number, (kind, text) in enumerate(drawn)]
        pages = spark.createDataFrame([("r", 1, f"[{','.join(rows)}]")], "run_id string, page long, body string")
        parsed = pages.transform(parse(TABLE, "$")).select(
            "problems", "row.n", "row.any", *(value(kind).alias(kind) for kind in KINDS)
        )
        found = parsed.orderBy("n").collect()
        read = [
            (kind, text, row.problems, None if row.problems else plain(row[kind]))
            for (kind, text), row in zip(drawn, found, strict=True)
        ]
        assert read == [(kind, text, *expected(kind, text)) for kind, text in drawn]
        for row, (_, text) in zip(found, drawn, strict=True):
            sent = json.loads(text)
            assert row.any == sent if isinstance(sent, str | None) else json.loads(row.any) == sent
            n_of_each[not row.problems] += 1

    agrees()
    # Over all examples: the first one is the least that can be drawn.
    assert min(n_of_each.values()) > 100


def value(kind: str) -> SparkColumn:
    column = F.col(f"row.{name_of(kind)}")
    return F.unix_micros(column) if kind.startswith("timestamp") else column


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.asDict(recursive=True) if hasattr(value, "asDict") else value

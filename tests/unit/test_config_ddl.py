"""The column types of a source YAML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.config import Array, DataType, DdlError, Decimal, Scalar, Struct, parse_ddl

scalars = st.sampled_from(["string", "boolean", "int", "bigint", "double", "date", "timestamp"]).map(Scalar)
decimals = st.integers(1, 38).flatmap(
    lambda precision: st.integers(0, precision).map(lambda scale: Decimal(precision, scale))
)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


def _structs(children: st.SearchStrategy[DataType]) -> st.SearchStrategy[Struct]:
    fields = st.lists(st.tuples(names, children), min_size=1, max_size=4, unique_by=lambda field: field[0].lower())
    return fields.map(lambda found: Struct(tuple(found)))


types: st.SearchStrategy[DataType] = st.recursive(
    scalars | decimals, lambda children: children.map(Array) | _structs(children), max_leaves=8
)


@given(types)
def test_every_type_reads_back_as_itself(kind: DataType) -> None:
    assert parse_ddl(kind.ddl) == kind


@given(types, st.sampled_from(["<", ">", ",", ":", "(", ")"]))
def test_spaces_and_case_of_types_do_not_matter(kind: DataType, mark: str) -> None:
    assert parse_ddl(kind.ddl.replace(mark, f"  {mark}\t")) == kind


@given(st.text(alphabet="abint<>(),:decimalrystuc 0123!'{}\n", max_size=40))
def test_any_text_is_a_type_or_a_ddl_error(text: str) -> None:
    try:
        kind = parse_ddl(text)
    except DdlError as error:
        assert str(error)  # noqa: PT017 (most texts are no type, and some are)
    else:
        assert parse_ddl(kind.ddl) == kind


@pytest.mark.parametrize(
    ("text", "kind", "ddl"),
    [
        ("BIGINT", Scalar("bigint"), "bigint"),
        ("integer", Scalar("int"), "int"),
        ("Long", Scalar("bigint"), "bigint"),
        (" decimal ( 10 , 2 ) ", Decimal(10, 2), "decimal(10,2)"),
        ("Array< Array<long> >", Array(Array(Scalar("bigint"))), "array<array<bigint>>"),
        (
            "struct<Id: LONG, tags: array<string>>",
            Struct((("Id", Scalar("bigint")), ("tags", Array(Scalar("string"))))),
            "struct<Id:bigint,tags:array<string>>",
        ),
        ("struct<int: int>", Struct((("int", Scalar("int")),)), "struct<int:int>"),
    ],
)
def test_types_are_read_and_written_in_one_form(text: str, kind: DataType, ddl: str) -> None:
    assert parse_ddl(text) == kind
    assert kind.ddl == ddl


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bigit", "unknown type 'bigit'; did you mean 'bigint'?"),
        ("varchar(20)", "unknown type 'varchar'; did you mean 'string'?"),
        ("float", "unknown type 'float'; did you mean 'double'?"),
        ("array<strin>", "unknown type 'strin'; did you mean 'string'?"),
        ("qqq", "unknown type 'qqq'"),
        ("", "the type ends where a type should be"),
        ("decimal", "'(' is missing; decimal is written decimal(precision,scale), such as decimal(10,2)"),
        ("decimal(0,0)", "the precision of a decimal is 1 to 38"),
        ("decimal(39,0)", "the precision of a decimal is 1 to 38"),
        ("decimal(5,6)", "the scale of a decimal is 0 to its precision"),
        ("array", "'<' is missing; array is written array<type>"),
        ("array<int", "'>' is missing; array is written array<type>"),
        ("struct<>", "'>' is not a field name; struct is written struct<name: type, ...>"),
        ("struct<a: int, A: int>", "the field 'A' appears twice (upper and lower case are the same)"),
        ("int int", "'int' is unexpected after the type"),
        ("bigint!", "'!' is unexpected after the type"),
        ("array<" * 40 + "int" + ">" * 40, "a type nested more than 32 deep"),
    ],
)
def test_what_is_no_type_says_why(text: str, message: str) -> None:
    with pytest.raises(DdlError) as caught:
        parse_ddl(text)
    assert str(caught.value) == message

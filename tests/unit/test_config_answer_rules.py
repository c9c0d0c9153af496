"""`errors` of an API and of a table: what the YAML may say of answers, and what is a mistake."""

from __future__ import annotations

import pickle
from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lib.config import Source, load_source
from lib.config.answer_rules import AnswerRule
from lib.errors import ConfigError
from lib.source.access import Access
from lib.source.rules import Condition, Rule

REPO = Path(__file__).parents[2]
TABLE = "tables:\n  orders:\n    path: /orders\n    key: [id]\n    columns: {id: bigint!}\n"


def load(tmp_path: Path, rule: str, of_table: str = "", overrides: tuple[str, ...] = ()) -> Source:
    """A source whose first rule stands in line 4, and that of its table in line 11."""
    path = tmp_path / "shop.yml"
    text = f"source: shop\napi:\n  errors:\n    - {rule}\n  url: http://h\n{TABLE}{of_table}"
    path.write_text(text, "utf-8")
    return load_source(str(path), overrides=overrides, conf_dir=REPO / "conf", env={})


def mistakes(tmp_path: Path, rule: str, of_table: str = "") -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, rule, of_table)
    return [line.removeprefix(f"{tmp_path}/shop.yml") for line in str(raised.value).splitlines()]


def test_executors_get_the_rules_of_each_table_before_those_of_the_api_with_their_places(tmp_path: Path) -> None:
    source = load(
        tmp_path,
        "{body: {path: error.code, equals: busy}, do: retry}",
        "    errors: [{status: [404, 410], do: end}, {status: 500-502, body: {path: e, exists: false}, do: skip}]\n"
        "  users: {path: /users, key: [id], columns: {id: 'bigint!'}}\n",
    )
    access = Access.of(source.api, source.tables)
    of_api = Rule("api.errors[0]", "retry", None, Condition("error.code", "equals", "busy"))
    assert access.rules_for("users") == (of_api,)
    assert access.rules_for("orders") == (
        Rule("tables.orders.errors[0]", "end", frozenset({404, 410})),
        Rule("tables.orders.errors[1]", "skip", frozenset({500, 501, 502}), Condition("e", "exists", value=False)),
        of_api,
    )
    assert pickle.loads(pickle.dumps(access)) == access


def test_a_source_without_rules_has_none(tmp_path: Path) -> None:
    path = tmp_path / "shop.yml"
    path.write_text(f"source: shop\napi: {{url: 'http://h', errors: []}}\n{TABLE}", "utf-8")
    source = load_source(str(path), conf_dir=REPO / "conf", env={})
    assert Access.of(source.api, source.tables).rules_for("orders") == ()


@pytest.mark.parametrize("value", ["busy", "429", "1.5", "true", "false", "null"])
def test_a_value_is_kept_with_its_kind_and_counts_in_the_hash_of_the_settings(tmp_path: Path, value: str) -> None:
    source = load(tmp_path, f"{{body: {{path: e, equals: {value}}}, do: fail}}")
    [rule] = source.api.errors
    assert rule.body is not None
    kinds = {"busy": "busy", "429": 429, "1.5": 1.5, "true": True, "false": False, "null": None}
    assert (rule.body.equals, type(rule.body.equals)) == (kinds[value], type(kinds[value]))
    assert source.settings_hash != load(tmp_path, "{body: {path: e, equals: other}, do: fail}").settings_hash
    assert source.settings_hash != load(tmp_path, "{body: {path: e, exists: true}, do: fail}").settings_hash


def test_a_rule_can_be_changed_for_one_run(tmp_path: Path) -> None:
    overrides = (
        "api.errors.0.do=fail",
        "api.errors.0.body.contains=limit",
        "tables.orders.errors=[{status: 404, do: end}]",
    )
    source = load(tmp_path, "{body: {path: e, contains: x}, do: skip}", overrides=overrides)
    assert source.public()["api"]["errors"] == [
        {"status": None, "body": {"path": "e", "equals": None, "exists": None, "contains": "limit"}, "do": "fail"}
    ]
    assert source.public()["tables"][0]["errors"] == [{"status": 404, "body": None, "do": "end"}]


STATUS = "must be a status such as 429, a range such as 500-599, or a list of these"
REVERSED = "the range is the wrong way round; the smaller number comes first"
BOUNDS = "must be from 200 to 999, as the status of every answer is"
GOOD = "and without a body that is for every good page; add body, or leave it out"


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        ("{do: fail}", ": needs status, body or both: without them it is for every answer"),
        ("{status: null, do: fail}", ": needs status, body or both: without them it is for every answer"),
        ("{status: 429}", ".do: missing"),
        ("{status: 429, do: ignore}", ".do: must be 'retry', 'fail', 'end' or 'skip'"),
        ("{status: 429, do: retyr}", ".do: must be 'retry', 'fail', 'end' or 'skip'; did you mean 'retry'?"),
        ("{status: [], do: fail}", ".status: must not be empty; leave it out for all statuses"),
        ("{status: 'many', do: fail}", f".status: {STATUS}"),
        ("{status: '429', do: fail}", f".status: {STATUS}"),
        ("{status: 4xx, do: fail}", f".status: {STATUS}"),
        ("{status: true, do: fail}", f".status: {STATUS}"),
        ("{status: 429.0, do: fail}", f".status: {STATUS}"),
        ("{status: {from: 500}, do: fail}", f".status: {STATUS}"),
        ("{status: [429, [500]], do: fail}", f".status: {STATUS}"),
        ("{status: 599-500, do: fail}", f".status: {REVERSED}"),
        ("{status: [404, 599-500], do: fail}", f".status: {REVERSED}"),
        ("{status: 42, do: fail}", f".status: {BOUNDS}"),
        ("{status: -429, do: fail}", f".status: {BOUNDS}"),
        ("{status: 100-404, do: fail}", f".status: {BOUNDS}"),
        ("{status: 1000, do: fail}", f".status: {BOUNDS}"),
        ("{status: 200, do: skip}", f".status: holds 200, {GOOD}"),
        ("{status: [404, 206], do: end}", f".status: holds 206, {GOOD}"),
        ("{status: 201-299, do: fail}", f".status: holds 203, {GOOD}"),
        ("{status: 302, do: fail}", ".status: is a redirect, which is followed and never judged"),
        ("{status: [301, 307-308], do: fail}", ".status: is a redirect, which is followed and never judged"),
        ("{status: 429, bdy: {path: e, exists: true}, do: fail}", ".bdy: unknown key; did you mean 'body'?"),
        ("{status: 429, do: fail, body: {pth: e, exists: true}}", ".body.pth: unknown key; did you mean 'path'?"),
        ("{body: {exists: true}, do: fail}", ".body.path: missing"),
        ("{body: error, do: fail}", ".body: must be a mapping (key: value)"),
        ("{body: {path: e}, do: fail}", ".body: needs one of equals, exists and contains"),
        (
            "{body: {path: e, equals: null, exists: true}, do: fail}",
            ".body: has equals and exists, and takes one of them; write a rule for each",
        ),
        (
            "{body: {path: e..f, exists: true}, do: fail}",
            ".body.path: must be a dotted path into the answer, such as error.code",
        ),
        (
            "{body: {path: '', exists: true}, do: fail}",
            ".body.path: must be a dotted path into the answer, such as error.code",
        ),
        ("{body: {path: 7, exists: true}, do: fail}", ".body.path: must be text"),
        ("{body: {path: e, exists: 'yes'}, do: fail}", ".body.exists: must be true or false"),
        ("{body: {path: e, exists: null}, do: fail}", ".body.exists: must not be null; leave it out"),
        ("{body: {path: e, contains: null}, do: fail}", ".body.contains: must not be null; leave it out"),
        ("{body: {path: e, contains: ''}, do: fail}", ".body.contains: must not be empty"),
        ("{body: {path: e, contains: 5}, do: fail}", ".body.contains: must be text"),
        ("{body: {path: e, equals: [s3cret]}, do: fail}", ".body.equals: must be text, a number, true, false or null"),
        ("{body: {path: e, equals: .nan}, do: fail}", ".body.equals: must be text, a number, true, false or null"),
        ("fail", ": must be a mapping (key: value)"),
    ],
)
def test_mistakes_have_their_line_and_their_place_and_show_no_value(tmp_path: Path, rule: str, mistake: str) -> None:
    assert mistakes(tmp_path, rule) == [f":4: api.errors.0{mistake}"]
    good = "{status: 500, do: fail}"
    assert mistakes(tmp_path, good, f"    errors: [{rule}]\n") == [f":11: tables.orders.errors.0{mistake}"]


def test_errors_that_are_no_list_are_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "shop.yml"
    path.write_text(f"source: shop\napi: {{url: 'http://h', errors: {{status: 500, do: fail}}}}\n{TABLE}", "utf-8")
    with pytest.raises(ConfigError, match=r"shop\.yml:2: api\.errors: must be a list"):
        load_source(str(path), conf_dir=REPO / "conf", env={})


statuses = st.integers(0, 1099)


@given(first=statuses, last=statuses)
def test_a_range_holds_both_of_its_ends_and_all_between_or_is_refused(first: int, last: int) -> None:
    rule = {"status": f"{first}-{last}", "body": {"path": "e", "exists": True}, "do": "fail"}
    is_usable = 200 <= first <= last <= 999 and not set(range(first, last + 1)) <= {301, 302, 303, 307, 308}
    if not is_usable:
        with pytest.raises(ValidationError):
            AnswerRule.model_validate(rule)
        return
    found = AnswerRule.model_validate(rule).statuses
    assert found is not None
    assert (min(found), max(found), len(found)) == (first, last, last - first + 1)


@given(first=st.integers(200, 999), length=st.integers(0, 20))
def test_no_rule_without_a_body_is_for_a_page(first: int, length: int) -> None:
    rule = {"status": f"{first}-{min(999, first + length)}", "do": "skip"}
    try:
        found = AnswerRule.model_validate(rule).statuses
    except ValidationError:
        return
    assert found is not None
    assert not found & {HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION, HTTPStatus.PARTIAL_CONTENT}


def test_the_example_of_the_docs_is_good(tmp_path: Path) -> None:
    page = (REPO / "docs" / "configuration.md").read_text("utf-8")
    example = page.partition("    api:\n      errors:\n")[2].partition("    tables:\n")[0]
    of_api = "".join(f"{line[4:]}\n" for line in example.splitlines())
    text = f"source: shop\napi:\n  url: http://h\n  errors:\n{of_api}{TABLE}"
    (tmp_path / "shop.yml").write_text(text, "utf-8")
    source = load_source(str(tmp_path / "shop.yml"), conf_dir=REPO / "conf", env={})
    assert [one.do for one in source.api.errors] == ["retry", "fail", "retry"]

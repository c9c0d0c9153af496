"""The schema for editors and the page of keys: both say what the settings say, and the schema takes what reading a YAML takes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator
from pydantic import BeforeValidator, Field, ValidationError

from lib.config import load_source
from lib.config.model import Settings, YamlPath
from lib.config.schema import keys_at
from lib.config.yaml_file import parse_yaml
from lib.errors import ConfigError
from scripts import source_schema
from tests.suite_parts import examples
from tests.unit import test_config_load
from tests.unit.test_config_damage import damaged
from tests.unit.test_config_load import GOOD

REPO = Path(__file__).parents[2]
PAGE = (REPO / source_schema.PAGE).read_text("utf-8")
SCHEMA = json.loads((REPO / source_schema.SCHEMA).read_text("utf-8"))
VALIDATOR = Draft7Validator(SCHEMA)
ENV = {"TOKEN": "t"}
# What a mistake is called that one key shows by itself: the words for a key, a type, a bound, a choice, a name.
SEEN_BY_ITSELF = re.compile(
    r"unknown key|missing: write one of|must be (?:true or false|a mapping|a whole number|at least|at most \d|more than)"
    r"|must be '|unknown type|is no (?:column name|name of a source)|must start with http|one '/'|written table\.column"
)
# For JSON Schema 2.0 is a whole number.
NOT_IN_JSON = "attempts: 2.0"
_, MISTAKES = test_config_load.test_each_mistake_has_its_file_line_path_and_reason.pytestmark[0].args


def errors(text: str) -> list[str]:
    """What an editor marks: the path and the message of each mistake."""
    found = VALIDATOR.iter_errors(parse_yaml(text, "shop.yml").data)
    return [f"{'.'.join(map(str, one.absolute_path))}: {one.message}" for one in found]


def with_line(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def sources() -> list[Path]:
    """Every source YAML of the repository."""
    folders = [one for one in REPO.iterdir() if one.is_dir() and not one.name.startswith(".") and one.name != "lake"]
    files = [path for folder in folders for path in folder.rglob("*.y*ml") if "node_modules" not in path.parts]
    data = {path: parse_yaml(path.read_text("utf-8"), path.name).data for path in files}
    return [path for path, one in data.items() if isinstance(one, dict) and {"source", "tables"} <= one.keys()]


def test_both_files_are_what_the_settings_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert source_schema.main(["--check"]) == 0, capsys.readouterr().err


def test_a_file_that_is_old_is_named_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (source_schema.SCHEMA, source_schema.PAGE):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text((REPO / name).read_text("utf-8"), "utf-8")
    monkeypatch.setattr(source_schema, "REPO", tmp_path)
    (tmp_path / source_schema.PAGE).write_text(PAGE.replace("Page requests in flight.", "Requests."), "utf-8")
    assert source_schema.main(["--check"]) == 1
    assert capsys.readouterr() == ("", "docs/sources.md: not what lib/config says; run make schema\n")
    (tmp_path / source_schema.SCHEMA).unlink()
    assert source_schema.main([]) == 0
    assert capsys.readouterr().out == "conf/source.schema.json: written\ndocs/sources.md: written\n"
    assert (tmp_path / source_schema.PAGE).read_text("utf-8") == PAGE
    assert source_schema.main(["--check"]) == 0


def test_the_schema_is_one_of_draft_7_which_every_editor_knows() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert "discriminator" not in json.dumps(SCHEMA)


def test_every_key_says_what_it_is_for() -> None:
    blocks = {"the root": SCHEMA, **SCHEMA["$defs"]}
    silent = [
        f"{name}.{key}: write a docstring below it"
        for name, block in blocks.items()
        for key, node in block["properties"].items()
        if not node.get("description")
    ]
    assert silent == []


def test_what_ships_names_the_schema_in_its_first_line_and_is_taken_by_it() -> None:
    found = sources()
    assert {REPO / "conf/sources/demo.yml", REPO / "conf/sources/moovitamix.yml"} <= set(found)
    for path in found:
        text = path.read_text("utf-8")
        schema = os.path.relpath(REPO / source_schema.SCHEMA, path.parent)
        assert text.splitlines()[0] == f"# yaml-language-server: $schema={schema}", path
        assert errors(text) == [], path


def test_the_source_of_the_readme_is_taken() -> None:
    [text] = re.findall(r"^```yaml\n(.*?)^```$", (REPO / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert errors(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: string", "name: {type: STRING !, pii: true, from: first-name, empty_is_null: true, description: null}"),
        ("name: string", 'price: "decimal(10, 2)!"\n      parts: "array<struct<a: int, b: array<Long>>>"'),
        ("name: string", "seen: {type: timestamp, required: true, epoch: ms}"),
        ("newest_by: updated_at", "newest_by: null\n    min_rows: 0\n    max_delete_fraction: 1"),
        ("newest_by: updated_at", "newest_by: updated_at\n    max_age: 26h\n    prove: reread\n    on_missing_column: 'null'"),
        ("path: /users", "path: /users?state=all\n    params: {since: 2026-01-01, n: 5, x: 1.5, all: true, token: '${TOKEN}'}"),
        ("auth: {type: none}", "auth: {type: bearer, token: '${TOKEN}'}"),
        ("auth: {type: none}", "auth: {type: basic, user: anna, password: '${TOKEN}'}"),
        ("auth: {type: none}", "auth: {type: basic, user: '${TOKEN}', password: '${TOKEN}'}"),
        ("auth: {type: none}", "pagination: {}"),
        ("auth: {type: none}", "pagination: {page_param: p, items: $, total: null, pages: null}"),
        ("auth: {type: none}", "pagination: {style: offset, first: 1, total: 'header:X-Total-Count'}"),
        ("auth: {type: none}", "pagination: {style: cursor, next: meta.next}"),
        ("auth: {type: none}", "limits: {requests_per_second: null, timeout_s: 1, max_wait_s: 0.5}"),
        ("auth: {type: none}", "proxy: '${PROXY}'\n  allowed_hosts: [a.example, 'b.example:8443']"),
        ("url: http://127.0.0.1:8000/v1/", "url: HTTPS://api.example/v1?tenant=7"),
        ("auth: {type: none}", "method: post\n  json: {query: q, variables: {a: [1, null, {b: true}], key: '${TOKEN}'}}"),
        ("path: /users", "path: /users\n    method: post\n    form: {a: 1, b: x, c: true, key: '${TOKEN}'}"),
        ("source: shop", "source: shop\nsite: {publish_to: s3://bucket/docs}\nrecommend: null"),
        ("source: shop", "source: shop\nmetrics: {otlp: {url: 'http://c:4318', headers: {x-key: '${TOKEN}'}}, timeout_s: 2.5}"),
    ],
)  # fmt: skip
def test_what_reading_takes_the_schema_takes(old: str, new: str, tmp_path: Path) -> None:
    text = with_line(old, new)
    (tmp_path / "shop.yml").write_text(text, "utf-8")
    load_source(str(tmp_path / "shop.yml"), conf_dir=tmp_path, env={**ENV, "PROXY": "http://anna:x@proxy:3128"})
    assert errors(text) == []


def test_a_demo_whose_every_line_is_left_out_and_anchors_are_taken() -> None:
    api = "api:\n  url: http://127.0.0.1:8000/v1/\n  auth: {type: none}\n"
    assert errors(with_line(api, "api: {}\ndemo:\n")) == []
    text = with_line("  users:\n", "  users: &base\n").replace("  orders:\n", "  more:\n    <<: *base\n  orders:\n")
    assert errors(text) == []


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(damaged())
def test_damage_that_reading_takes_the_schema_takes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "damaged.yml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load_source(str(path), conf_dir=tmp_path, env={})
    except ConfigError:
        return
    assert errors(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [one[:2] for one in MISTAKES if SEEN_BY_ITSELF.search(one[2]) and NOT_IN_JSON not in one[1]],
)
def test_a_mistake_that_one_key_shows_by_itself_is_marked(old: str, new: str) -> None:
    assert len(errors(with_line(old, new))) >= 1


def test_most_of_the_mistakes_are_such() -> None:
    assert sum(SEEN_BY_ITSELF.search(one[2]) is not None for one in MISTAKES) >= 30


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("source: shop\n", "", ": 'source' is a required property"),
        (
            "source: shop",
            "source: shop\nlimits: {}",
            ": Additional properties are not allowed ('limits' was unexpected)",
        ),
        ("source: shop", "source: 5", "source: 5 is not of type 'string'"),
        ("    path: /users\n", "", "tables.users: 'path' is a required property"),
        ("path: /users\n    key: [id]\n", "path: /users\n", "tables.users: 'key' is a required property"),
        ("path: /users\n    key: [id]", "path: /users\n    key: id", "tables.users.key: 'id' is not of type 'array'"),
        ("path: /users\n    key: [id]", "path: /users\n    key: []", "tables.users.key: [] should be non-empty"),
        ("newest_by: updated_at", "deletes: hard", "tables.orders.deletes: 'hard' is not one of ['ignore', 'soft']"),
        (
            "auth: {type: none}",
            "limits: {concurency: 4}",
            "api.limits: Additional properties are not allowed ('concurency' was unexpected)",
        ),
        ("auth: {type: none}", "limits: {attempts: '6'}", "api.limits.attempts: '6' is not of type 'integer'"),
        ("auth: {type: none}", "limits: {timeout_s: true}", "api.limits.timeout_s: True is not of type 'number'"),
    ],
)
def test_what_is_marked_is_at_the_key(old: str, new: str, message: str) -> None:
    assert errors(with_line(old, new)) == [message]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("auth: {type: none}", "auth: {}"),
        ("auth: {type: none}", "auth: {token: '${TOKEN}'}"),
        ("auth: {type: none}", "auth: {type: bearer}"),
        ("auth: {type: none}", "auth: {type: bearer, token: hunter2}"),
        ("auth: {type: none}", "auth: {type: bearer, token: 'x${TOKEN}'}"),
        ("auth: {type: none}", "auth: {type: none, token: '${TOKEN}'}"),
        ("auth: {type: none}", "pagination: {style: page, cursor_param: c}"),
        ("auth: {type: none}", "params: {a: [1, 2]}"),
        ("auth: {type: none}", "params: {a: null}"),
        ("name: string", "name: {name: x, type: string}"),
        ("name: string", "name: {pii: true}"),
        ("name: string", "name: null"),
        ("name: string", "first-name: string"),
        ("name: string", "name: {type: decimal(10}"),
        ("newest_by: updated_at", "newest_by: updated_at\n    max_age: 26"),
        ("newest_by: updated_at", "newest_by: updated_at\n    max_age: 26 h"),
        ("path: /users", "path: /users\n    name: users"),
        ("path: /users", "path: users"),
        ("  users:\n", "  Users:\n"),
    ],
)
def test_what_reading_refuses_the_schema_refuses(old: str, new: str, tmp_path: Path) -> None:
    text = with_line(old, new)
    (tmp_path / "shop.yml").write_text(text, "utf-8")
    with pytest.raises(ConfigError):
        load_source(str(tmp_path / "shop.yml"), conf_dir=tmp_path, env=ENV)
    assert errors(text) != []


def test_a_source_needs_tables_and_a_table_columns() -> None:
    start = "source: shop\napi: {url: http://h}\n"
    assert errors(start) == [": 'tables' is a required property"]
    assert errors(start + "tables: {}\n") == ["tables: {} should be non-empty"]
    assert errors(start + "tables: []\n") == ["tables: [] is not of type 'object'"]
    assert errors(start + "tables: {t: {path: /t, key: [id], columns: {}}}\n") == [
        "tables.t.columns: {} should be non-empty"
    ]


def sections() -> dict[str, list[str]]:
    """The keys of the page, by the heading that they stand below."""
    parts = re.split(r"^##+ (.*)$", PAGE, flags=re.MULTILINE)[1:]
    return {
        title: re.findall(r"^\| `([^`]*)` \|", text, re.MULTILINE)
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }


def places(title: str) -> list[tuple[YamlPath, dict[str, str]]]:
    """Where the keys below a heading stand in a YAML, and what says there which kind it is."""
    paths, _, tag = title.partition(" with ")
    kind = dict([tag.strip("`").split(": ")]) if tag else {}
    found: list[YamlPath] = []
    for path in re.findall(r"`([^`]*)`", paths) or [""]:
        parts = path.replace("<name>", "x").replace("[]", ".0").split(".") if path else []
        found.append(tuple(int(part) if part.isdigit() else part for part in parts))
    return [(path, kind) for path in found]


def test_the_page_has_every_key_that_a_yaml_may_have() -> None:
    pages = {(path, *kind.values()): set(keys) for title, keys in sections().items() for path, kind in places(title)}
    known = {(path, *kind.values()): set(keys_at(path, kind)) for title in sections() for path, kind in places(title)}
    assert pages == known
    assert pages[("api", "limits"),] == {
        *("concurrency", "requests_per_second", "timeout_s", "attempts", "max_wait_s", "proof_rounds", "max_body_mb"),
        "max_pages",
    }
    assert pages[("api", "auth"), "basic"] == {"type", "user", "password"}


@pytest.mark.parametrize(
    "row",
    [
        "| `concurrency` | whole number (1 to 1,000) | `16` | Page requests in flight. |",
        "| `requests_per_second` | number (more than 0) | `null` | Requests sent in a second, repeated ones included; "
        "`null` for no limit. |",
        "| `size_param` | query parameter, or `body:` with a place in the body or `null` | `limit` | Parameter with the number of "
        "rows a page; `null` for a source that takes none. |",
        '| `token` | `"${ENV_NAME}"` | required | The token. |',
        "| `limits` | [`api.limits`](#apilimits) | all defaults | What the source is asked for at most, by the whole cluster "
        "together. |",
        "| `items` | [`recommend.users`, `recommend.items`](#recommendusers-recommenditems) | required | What is in the lists. |",
        "| `total` | text or `null` | `total` | Where the number of rows is: a dotted path, `header:X-Total-Count`, or `null` for "
        "a source that does not say. |",
        "| `pii` | `true` or `false` | `false` | Personal: the values never reach docs, logs, alerts or quarantine. |",
        "| `from` | text (up to 1,000 characters) | `null` | Key in the API's JSON, where it is another one than the name. It is "
        "one key of the row, no path. |",
    ],
)
def test_a_row_says_the_type_in_plain_words_the_default_and_what_the_key_does(row: str) -> None:
    assert row in PAGE.splitlines()


class Cat(Settings):
    """Catches mice."""

    kind: Literal["cat"] = "cat"
    lives: int = 9
    """Lives left."""
    kittens: tuple[Cat, ...] = ()
    """Its young."""


class Dog(Settings):
    """Keeps watch."""

    kind: Literal["dog"] = "dog"
    barks_at: Annotated[str | None, Field(alias="barks-at", max_length=20)] = "@anybody"
    """Whom it does not like."""


def _a_cat_unless_said(value: Any) -> Any:
    return {"kind": "cat", **value} if isinstance(value, dict) else value


class Rented(Settings):
    """A home."""

    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    """Who lives there."""
    more: dict[str, Any] = Field(default_factory=dict)
    """Anything."""


class Owned(Settings):
    """A home."""

    pet: Annotated[Cat | Dog | None, Field(discriminator="kind"), BeforeValidator(_a_cat_unless_said)] = Cat()
    """Who lives there."""


@pytest.mark.parametrize("model", [Rented, Owned])
@pytest.mark.parametrize(
    "pet",
    [
        {"kind": "cat", "lives": 1, "kittens": [{"lives": 2}]},
        {"kind": "dog", "barks-at": None},
        {"kind": "dog", "barks_at": "cats"},
        {"kind": "cow"},
        {"kind": "cat", "barks-at": "dogs"},
        {"lives": 1},
        {},
        None,
        "cat",
    ],
)  # fmt: skip
def test_a_union_takes_what_its_members_and_its_validator_take(model: type[Settings], pet: object) -> None:
    try:
        model.model_validate({"pet": pet}, strict=False)
        is_taken = True
    except ValidationError:
        is_taken = False
    assert Draft7Validator(source_schema.schema(model)).is_valid({"pet": pet}) == is_taken


def test_the_page_of_any_settings_has_their_members_and_defaults() -> None:
    rows = source_schema.page(source_schema.schema(Rented)).splitlines()
    pet = "[`kind: cat`](#pet-petkittens-with-kind-cat) or [`kind: dog`](#pet-with-kind-dog)"
    assert f"| `pet` | {pet} | required | Who lives there. |" in rows
    assert "## `pet`, `pet.kittens[]` with `kind: cat`" in rows
    assert "| `kind` | `cat` | required |  |" in rows
    assert '| `barks-at` | text (up to 20 characters) or `null` | `"@anybody"` | Whom it does not like. |' in rows
    assert "| `more` | names, each with any value | `{}` | Anything. |" in rows
    rows = source_schema.page(source_schema.schema(Owned)).splitlines()
    assert "| `kind` | `cat` | `cat` |  |" in rows
    assert f"| `pet` | {pet} | `{{kind: cat}}` | Who lives there. |" in rows


def test_every_link_of_the_page_leads_to_one_of_its_headings() -> None:
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in sections()}
    assert set(re.findall(r"\]\(#([^)]*)\)", PAGE)) <= anchors
    assert {"apilimits", "apiauth-with-type-bearer", "tablesnamecolumnsname", "tablesnamereferences"} <= anchors

"""docs/cookbook: each YAML lands every row of an API that is as its first lines say, and is as sure as the page says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lib.config import load_source
from tests import cookbook_apis as apis
from tests.cookbook_apis import Api, Row
from tests.landed_source import landed
from tests.spark.served_table import REPO

FOLDER = REPO / "docs" / "cookbook"
PAGE = (FOLDER / "README.md").read_text("utf-8")


@dataclass(frozen=True)
class Recipe:
    """An API, how sure a copy of it is, and the rows of its tables."""

    api: Api
    proof: str
    rows: Mapping[str, Sequence[Row]] = field(default_factory=lambda: {"orders": apis.ORDERS})
    others: str = "counted"
    """How sure the copies of the tables are that are not the first."""


# One line a YAML of docs/cookbook.
RECIPES = {
    "page": Recipe(apis.page, "counted"),
    "offset": Recipe(apis.offset, "counted"),
    "content_range": Recipe(apis.content_range, "counted"),
    "next_url": Recipe(apis.next_url, "counted"),
    "link_header": Recipe(apis.link_header, "counted"),
    "cursor": Recipe(apis.cursor, "ended"),
    "keyset": Recipe(apis.keyset, "ended"),
    "range": Recipe(apis.range_, "counted"),
    "none": Recipe(apis.none, "ended", {"orders": apis.ORDERS[:237]}),
    "nested_rows": Recipe(apis.nested_rows, "counted", {"orders": apis.NESTED}),
    "wrapped_rows": Recipe(apis.wrapped_rows, "counted", {"orders": apis.WRAPPED}),
    "keyed_object": Recipe(apis.keyed_object, "counted", {"orders": apis.KEYED}),
    "nested_table": Recipe(
        apis.nested_table,
        "counted",
        {"orders": apis.WITH_LINES, "order_lines": [line for row in apis.WITH_LINES for line in row["lines"]]},
    ),
    "second_walk": Recipe(apis.cursor, "swept"),
    "incremental": Recipe(apis.incremental, "counted", {"orders": apis.CHANGED}),
    "capped": Recipe(apis.capped, "counted", {"orders": [*apis.PARTS["open"], *apis.PARTS["paid"]]}),
    "windows": Recipe(apis.windows, "counted"),
    "list_per_row": Recipe(
        apis.list_per_row,
        "counted",
        {"customers": apis.CUSTOMERS, "orders": [row for rows in apis.OF_CUSTOMERS.values() for row in rows]},
    ),
    "details": Recipe(
        apis.details, "counted", {"customers": apis.CUSTOMERS, "customer_details": apis.DETAILS}, others="ended"
    ),
    "graphql": Recipe(apis.graphql, "counted", {"orders": apis.GRAPH}),
    "post_body": Recipe(apis.post_body, "counted"),
    "own_pagination": Recipe(
        apis.own_pagination,
        "counted",
        {"orders": apis.ORDERS, "events": apis.EVENTS, "countries": apis.COUNTRIES},
        others="ended",
    ),
    "oauth2_client_credentials": Recipe(apis.oauth2_client_credentials, "counted"),
    "oauth2_refresh_token": Recipe(apis.oauth2_refresh_token, "counted"),
    "session_login": Recipe(apis.session_login, "counted"),
    "errors": Recipe(apis.errors, "unproved", {"orders": [*apis.ORDERS[:100], *apis.ORDERS[200:]]}),
    "rate_limits": Recipe(apis.rate_limits, "counted"),
}


def test_each_yaml_has_its_api_and_its_line_on_the_page() -> None:
    assert {path.stem for path in FOLDER.glob("*.yml")} == RECIPES.keys()
    said = re.findall(r"^\| \[`(\w+)`\]\((\w+)\.yml\) \|.*\| `(\w+)` \|$", PAGE, re.MULTILINE)
    assert said == [(name, name, recipe.proof) for name, recipe in RECIPES.items()]


@pytest.mark.parametrize("name", RECIPES)
def test_a_yaml_lands_every_row_of_its_api(name: str, tmp_path: Path) -> None:
    recipe, yaml = RECIPES[name], FOLDER / f"{name}.yml"
    source = load_source(str(yaml), conf_dir=REPO / "conf", env=apis.ENV)
    assert (source.source, source.api.url) == ("shop", "https://shop.example/v1")
    with apis.served(recipe.api) as (url, _):
        overrides = [f"api.url={url}/v1"]
        overrides += [f"api.auth.token_url={url}/oauth/token"] if "oauth2" in source.api.auth.type else []
        tables = landed(yaml, tmp_path, apis.ENV, overrides)
    # Windows of time come in their own order.
    assert {table: in_order(one.rows) for table, one in tables.items()} == {
        table: in_order(rows) for table, rows in recipe.rows.items()
    }
    proofs = [one.record.proof for one in tables.values()]
    assert proofs == [recipe.proof, *[recipe.others] * (len(tables) - 1)]
    for table in source.tables:
        keys = set().union(*(row.keys() for row in recipe.rows[table.name]))
        nested = {one.parent.items.removesuffix("[]") for one in source.tables if one.parent}
        assert {column.json_key for column in table.columns} - {None} == keys - (
            nested if table.parent is None else set()
        )


def in_order(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def test_the_pages_that_rules_skip_are_counted_and_what_is_limited_comes_in_the_end(tmp_path: Path) -> None:
    with apis.served(apis.errors) as (url, log):
        found = landed(FOLDER / "errors.yml", tmp_path, overrides=[f"api.url={url}/v1"])["orders"].record
    assert found.pages_skipped == 1
    assert found.unproved_because == "1 page was skipped by error rules: page 2"
    assert Counter(asked.query["page"] for asked in log)["3"] == 2

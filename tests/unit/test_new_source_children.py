"""new-source: lists and details of single rows become tables that are read for each row of another one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cookbook_apis import Answer, Asked, Row, served
from tests.documented_apis import (
    ENV,
    SERVICES,
    TEXT,
    WHOLE,
    Json,
    document,
    envelope,
    listing,
    query,
    running,
    saved,
    several,
    with_lists_of_users,
)
from tests.landed_source import landed
from tests.new_sources import no_file_in, source_in, start, written_below, yaml_in


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the job writes."""
    return written_below(tmp_path, monkeypatch)


WITH_CHILDREN = [name for name, one in SERVICES.items() if "/users/{id}/orders" in one.document["paths"]]


@pytest.mark.parametrize("name", WITH_CHILDREN)
def test_the_orders_of_each_user_land_whole_in_every_style(name: str, folder: Path) -> None:
    service = with_lists_of_users(SERVICES[name])
    with running(service) as (url, _):
        said = start("--openapi", str(saved(service, url, folder)), *service.options)
        source = source_in(folder)
        found = landed(yaml_in(folder), folder, ENV)["users_orders"]
    table = source.table("users_orders")
    assert (table.path, table.for_each, table.key) == ("/users/{users.id}/orders", "users", ("user_id", "id"))
    column = table.column("user_id")
    assert (column.value, column.type, column.required) == ("users.id", source.table("users").column("id").type, True)
    assert source.pagination_of(table).style == source.pagination_of(source.table("orders")).style == service.style
    assert len(found.rows) == 202  # 0, 130, and 72 of 37 others
    assert found.record.parents_missing == 1  # user 5
    assert sorted({str(row["id"]) for row in found.rows}, key=int) == [str(n) for n in range(1, 131)]
    assert "users_orders: for 2 rows of users" in said


def test_what_is_written_of_a_list_for_each_row(folder: Path) -> None:
    service = with_lists_of_users(SERVICES["fastapi"])
    with running(service) as (url, _):
        said = start("--openapi", str(saved(service, url, folder)))
    lines = yaml_in(folder).read_text("utf-8").splitlines()
    begin = lines.index("  users_orders:")
    assert lines[begin - 4 : begin + 7] == [
        "  # A list",
        "  # {id} is id of users, by its name",
        "  # Tried with 5 rows of it: 133 rows; 1 gave 404 or 410, which is no list",
        "  # At least one request for each row of users, which has 40",
        "  users_orders:",
        '    path: "/users/{users.id}/orders"',
        "    key: [user_id, id]                  # id by its name, and unique on the 133 rows that were read, and a guess that it "
        "names a row within one list alone",
        "    newest_by: updated_at               # by its name: when a row was last changed",
        "    deletes: soft                       # the source counts its rows, so a row that is missing is deleted",
        "    columns:",
        "      user_id: {type: bigint!, value: users.id}  # of the row of users that the list is read for",
    ]
    assert lines[-2:] == [
        "# Lists and details of single rows that are left out:",
        "#   /users/{id}: brings nothing that users does not have",
    ]
    assert re.search(r"^ +users_orders +unknown +one list for each row of users$", said, re.MULTILINE)
    assert re.search(r"^2 +1 +paid ", said, re.MULTILINE)  # the first order of user 2


def api_of(paths: Mapping[str, Any]) -> Callable[[Asked], Answer]:
    """Answers as they are, each at its path; 404 elsewhere."""

    def api(asked: Asked) -> Answer:
        found = paths.get(asked.path)
        return found if isinstance(found, Answer) else Answer({}, 404) if found is None else Answer(found)

    return api


def at(name: str, kind: Json | None = None) -> Json:
    """A parameter of a path."""
    return {"name": name, "in": "path", "required": True, **({} if kind is None else {"schema": kind})}


def row(**kinds: Json) -> Json:
    """The schema of an object."""
    return {"type": "object", "properties": kinds}


def written(folder: Path, paths: Json, answers: Mapping[str, Any], *words: str, status: int = 0) -> str:
    """What the job says of an API with these paths and answers."""
    file = folder / "openapi.json"
    file.write_text(json.dumps(document(paths)), "utf-8")
    with served(api_of(answers)) as (url, _):
        return start("--openapi", str(file), "--api-url", url, *words, status=status)


def left_in(folder: Path) -> list[str]:
    """The lines of what is left out at the end of the YAML."""
    return [line[4:] for line in yaml_in(folder).read_text("utf-8").splitlines() if line.startswith("#   /")]


ID = {"id": WHOLE}
TWO: list[Row] = [{"id": 7}, {"id": 9}]
USERS = listing([], several(row(**ID, name=TEXT)))
SHORT: list[Row] = [{"id": 7, "name": "Ada"}, {"id": 9, "name": "Bo"}]


def test_lists_of_rows_of_lists_take_what_tells_these_apart(folder: Path) -> None:
    paths = {
        "/users": listing([], several(row(**ID))),
        "/users/{user_id}/orders": listing([at("user_id")], several(row(**ID))),
        "/users/{user}/orders/{order_id}/lines": listing([at("user"), at("order_id")], several(row(sku=TEXT))),
    }
    answers = {
        "/users": TWO,
        "/users/7/orders": [{"id": 1}, {"id": 2}],
        "/users/9/orders": [{"id": 1}],
        "/users/7/orders/1/lines": [{"sku": "a"}, {"sku": "b"}],
        "/users/7/orders/2/lines": [],
        "/users/9/orders/1/lines": [{"sku": "a"}],
    }
    said = written(folder, paths, answers)
    orders, lines = source_in(folder).table("orders"), source_in(folder).table("lines")
    assert (orders.path, orders.key) == ("/users/{users.id}/orders", ("user_id", "id"))
    assert lines.path == "/users/{orders.user_id}/orders/{orders.id}/lines"
    assert lines.key == ("user_id", "order_id", "sku")
    assert [(one.name, one.value) for one in lines.columns] == [
        ("user_id", "orders.user_id"),
        ("order_id", "orders.id"),
        ("sku", None),
    ]
    assert (
        "lines: for 2 rows of orders: one page holds all 2 rows, and the source counts none; one page holds all 0"
        in said
    )
    assert "  # At least one request for each row of orders, and nobody says how many these are" in yaml_in(
        folder
    ).read_text("utf-8")


def test_a_list_may_be_called_as_another_one_that_is_no_parent(folder: Path) -> None:
    paths = {
        "/users": listing([], several(row(**ID))),
        "/orders": listing([], several(row(**ID))),
        "/users/{user_id}/orders": listing([at("user_id")], several(row(**ID))),
        "/users/{user_id}/orders/{order_id}/lines": listing([at("user_id"), at("order_id")], several(row(**ID))),
    }
    answers = {"/users": TWO, "/orders": TWO, "/users/7/orders": TWO, "/users/9/orders": TWO}
    lines = {f"/users/{user}/orders/{order}/lines": TWO for user in (7, 9) for order in (7, 9)}
    written(folder, paths, {**answers, **lines})
    assert source_in(folder).table("lines").path == "/users/{users_orders.user_id}/orders/{users_orders.id}/lines"


def test_several_placeholders_are_columns_of_one_table(folder: Path) -> None:
    repos = [{"id": 1, "owner": "a b/c", "repo": "x"}, {"id": 2, "owner": "d", "repo": "y?z"}]
    paths = {
        "/repos": listing([], several(row(**ID, owner=TEXT, repo=TEXT))),
        "/repos/{owner}/{repo}/issues": listing([at("owner", TEXT), at("repo", TEXT)], several(row(**ID))),
    }
    asked: list[str] = []

    def api(one: Asked) -> Answer:
        asked.append(one.path)
        issues = {"/repos/a%20b%2Fc/x/issues": [{"id": 5}, {"id": 6}], "/repos/d/y%3Fz/issues": [{"id": 5}]}
        return api_of({"/repos": repos, **issues})(one)

    file = folder / "openapi.json"
    file.write_text(json.dumps(document(paths)), "utf-8")
    with served(api) as (url, _):
        start("--openapi", str(file), "--api-url", url)
        rows = landed(yaml_in(folder), folder, ENV)["issues"].rows
    source = source_in(folder)
    table = source.table("issues")
    assert (table.path, table.key) == ("/repos/{repos.owner}/{repos.repo}/issues", ("repo_owner", "repo", "id"))
    assert source.table("repos").required == ("id", "owner", "repo")
    assert sorted(row["id"] for row in rows) == [5, 5, 6]
    assert set(asked) == {"/repos", "/repos/a%20b%2Fc/x/issues", "/repos/d/y%3Fz/issues"}
    assert "# required, as lists are asked for by it" in yaml_in(folder).read_text("utf-8")


def test_a_key_with_slashes_and_spaces_is_one_segment(folder: Path) -> None:
    paths = {
        "/files": listing([], several(row(id=TEXT))),
        "/files/{id}/parts": listing([at("id", TEXT)], several(row(**ID))),
    }
    answers = {
        "/files": [{"id": "a b/c.txt"}, {"id": "ü?#%"}],
        "/files/a%20b%2Fc.txt/parts": [{"id": 1}],
        "/files/%C3%BC%3F%23%25/parts": [{"id": 1}],
    }
    written(folder, paths, answers)
    assert source_in(folder).table("parts").key == ("file_id", "id")


ROWS_OF = {"/users/7/orders": [{"id": 1}], "/users/9/orders": [{"id": 1}]}
REFUSED = {
    "the parent is empty": (
        {"/users": listing([], several(row(**ID))), "/users/{id}/orders": listing([at("id")], several(row(**ID)))},
        {"/users": []},
        "/users/{id}/orders: users has no row to try it with",
    ),
    "no row has a list": (
        {"/users": listing([], several(row(**ID))), "/users/{id}/orders": listing([at("id")], several(row(**ID)))},
        {"/users": TWO},
        "/users/{id}/orders: no list for any of the 2 rows of users that were tried (404 or 410)",
    ),
    "no table has the parameter": (
        {"/users": listing([], several(row(**ID))), "/years/{year}/orders": listing([at("year")], several(row(**ID)))},
        {"/users": TWO},
        "/years/{year}/orders: no list at /years became a table, so nobody knows the values of {year}",
    ),
    "the parameter is none of an id": (
        {
            "/users": listing([], several(row(**ID))),
            "/users/{year}/orders": listing([at("year", WHOLE)], several(row(**ID))),
        },
        {"/users": TWO, **ROWS_OF},
        "/users/{year}/orders: users has no column for {year}",
    ),
    "it may be of two tables": (
        {
            "/users": listing([], several(row(**ID))),
            "/shops": listing([], several(row(**ID))),
            "/users/{shop_id}/orders": listing([at("shop_id", WHOLE)], several(row(**ID))),
        },
        {"/users": TWO, "/shops": TWO, **ROWS_OF},
        "/users/{shop_id}/orders: {shop_id} may be of shops by its name, or of users by its place",
    ),
    "a column that points elsewhere": (
        {
            "/users": listing([], several(row(**ID, boss_id=WHOLE))),
            "/users/{boss_id}/orders": listing([at("boss_id", WHOLE)], several(row(**ID))),
        },
        {"/users": [{"id": 7, "boss_id": 7}, {"id": 9, "boss_id": 7}], **ROWS_OF},
        "/users/{boss_id}/orders: {boss_id} is a column of users that is named after something else",
    ),
    "a personal key": (
        {
            "/users": listing([], several(row(email=TEXT))),
            "/users/{email}/orders": listing([at("email", TEXT)], several(row(**ID))),
        },
        {"/users": [{"email": "a@h.example"}, {"email": "b@h.example"}]},
        "/users/{email}/orders: {email} may be users.email, which is personal, and a request would show it",
    ),
    "another type": (
        {
            "/users": listing([], several(row(id=TEXT))),
            "/users/{id}/orders": listing([at("id", WHOLE)], several(row(**ID))),
        },
        {"/users": [{"id": "a"}, {"id": "b"}]},
        "/users/{id}/orders: {id} may be users.id, which is string, and the document says integer",
    ),
    "some rows lack it": (
        {
            "/users": listing([], several(row(**ID, code=TEXT))),
            "/users/{code}/orders": listing([at("code", TEXT)], several(row(**ID))),
        },
        {"/users": [{"id": 7, "code": "a"}, {"id": 9, "code": None}]},
        "/users/{code}/orders: {code} may be users.code, which some rows lack",
    ),
    "no path holds it": (
        {
            "/users": listing([], several(row(id=TEXT))),
            "/users/{id}/orders": listing([at("id", TEXT)], several(row(**ID))),
        },
        {"/users": [{"id": ".."}, {"id": "b"}]},
        "/users/{id}/orders: a row has '..' for {users.id}, which no path can hold",
    ),
    "it cannot be read": (
        {"/users": listing([], several(row(**ID))), "/users/{id}/orders": listing([at("id")], several(row(**ID)))},
        {"/users": TWO, "/users/7/orders": Answer({}, 403)},
        "/users/{id}/orders: URL/users/7/orders: status 403: a JSON object without keys (2 bytes)",
    ),
    "nothing names a row": (
        {"/users": listing([], several(row(**ID))), "/users/{id}/tags": listing([at("id")], several(row(color=TEXT)))},
        {"/users": TWO, "/users/7/tags": [{"color": "red"}], "/users/9/tags": [{"color": "red"}]},
        "/users/{id}/tags: no column, and no three of them together, names a row; write the table by hand, with key: and the col",
    ),
    "it needs another value": (
        {
            "/users": listing([], several(row(**ID))),
            "/users/{id}/orders": listing(
                [at("id"), {**query("team", "string"), "required": True}], several(row(**ID))
            ),
        },
        {"/users": TWO, **ROWS_OF},
        "/users/{id}/orders: needs a value that the document does not say: team; give it with --query-env team NAME, or write the",
    ),
}


ODD = (
    "/users/{}/orders",
    "/users/{id/orders",
    "/users/{id}}/orders",
    "/users?x={id}",
    "/{id}",
    "/{id}/{users.id}",
    "/users/{{id}}",
)


@pytest.mark.parametrize("path", ODD)
def test_a_path_with_other_braces_is_left_out(path: str, folder: Path) -> None:
    written(folder, {"/users": USERS, path: listing([], several(row(**ID)))}, {"/users": SHORT})
    assert [table.path for table in source_in(folder).tables] == ["/users"]
    assert left_in(folder)


@pytest.mark.parametrize("name", REFUSED)
def test_a_list_whose_parent_is_not_clear_is_left_out_and_named(name: str, folder: Path) -> None:
    paths, answers, why = REFUSED[name]
    written(folder, paths, answers)
    assert "/users" in [table.path for table in source_in(folder).tables]
    assert not [table for table in source_in(folder).tables if table.for_each]
    assert [re.sub(r"http://127.0.0.1:[0-9]+", "URL", line)[:118] for line in left_in(folder)] == [why[:118]]


def test_a_list_of_a_list_that_is_left_out_is_left_out_too(folder: Path) -> None:
    one = listing([at("id"), at("order_id")], several(row(**ID)))
    paths = {
        "/users": listing([], several(row(**ID))),
        "/users/{id}/orders": listing([at("id")], several(row(**ID))),
        "/users/{id}/orders/{order_id}/lines": one,
    }
    written(folder, paths, {"/users": TWO})
    assert left_in(folder)[1] == (
        "/users/{id}/orders/{order_id}/lines: no list at /users/{id}/orders became a table, so nobody knows the values of "
        "{order_id}"
    )


def test_lists_of_the_same_kind_below_each_other_end_where_the_document_does(folder: Path) -> None:
    paths = {
        "/users": listing([], several(row(**ID))),
        "/users/{id}/users": listing([at("id")], several(row(**ID))),
        "/users/{id}/users/{user_id}/users": listing([at("id"), at("user_id")], several(row(**ID))),
    }
    answers = {"/users": TWO, "/users/7/users": TWO, "/users/9/users": [], "/users/7/users/7/users": TWO}
    written(folder, paths, {**answers, "/users/7/users/9/users": []})
    assert [(table.name, table.for_each) for table in source_in(folder).tables] == [
        ("users", None),
        ("users_users", "users"),
        ("users_users_users", "users_users"),
    ]


def test_lists_that_are_all_empty_are_tables_with_what_the_document_says(folder: Path) -> None:
    paths = {
        "/users": listing([], several(row(**ID))),
        "/users/{id}/orders": listing([at("id")], several(row(**ID, note=TEXT))),
    }
    written(folder, paths, {"/users": TWO, "/users/7/orders": [], "/users/9/orders": []})
    table = source_in(folder).table("orders")
    assert ([one.name for one in table.columns], table.key, table.min_rows) == (
        ["user_id", "id", "note"],
        ("user_id", "id"),
        0,
    )
    assert "  # Tried with 2 rows of it: 0 rows" in yaml_in(folder).read_text("utf-8").splitlines()


def test_a_row_keeps_its_own_column_beside_that_of_the_request(folder: Path) -> None:
    paths = {
        "/users": listing([], several(row(**ID))),
        "/users/{id}/orders": listing([at("id")], several(row(**ID, user_id=WHOLE))),
    }
    shared = [{"id": 1, "user_id": 7}, {"id": 2, "user_id": 9}]
    written(folder, paths, {"/users": TWO, "/users/7/orders": shared, "/users/9/orders": shared[1:]})
    table = source_in(folder).table("orders")
    assert table.key == ("parent_user_id", "id")
    assert [(one.name, one.value) for one in table.columns] == [
        ("parent_user_id", "users.id"),
        ("id", None),
        ("user_id", None),
    ]


def test_a_column_that_is_named_after_its_table_keeps_its_name(folder: Path) -> None:
    paths = {
        "/videos": listing([], several(row(videoId=TEXT))),
        "/videos/{videoId}/chapters": listing([at("videoId", TEXT)], several(row(**ID))),
    }
    written(folder, paths, {"/videos": [{"videoId": "v1"}], "/videos/v1/chapters": TWO})
    assert source_in(folder).table("chapters").key == ("videoId", "id")


def test_a_placeholder_that_is_guessed_by_its_type_is_held_against_the_rows(folder: Path) -> None:
    paths = {
        "/users": listing([], several(row(**ID))),
        "/users/{account_id}/orders": listing([at("account_id", WHOLE)], several(row(**ID, user_id=WHOLE))),
    }
    good = {"/users": TWO, "/users/7/orders": [{"id": 1, "user_id": 7}], "/users/9/orders": [{"id": 2, "user_id": 9}]}
    written(folder, paths, good)
    assert "  # {account_id} is id of users, by its type alone" in yaml_in(folder).read_text("utf-8").splitlines()
    yaml_in(folder).unlink()
    for path in (folder / "expectations" / "shop").iterdir():
        path.unlink()
    wrong = {**good, "/users/9/orders": [{"id": 2, "user_id": 3}]}
    written(folder, paths, wrong)
    assert left_in(folder) == [
        "/users/{account_id}/orders: 1 of 2 rows have another user_id than the row of users that they were asked for with"
    ]


def test_lists_that_are_not_there_any_more_fail_the_dry_run(folder: Path) -> None:
    paths = {
        "/users": listing([], several(row(**ID))),
        "/users/{id}/orders": listing([at("id")], several(row(**ID))),
    }
    answers = api_of({"/users": TWO, **ROWS_OF})
    n_users = [0]

    def api(asked: Asked) -> Answer:
        n_users[0] += asked.path == "/users"
        is_late = n_users[0] > 2  # the dry run asks for users anew
        return Answer({}, 404) if is_late and asked.path.endswith("orders") else answers(asked)

    file = folder / "openapi.json"
    file.write_text(json.dumps(document(paths)), "utf-8")
    with served(api) as (url, _):
        said = start("--openapi", str(file), "--api-url", url, status=4)
    assert said.splitlines()[1:] == ["orders: no list for any of 2 rows of users"]


@pytest.mark.parametrize(
    ("answer", "wrap", "items"),
    [
        (row(**ID, name=TEXT, city=TEXT), None, "[@]"),
        (envelope("things", WHOLE) | row(data=row(**ID, name=TEXT, city=TEXT)), "data", "[data]"),
        (row(user=row(**ID, name=TEXT, city=TEXT)), "user", "[user]"),
    ],
)
def test_details_that_bring_more_than_their_list_are_a_table(
    answer: Json, wrap: str | None, items: str, folder: Path
) -> None:
    details = {f"/users/{one['id']}": {**one, "city": "Ulm"} for one in SHORT}
    answers = {path: one if wrap is None else {wrap: one} for path, one in details.items()}
    file = folder / "openapi.json"
    file.write_text(json.dumps(document({"/users": USERS, "/users/{id}": listing([at("id")], answer)})), "utf-8")
    with served(api_of({"/users": SHORT, **answers})) as (url, _):
        start("--openapi", str(file), "--api-url", url)
        rows = landed(yaml_in(folder), folder, ENV)["user_details"].rows
    source = source_in(folder)
    table = source.table("user_details")
    assert (table.path, table.key, source.pagination_of(table).items) == ("/users/{users.id}", ("user_id",), items)
    assert [(one.name, one.value) for one in table.columns] == [
        ("user_id", "users.id"),
        ("id", None),
        ("name", None),
        ("city", None),
    ]
    assert sorted(rows, key=lambda one: one["id"]) == [{**one, "city": "Ulm"} for one in SHORT]
    assert "  # One request for each row of users, which has 2" in yaml_in(folder).read_text("utf-8").splitlines()


@pytest.mark.parametrize(
    ("answer", "given", "why"),
    [
        (row(**ID, name=TEXT), {"id": 7, "name": "Ada"}, "brings nothing that users does not have"),
        (row(**ID, city=TEXT), {"id": 7, "name": "Ada"}, "brings nothing that users does not have"),
        (row(**ID, city=TEXT), [], "an answer is no object"),
        ({}, {"id": 7, "city": "Ulm"}, "the document does not say what is in it"),
    ],
)
def test_details_that_bring_nothing_are_named(answer: Json, given: Any, why: str, folder: Path) -> None:
    paths = {"/users": USERS, "/users/{id}": listing([at("id")], answer)}
    written(folder, paths, {"/users": SHORT[:1], "/users/7": given})
    assert [table.name for table in source_in(folder).tables] == ["users"]
    assert left_in(folder) == [f"/users/{{id}}: {why}"]


@pytest.mark.parametrize("name", ["id", "account_id"])
def test_a_source_that_may_not_take_the_placeholder_is_named(name: str, folder: Path) -> None:
    paths = {"/users": USERS, f"/users/{{{name}}}/orders": listing([at(name, WHOLE)], several(row(**ID)))}
    written(folder, paths, {"/users": SHORT, "/users/7/orders": TWO, "/users/9/orders": TWO})
    if name == "id":
        why = "all of their lists are the same, so look whether the source takes the placeholder"
        assert f"  # Tried with 2 rows of it: 4 rows; {why}" in yaml_in(folder).read_text("utf-8").splitlines()
    else:
        assert left_in(folder) == [
            "/users/{account_id}/orders: {account_id} is id of users, by its type alone, and 2 rows have the same list"
        ]


def test_details_of_other_rows_than_were_asked_for_are_left_out(folder: Path) -> None:
    paths = {"/users": USERS, "/users/{id}": listing([at("id")], row(**ID, city=TEXT))}
    written(
        folder, paths, {"/users": SHORT, "/users/7": {"id": 7, "city": "Ulm"}, "/users/9": {"id": 8, "city": "Ulm"}}
    )
    assert left_in(folder) == [
        "/users/{id}: 1 of 2 rows have another id than the row of users that they were asked for with"
    ]


NAMED = {
    "/user-accounts/{user_account_id}/x": "id",
    "/user-accounts/{account}/x": "id",
    "/user-accounts/{accountIdOrSlug}/x": "id",
    "/user-accounts/{id_or_slug}/x": "id",
    "/user-accounts/{slug}/x": "slug",
    "/user-accounts/{user_slug}/x": "slug",
    "/user-accounts/{userAccountSlug}/x": "slug",
    "/user-accounts({id})/x": "id",
    "/user-accounts/{shop_slug}/x": None,
    "/user-accounts/{accounting}/x": None,
}


@pytest.mark.parametrize("path", NAMED)
def test_what_a_placeholder_may_be_called(path: str, folder: Path) -> None:
    rows = [{"id": 7, "slug": "a"}, {"id": 9, "slug": "b"}]
    paths = {"/user-accounts": listing([], several(row(**ID, slug=TEXT))), path: listing([], several(row(**ID)))}
    answers = {"/user-accounts": rows}
    for one in rows:
        for value in one.values():
            answers |= {f"/user-accounts/{value}/x": [one], f"/user-accounts({value})/x": [one]}
    written(folder, paths, answers)
    found = [table.path for table in source_in(folder).tables if table.for_each]
    column = NAMED[path]
    assert found == ([] if column is None else [re.sub("{.*}", f"{{user_accounts.{column}}}", path)])


def test_a_key_that_is_a_guess_by_its_values_names_no_list(folder: Path) -> None:
    paths = {
        "/users": listing([], several(row(color=TEXT))),
        "/users/{id}/orders": listing([at("id", TEXT)], several(row(**ID))),
    }
    written(folder, paths, {"/users": [{"color": "red"}, {"color": "blue"}], "/users/red/orders": TWO})
    assert left_in(folder) == ["/users/{id}/orders: users has no column for {id}"]


def test_tables_of_a_choice_need_those_they_are_read_for(folder: Path) -> None:
    service = with_lists_of_users(SERVICES["nothing"])
    with running(service) as (url, _):
        path = str(saved(service, url, folder))
        assert start("--openapi", path, "--tables", "users_orders", status=2) == (
            "--tables names lists of single rows alone; name those that have the rows, too"
        )
        assert no_file_in(folder)
        start("--openapi", path, "--tables", "users,/users/{id}/orders")
    assert [table.name for table in source_in(folder).tables] == ["users", "users_orders"]
    assert left_in(folder) == []


def test_a_long_table_says_what_its_lists_cost(folder: Path) -> None:
    many = [{"id": n} for n in range(1, 1202)]
    paths = {
        "/users": listing([], several(row(**ID))),
        "/users/{id}/orders": listing([at("id")], several(row(**ID))),
    }
    written(folder, paths, {"/users": many, **{f"/users/{n}/orders": [{"id": n}] for n in range(1, 6)}})
    assert (
        "  # At least one request for each row of users, which has 1,201; that takes a while, so leave the table out if nobody "
        "needs it"
    ) in yaml_in(folder).read_text("utf-8").splitlines()

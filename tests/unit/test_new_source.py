"""new-source: for APIs of many kinds it writes a YAML that runs unedited, and lands every row."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobs import new_source
from lib.quality.suites import check_personal, read_suite_files
from tests.cookbook_apis import Answer, Asked, served
from tests.documented_apis import ENV, ORDERS, PEOPLE, SERVICES, Service, played, running, saved
from tests.landed_source import landed
from tests.new_sources import no_file_in, source_in, start, written_below, yaml_in


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the job writes."""
    return written_below(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", SERVICES)
def test_the_yaml_of_a_document_runs_unedited_and_lands_every_row(name: str, folder: Path) -> None:
    service = SERVICES[name]
    with running(service) as (url, _):
        said = start("--openapi", str(saved(service, url, folder)), *service.options)
        source = source_in(folder)
        tables = landed(yaml_in(folder), folder, ENV)
    assert {table.path: tables[table.name].rows for table in source.tables} == service.rows
    assert {source.pagination_of(table).style for table in source.tables} == {service.style}
    assert {one.record.proof for one in tables.values()} == set(service.proof.split())
    assert {table.name for table in source.tables} == {"users", "orders"}
    users, orders = source.table("users"), source.table("orders")
    assert (users.key, users.pii, users.newest_by) == (("id",), ("name", "email"), "updated_at")
    assert (orders.key, orders.pii, orders.newest_by) == (("id",), (), "updated_at")
    assert [(one.column, one.to) for one in orders.references] == (
        [] if name == "json_api" else [("user_id", "users.id")]  # its ids are text there, and numbers here
    )
    assert {column.name: column.type for column in orders.columns if column.name in ("amount", "status", "note")} == {
        "amount": "double",
        "status": "string",
        "note": "string",
    }
    assert orders.column("updated_at").type == orders.column("created_at").type == "timestamp"
    assert "ada1@" not in said
    assert "let-me-in" not in said + yaml_in(folder).read_text("utf-8")
    suites = read_suite_files(folder / "expectations" / "shop", ("users", "orders"))
    check_personal(source, suites)
    kinds = [one["type"] for one in suites["orders"]["expectations"]]
    assert kinds.count("expect_column_values_to_be_between") == 2
    assert kinds.count("expect_column_pair_values_a_to_be_greater_than_b") == 1


def test_what_document_and_rows_agree_on_is_required_and_nothing_else(folder: Path) -> None:
    service = SERVICES["fastapi"]
    gaps = {"/users": [{**PEOPLE[0], "email": None}, *PEOPLE[1:]], "/orders": ORDERS}
    with running(replace(service, rows=gaps)) as (url, _):
        start("--openapi", str(saved(service, url, folder)))
    users, orders = source_in(folder).tables
    assert users.required == ("id", "name")  # the document has email as required, too
    assert orders.required == ("id", "user_id", "status", "amount")


EITHER = "name an OpenAPI document, or its http(s) address"
LISTS = {
    **{name: "/orders" for name in SERVICES if name not in ("stripe", "shopify", "salesforce")},
    "stripe": "/v1/orders",
    "shopify": "/orders.json",
    "salesforce": "/orders",
}
BY_ADDRESS = {
    "stripe": "keyset", "github": "link_header", "zendesk": "page", "hubspot": "cursor", "salesforce": "next_url",
    "spring": "page", "fastapi": "page", "django": "offset", "jira": "offset", "json_api": "next_url",
    "odata": "next_url", "atlassian": "offset", "slack": "cursor", "shopify": "link_header", "nothing": "none",
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_the_yaml_of_an_address_alone_lands_every_row(name: str, folder: Path) -> None:
    service, path = SERVICES[name], LISTS[name]
    with running(service) as (url, _):
        start("--url", f"{url}{service.base}{path}", *service.options)
        source = source_in(folder)
        table = landed(yaml_in(folder), folder, ENV)["orders"]
    assert table.rows == service.rows[path]
    assert source.api.pagination.style == BY_ADDRESS[name]
    assert source.table("orders").key == ("id",)
    assert source.table("orders").required == ("id",)


def test_parameters_of_an_address_stay_unless_they_ask_for_pages(folder: Path) -> None:
    asked: list[Mapping[str, str]] = []

    def api(one: Asked) -> Answer:
        asked.append(one.query)
        rows = [row for row in ORDERS if row["status"] == one.query["status"]]
        page, size = int(one.query.get("page", "1")), int(one.query.get("per_page", "20"))
        return Answer({"data": rows[(page - 1) * size : page * size], "total": len(rows)})

    with served(api) as (url, _):
        start("--url", f"{url}/v1/orders?status=open&page=3&per_page=5")
    table = source_in(folder).table("orders")
    assert (dict(table.params), table.path, source_in(folder).api.url) == ({"status": "open"}, "/orders", f"{url}/v1")
    assert all(one["status"] == "open" for one in asked)


def test_the_dry_run_shows_the_plan_masked_rows_and_the_proof(folder: Path) -> None:
    service = SERVICES["zendesk"]
    with running(service) as (url, _):
        said = start("--openapi", str(saved(service, url, folder)))
    whole = "one page holds all 40 rows, of 40 that the source counts; asked for in halves: 2 pages with 20 and 20 rows"
    assert f"users: {whole}, none of them on both, of 40 that the source counts." in said
    assert "orders: 2 pages with 100 and 100 rows, none of them on both, of 250 that the source counts." in said
    assert re.search(r"^id +name +email +updated_at$", said, re.MULTILINE)
    assert re.search(r"^1 +\*\*\* +\*\*\* +2026-01-02T10:00:00Z$", said, re.MULTILINE)
    assert re.search(r"^ +orders +250 +3$", said, re.MULTILINE)
    assert said.rstrip().endswith("./spark-submit.sh full-ingest --source shop")


def test_lists_that_are_asked_for_in_one_way_have_one_size(folder: Path) -> None:
    with running(SERVICES["odata"]) as (url, _):
        start("--openapi", str(saved(SERVICES["odata"], url, folder)))
    source = source_in(folder)
    assert [table.pagination for table in source.tables] == [None, None]
    assert source.api.pagination.size == 50  # the first list has 40 rows, so a page of 100 held all of them


def test_each_guess_has_a_comment_and_what_is_left_out_is_named(folder: Path) -> None:
    service = SERVICES["spring"]
    with running(service) as (url, _):
        start("--openapi", str(saved(service, url, folder)))
    text = yaml_in(folder).read_text("utf-8")
    for line in (
        "# yaml-language-server: $schema=../source.schema.json",
        "# Made by new-source from openapi.json. Each comment says by what a setting was guessed.",
        "    first: 0                            # by what the source gives for 0 and for 1",
        "    key: [id]                           # by its name, and unique on the 250 rows that were read",
        "      name: {type: string!, pii: true}  # personal by its name",
        "      email: {type: string!, pii: true}  # personal by its format",
        "      - {column: user_id, to: users.id}  # by its name",
        "#   /users/{id}/orders: no list for any of the 5 rows of users that were tried (404 or 410)",
        "#   /users/{id}: brings nothing that users does not have",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize("there", ["conf/sources/shop.yml", "expectations/shop/orders.json"])
def test_nothing_is_overwritten_and_nothing_asked(there: str, folder: Path) -> None:
    service, path = SERVICES["fastapi"], folder / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with running(service) as (url, log):
        said = start("--openapi", str(saved(service, url, folder)), status=2)
    assert said == f"{path}: there is such a file already, and none is overwritten; take another name, or move it away"
    assert path.read_text() == "mine"
    assert not log


def test_an_api_that_answers_401_is_not_written(folder: Path) -> None:
    service = replace(SERVICES["fastapi"], headers={"authorization": "Bearer other"})
    with running(service) as (url, _):
        said = start("--openapi", str(saved(service, url, folder)), "--bearer-env", "SHOP_TOKEN", status=4)
    assert said.splitlines()[0] == "No list can be read, so nothing was written."
    assert re.search(r"^/users: .*: status 401", said, re.MULTILINE)
    assert said.splitlines()[-1].startswith("The API does not take these credentials; put them into environment")
    assert "let-me-in" not in said
    assert no_file_in(folder)


def test_a_list_that_cannot_be_read_is_left_out_and_named(folder: Path) -> None:
    service = SERVICES["fastapi"]
    with running(replace(service, rows={"/orders": ORDERS})) as (url, _):
        start("--openapi", str(saved(service, url, folder)))
    assert [table.name for table in source_in(folder).tables] == ["orders"]
    left = yaml_in(folder).read_text("utf-8").partition("# Lists that are left out:\n")[2].splitlines()[0]
    assert left == f"#   /users: {url}/users?size=100: status 404: a JSON object whose keys are error (25 bytes)"


def test_pages_that_contradict_their_total_are_told_exactly(folder: Path) -> None:
    def api(asked: Asked) -> Answer:
        page, size = int(asked.query.get("page", "1")), int(asked.query.get("size", "50"))
        return Answer({"items": ORDERS[:60][(page - 1) * size : page * size], "total": 260})

    service = SERVICES["fastapi"]
    with served(api) as (url, _):
        said = start("--openapi", str(saved(service, url, folder)), "--tables", "orders", status=4)
    wrong = "of 260 rows the first page has 60, so the second should have 60, and has 0"
    assert said.splitlines() == [
        "The files are written, and do not fit the API yet; change what these lines name:",
        f"orders: {wrong}",
    ]
    assert f"  # Not proved by its first two pages: {wrong}" in yaml_in(folder).read_text("utf-8").splitlines()
    assert source_in(folder).api.pagination.style == "page"


def test_a_page_parameter_that_is_not_taken_is_seen(folder: Path) -> None:
    def api(asked: Asked) -> Answer:
        return Answer({"items": ORDERS[: int(asked.query.get("size", "50"))], "total": 250})

    service = SERVICES["fastapi"]
    with served(api) as (url, _):
        said = start("--openapi", str(saved(service, url, folder)), "--tables", "/orders", status=4)
    assert said.splitlines()[1:] == [
        "orders: the second page has the same rows as the first: does the source take api.pagination.page_param?"
    ]
    text = yaml_in(folder).read_text("utf-8")
    assert "  # Not proved by its first two pages: the second page has the same rows as the first" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "new-source takes one of --openapi FILE|URL and --url URL, and this is neither or both"),
        (
            ["--url", "http://h.example/x", "--openapi", "x.json"],
            "new-source takes one of --openapi FILE|URL and --url URL, and this is neither or both",
        ),
        (["--url", "ftp://h.example/x"], "--url: must start with http:// or https://"),
        (
            ["--url", "http://h.example/x?api_key=s3cret"],
            '--url: must not hold a secret (api_key); use api.auth, or params with "${ENV_NAME}"',
        ),
        (
            ["--url", "http://h.example/x", "--bearer-env", "NOT_SET"],
            "the environment variable NOT_SET is not set or is empty",
        ),
        (
            ["--url", "http://h.example/x", "--bearer-env", "s3cret-token"],
            "an option that ends in -env takes the name of an environment variable, such as SHOP_TOKEN, never the secret",
        ),
        (
            ["--url", "http://h.example/x", "--bearer-env", "SHOP_TOKEN", "--basic-env", "A", "B"],
            "--bearer-env and --basic-env both say who asks; give one of them",
        ),
        (
            ["--url", "http://h.example/x", "--no-auth", "--bearer-env", "SHOP_TOKEN"],
            "--no-auth says that the API asks for no credentials, and another option names some",
        ),
        (
            ["--url", "http://h.example/x", "--token-url", "http://h"],
            "--token-url is where tokens are got, and needs --oauth2-env ID SECRET",
        ),
        (
            ["--url", "http://h.example/x", "--oauth2-env", "SHOP_TOKEN", "SHOP_TOKEN"],
            "--oauth2-env: nobody says where a token is got; name the address with --token-url URL",
        ),
        (["--url", "http://h.example/x", "--tables", "a,b"], "--tables: an address is one list, so it takes one name"),
        (
            ["--url", "http://h.example/x", "--api-url", "http://h"],
            "--api-url goes with --openapi; --url is the whole address of a list",
        ),
        (["--openapi", "nowhere.json"], f"--openapi nowhere.json: there is no such file; {EITHER}"),
    ],
)
def test_a_wrong_command_is_told_before_anything_is_asked(words: list[str], said: str, folder: Path) -> None:
    assert start(*words, status=2) == said
    assert no_file_in(folder)


@pytest.mark.parametrize("name", ["Shop", "../shop", "shop.yml", "", "1shop", "sh op", "s" * 101])
def test_a_name_that_no_source_can_have(name: str, folder: Path) -> None:
    error = CliRunner().invoke(new_source.command, [name, "--url", "http://h.example/x"]).exception
    assert str(error) == (
        f"{name[:100]!r} is no name of a source: lower case letters, digits, '_' and '-', starting with a letter"
    )
    assert no_file_in(folder)


def test_unknown_lists_are_told_with_those_there_are(folder: Path) -> None:
    path = saved(SERVICES["fastapi"], "http://127.0.0.1:1", folder)
    assert start("--openapi", str(path), "--tables", "order,/users", status=2) == (
        "--tables: the document has no list 'order'; did you mean 'orders'?\nIt has users, orders, users_orders, user_details."
    )


@pytest.mark.parametrize("secured", [True, False])
def test_the_host_of_a_document_is_asked_and_no_other(*, secured: bool, folder: Path) -> None:
    service = SERVICES["fastapi"]
    with running(service) as (url, log):
        text = saved(service, url, folder).read_text("utf-8")
        path = folder / "document.json"
        path.write_text(text, "utf-8")
        with served(lambda _: Answer(json.loads(text))) as (elsewhere, _):
            if secured:
                said = start("--openapi", f"{elsewhere}/openapi.json", status=2)
                assert said == (
                    f"{elsewhere}/openapi.json: the API is at {url}, another server than the document's; if it may be asked, "
                    "say --api-url with its whole address"
                )
                assert not log
                assert no_file_in(folder)
            else:
                start("--openapi", f"{elsewhere}/openapi.json", "--api-url", url)
                assert len(source_in(folder).tables) == 2


def test_a_document_beside_its_api_needs_no_server(folder: Path) -> None:
    service = SERVICES["fastapi"]
    api = played(service)
    document = Answer({**service.document, "servers": [{"url": "/"}]})
    with served(lambda asked: document if asked.path == "/openapi.json" else api(asked)) as (url, _):
        start("--openapi", f"{url}/openapi.json")
    assert source_in(folder).api.url == url


def test_a_next_page_on_another_host_is_not_asked(folder: Path) -> None:
    service = SERVICES["salesforce"]
    with served(lambda _: Answer({"records": []})) as (elsewhere, others):

        def api(asked: Asked) -> Answer:
            return Answer({"records": ORDERS[:60], "totalSize": 250, "nextRecordsUrl": f"{elsewhere}/steal"})

        with served(api) as (url, _):
            said = start("--openapi", str(saved(service, url, folder)), "--tables", "orders", status=4)
    assert "is another server than api.url" in said
    assert not others


def documents_auth(schemes: object, security: object) -> Service:
    service = SERVICES["fastapi"]
    more = {"components": {"securitySchemes": schemes}, "security": security}
    return replace(service, document={**service.document, **more})


SCHEMES = {
    "token": {"type": "http", "scheme": "bearer"},
    "login": {"type": "http", "scheme": "basic"},
    "head": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "api_key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "oauth": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}}},
}


@pytest.mark.parametrize(
    ("security", "options"),
    [
        ([{"token": []}], "--bearer-env NAME"),
        ([{"login": []}], "--basic-env USER PASSWORD"),
        ([{"oauth": ["read"]}], "--oauth2-env CLIENT_ID CLIENT_SECRET"),
        ([{"head": []}, {"query": []}], "--header-env X-Api-Key NAME, or --query-env api_key NAME"),
        ([{"head": [], "query": []}], "--header-env X-Api-Key NAME --query-env api_key NAME"),
    ],
)
def test_the_options_that_fit_the_document_are_named(security: object, options: str, folder: Path) -> None:
    path = saved(documents_auth(SCHEMES, security), "http://127.0.0.1:1", folder)
    assert start("--openapi", str(path), status=2) == (
        f"{path}: the API asks for credentials. Put them into environment variables and name these: {options}. If it needs none, "
        "say --no-auth"
    )
    assert no_file_in(folder)


@pytest.mark.parametrize(
    ("options", "headers", "auth"),
    [
        (
            ["--bearer-env", "SHOP_TOKEN"],
            {"authorization": "Bearer let-me-in"},
            '{type: bearer, token: "${SHOP_TOKEN}"}',
        ),
        (
            ["--basic-env", "SHOP_TOKEN", "SHOP_TOKEN"],
            {"authorization": "Basic bGV0LW1lLWluOmxldC1tZS1pbg=="},
            '{type: basic, user: "${SHOP_TOKEN}", password: "${SHOP_TOKEN}"}',
        ),
        (
            ["--header-env", "X-Api-Key", "SHOP_TOKEN", "--header-env", "X-App", "SHOP_TOKEN"],
            {"x-api-key": "let-me-in", "x-app": "let-me-in"},
            '{type: header, name: "X-Api-Key", value: "${SHOP_TOKEN}"}',
        ),
    ],
)
def test_credentials_are_written_by_name(
    options: list[str], headers: Mapping[str, str], auth: str, folder: Path
) -> None:
    service = replace(documents_auth(SCHEMES, [{"token": []}]), headers=headers)
    with running(service) as (url, _):
        start("--openapi", str(saved(service, url, folder)), *options)
    text = yaml_in(folder).read_text("utf-8")
    assert f"  auth: {auth}" in text.splitlines()
    assert "let-me-in" not in text


def test_a_token_is_got_where_the_document_says_and_elsewhere_only_if_told(folder: Path) -> None:
    service = documents_auth(SCHEMES, [{"oauth": []}])
    api = played(replace(service, headers={"authorization": "Bearer got"}))

    def both(asked: Asked) -> Answer:
        if asked.path != "/oauth/token":
            return api(asked)
        return Answer({"access_token": "got", "token_type": "bearer", "expires_in": 3600})

    with served(both) as (url, _):
        start("--openapi", str(saved(service, url, folder)), "--oauth2-env", "SHOP_TOKEN", "SHOP_TOKEN")
    assert source_in(folder).public()["api"]["auth"]["token_url"] == f"{url}/oauth/token"
    away = {"oauth": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://id.example/token"}}}}
    yaml_in(folder).unlink()
    for path in (folder / "expectations" / "shop").iterdir():
        path.unlink()
    path = saved(documents_auth(away, [{"oauth": []}]), url, folder)
    assert start("--openapi", str(path), "--oauth2-env", "SHOP_TOKEN", "SHOP_TOKEN", status=2) == (
        "the document has tokens got at id.example, another server than the API's; if it may be asked, say --token-url "
        "https://id.example/token"
    )


def test_a_list_without_a_key_is_told_what_to_write(folder: Path) -> None:
    rows = [{"color": None, "size": None}, {"color": "red", "size": 1}, {"color": "red", "size": None}]
    with served(lambda _: Answer(rows)) as (url, _):
        said = start("--url", f"{url}/things", status=2)
    assert said.splitlines()[1] == (
        "/things: no column, and no three of them together, names a row; write the table by hand, with key: and the columns that "
        "name a row"
    )
    assert no_file_in(folder)

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession

from demo import DemoServer, DemoSettings
from lib.config import Api, Auth, BasicAuth, BearerAuth, ClientCredentialsAuth, HeaderAuth, QueryAuth
from lib.landing.budget import Budget
from lib.landing.budget_server import BudgetServer
from lib.landing.fetch import FetchPages, fetched, shared_out
from lib.landing.plan import PageRange
from lib.source.access import Access
from tests.token_server import ENDLESS, TokenServer

PLANTED = "planted-4f1c9a7e"
SETTINGS = DemoSettings(tracks=450, users=20, sessions=30, blemishes=False)


def access_of(url: str, auth: Auth | None = None) -> Access:
    return Access.of(Api(url=url, auth=auth) if auth else Api(url=url))


def test_every_page_is_fetched_once_whatever_the_parts(spark: SparkSession) -> None:
    ranges = (PageRange("tracks", "/tracks", 1, 5), PageRange("users", "/users", 1, 1))
    budget = Budget(concurrency=3)
    with DemoServer(SETTINGS) as api, BudgetServer(budget, host="127.0.0.1") as server:
        parts, in_flight = shared_out(ranges, slots=4, concurrency=3)
        rows = fetched(spark, FetchPages(access_of(api.url), "r", parts, in_flight, server.gate)).collect()
        asked = Counter((path, page) for path, page, _ in api.requests)
    assert sorted((row["table"], row["page"], row["n_items"]) for row in rows) == [
        *(("tracks", page, 100) for page in range(1, 5)),
        ("tracks", 5, 50),
        ("users", 1, 20),
    ]
    assert asked == {**{("/tracks", page): 1 for page in range(1, 6)}, ("/users", 1): 1}


@pytest.mark.parametrize(
    "auth",
    [
        BearerAuth(type="bearer", token=SecretStr(PLANTED)),
        HeaderAuth(type="header", name="X-Api-Key", value=SecretStr(PLANTED)),
        BasicAuth(type="basic", user=SecretStr("shop"), password=SecretStr(PLANTED)),
        QueryAuth(type="query", name="api_key", value=SecretStr(PLANTED)),
    ],
    ids=lambda auth: auth.type,
)
def test_no_credential_is_in_a_page_row_a_plan_or_a_setting_of_spark(spark: SparkSession, auth: Auth) -> None:
    parts = ((PageRange("tracks", "/tracks", 1, 1), PageRange("gone", "/gone", 1, 1)),)
    with DemoServer(SETTINGS) as api:
        fetch = FetchPages(access_of(api.url, auth), "r", parts, in_flight=2)
        pages = fetched(spark, fetch)
        rows = pages.collect()
    explained = pages._jdf.queryExecution().toString()
    settings = str(spark.sparkContext.getConf().getAll())
    assert {row["status"] for row in rows} == {200, 404}
    for shown in (str(rows), explained, settings, repr(fetch)):
        assert PLANTED not in shown


def test_no_token_is_in_a_page_row_a_plan_or_a_setting_of_spark(spark: SparkSession) -> None:
    parts = ((PageRange("items", "/items", 1, 3),), (PageRange("items", "/items", 4, 6),))
    with TokenServer(2, ENDLESS) as api:
        api.prefix = PLANTED
        auth = ClientCredentialsAuth(
            token_url=f"{api.url}/token", client_id=SecretStr("shop"), client_secret=SecretStr(f"{PLANTED}-secret")
        )
        settings = Api(url=api.url, auth=auth)
        with BudgetServer(Budget.of(settings), host="127.0.0.1") as server:
            fetch = FetchPages(Access.of(settings), "r", parts, 2, server.gate)
            pages = fetched(spark, fetch)
            rows = pages.collect()
        assert len(api.logins) == 2
    assert {row["page"] for row in rows if row["error"] is None} == {1, 2, 3, 4, 5, 6}
    explained = pages._jdf.queryExecution().toString()
    for shown in (str(rows), explained, str(spark.sparkContext.getConf().getAll()), repr(fetch)):
        assert PLANTED not in shown

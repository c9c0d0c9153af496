"""What new-source writes, run as it is: no row is rejected, and every check passes, those of the written suites too."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.steps.publish import check_and_publish
from lib.lake import runs
from lib.lake.checks import all_checks
from lib.lake.runs import Run
from lib.quality.checking import prepare_checks
from lib.quality.suites import read_suite_files
from tests.cookbook_apis import Answer
from tests.documented_apis import (
    ORDERS,
    PEOPLE,
    SERVICES,
    Json,
    Service,
    document,
    envelope,
    listing,
    query,
    running,
    saved,
)
from tests.new_sources import start, written_below
from tests.spark.served_table import copied, day, job_of

ANY: Json = {"type": "object"}
RICH: list[dict[str, Any]] = [
    {
        "id": f"o-{n}",
        "@type": "order",
        "user_id": n % 40 + 1,
        "created": 1_700_000_000 + n,
        "price": f"{n}.50",
        "tags": ["new"] * (n % 2),
        "ship_to": {"city": "Ulm", "zip": f"{n:05}", "geo": {"lat": 48.4, "lon": 10}},
        "lines": [{"sku": "ä-1", "qty": k} for k in range(n % 3)],
        "day": "2026-01-02",
        "open": n % 2 == 0,
        "state": ("open", "paid")[n % 2],
        "extra": {},
        "gone_at": None if n % 2 else "2026-01-02T10:00:00+01:00",
        **({"rare": n} if n % 7 == 0 else {}),
    }
    for n in range(90)
]
_PRICE, _STATE = {"type": "string", "format": "decimal"}, {"type": "string", "enum": ["open", "paid"]}
_ROW: Json = {
    **ANY,
    "required": ["id", "price"],
    "properties": {"id": {"type": "string"}, "price": _PRICE, "state": _STATE},
}
_USER: Json = {**ANY, "properties": {name: {"type": "string"} for name in ("name", "email")}}
_SIZED = [query("page"), query("size", maximum=30)]
SHOP = Service(
    document(
        {
            "/users": listing(_SIZED, envelope("items", _USER, total={"type": "integer"})),
            "/orders": listing(_SIZED, envelope("items", _ROW, total={"type": "integer"})),
        }
    ),
    SERVICES["fastapi"].answer,
    {"/users": PEOPLE, "/orders": RICH},
    "page",
)
_ID = {**ANY, "properties": {"id": {"type": "integer"}}}
_AT_USER = {"name": "user_id", "in": "path", "required": True, "schema": {"type": "integer"}}
_AT_ORDER = {**_AT_USER, "name": "order_id"}
FAMILY = Service(
    document(
        {
            "/users": listing(_SIZED, envelope("items", _USER, total={"type": "integer"})),
            "/users/{user_id}": listing([_AT_USER], {**ANY, "properties": {"id": {}, "city": {"type": "string"}}}),
            "/users/{user_id}/orders": listing([*_SIZED, _AT_USER], envelope("items", _ID, total={"type": "integer"})),
            "/users/{user_id}/orders/{order_id}/lines": listing(
                [*_SIZED, _AT_USER, _AT_ORDER], envelope("items", _ID, total={"type": "integer"})
            ),
        }
    ),
    lambda asked, rows: Answer(rows[0]) if re.fullmatch("/users/[0-9]+", asked.path) else SHOP.answer(asked, rows),
    {
        "/users": PEOPLE[:4],
        **{f"/users/{n}": [{"id": n, "city": "Ulm"}] for n in (1, 2, 4)},
        **{
            f"/users/{n}/orders": [{"id": order} for order in range(1, size + 1)]
            for n, size in ((1, 0), (2, 31), (4, 2))
        },
        **{f"/users/2/orders/{order}/lines": [{"id": 1}, {"id": 2}][: order % 3] for order in range(1, 32)},
        **{f"/users/4/orders/{order}/lines": [{"id": 1}] for order in (1, 2)},
    },
    "page",
)


def run_as_written(spark: SparkSession, service: Service, folder: Path, patch: pytest.MonkeyPatch) -> tuple[Run, Any]:
    """A run of the written YAML up to its publication, and its check."""
    written_below(folder, patch)
    with running(service) as (url, _):
        start("--openapi", str(saved(service, url, folder)))
        job = replace(job_of(folder / "conf" / "sources" / "shop.yml", 1), now=day(200))
        job.suites = read_suite_files(folder / "expectations" / "shop", job.tables)
        run = copied(job)
    check_and_publish(spark, job, run, prepare_checks(job.source, job.layout, job.suites, job.now))
    run.save(job.layout)
    (check,) = all_checks(job.layout)
    return run, check


@pytest.mark.parametrize(
    ("service", "rows"),
    [(SHOP, 90), (SERVICES["json_api"], len(ORDERS))],
    ids=["rich", "json_api"],
)
def test_no_row_is_rejected_and_no_check_fails(
    spark: SparkSession, service: Service, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, check = run_as_written(spark, service, tmp_path, monkeypatch)
    found = {name: (one.rows_landed, one.rows_rejected, one.rows_inserted) for name, one in run.tables.items()}
    assert found == {"users": (40, 0, 40), "orders": (rows, 0, rows)}
    assert (run.state, check.failed, check.warnings) == (runs.PUBLISHED, 0, 0)


def test_lists_and_details_of_single_rows_land_whole(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, check = run_as_written(spark, FAMILY, tmp_path, monkeypatch)
    found = {name: (one.rows_landed, one.rows_rejected, one.rows_inserted) for name, one in run.tables.items()}
    assert found == {
        "users": (4, 0, 4),
        "user_details": (3, 0, 3),
        "orders": (33, 0, 33),  # of three users; numbered from 1 for each
        "lines": (33, 0, 33),  # ten times (1, 2, none), 1 of order 31, and 1 of each of two
    }
    missing = {name: one.parents_missing for name, one in run.tables.items()}
    assert missing == {"users": None, "user_details": 1, "orders": 1, "lines": None}
    assert (run.state, check.failed, check.warnings) == (runs.PUBLISHED, 0, 0)

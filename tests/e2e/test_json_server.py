"""json-server of npm, copied in four ways, by its Link headers too: each table in silver is its file, also after that changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from tests.e2e.jobs_and_lakes import ROOT, Row, Step, free_port, step
from tests.e2e.own_environment import node_modules, started
from tests.e2e.servers.copied import Served, copy_of, copy_should_be
from tests.e2e.servers.store import order
from tests.e2e.warm_process import WarmProcess

pytestmark = pytest.mark.e2e
MOST_EXACT = 2**53 - 1
PAGED = 'size_param: _limit, size: 7, items: "$", total: "header:X-Total-Count"'
TABLES = {
    "by_link": Served("/orders?_page=1", f"style: link_header, {PAGED}"),
    "by_page": Served("/orders", f"style: page, page_param: _page, pages: null, {PAGED}"),
    "by_offset": Served("/orders", f"style: offset, offset_param: _start, {PAGED}"),
    "at_once": Served("/orders", 'style: none, items: "$", total: null', "ended"),
}


def json_order(number: int, name: str = "") -> Row:
    """An order as JSON, with no number that JavaScript cannot hold."""
    row = order(number, name)
    details = row["details"]
    if details and details["size"]:
        details = {**details, "size": {**details["size"], "w": min(details["size"]["w"], MOST_EXACT)}}
    serial = None if row["serial"] is None else max(-MOST_EXACT, min(row["serial"], MOST_EXACT))
    price = None if row["price"] is None else float(row["price"])
    return {**row, "price": price, "serial": serial, "placed_at": row["placed_at"].isoformat(), "details": details}


@dataclass(frozen=True)
class JsonServer:
    """It reads its file at its start, and writes it at each change."""

    url: str
    file: Path
    yaml: Path

    def rows(self) -> dict[int, Row]:
        """What is in the file, as a copy should have it."""
        found = json.loads(self.file.read_text("utf-8"), parse_float=Decimal)["orders"]
        rows = {row["id"]: {**row, "placed_at": datetime.fromisoformat(row["placed_at"])} for row in found}
        assert len(rows) == len(found)
        return rows


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JsonServer]:
    packages = node_modules(ROOT / "tests" / "json-server", ROOT / ".servers" / "json-server")
    folder, port = tmp_path_factory.mktemp("json"), free_port()
    file, yaml, url = folder / "db.json", folder / "shop.yml", f"http://127.0.0.1:{port}"
    held = [json_order(number) for number in (*range(2, 300, 2), MOST_EXACT)]
    file.write_text(json.dumps({"orders": held}), "utf-8")
    tables = "".join(table.yaml(name) for name, table in TABLES.items())
    yaml.write_text(f"source: shop\napi: {{url: '{url}'}}\ntables:\n{tables}", "utf-8")
    program = packages / "json-server" / "lib" / "cli" / "bin.js"
    command = ["node", str(program), str(file), "--host", "127.0.0.1", "--port", str(port), "--quiet"]
    with started(command, folder, folder / "log", f"{url}/orders?_limit=1"):
        yield JsonServer(url, file, yaml)


@pytest.fixture(scope="module")
def first(
    warm: WarmProcess, server: JsonServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Step, dict[int, Row]]:
    lake = tmp_path_factory.mktemp("json_lake") / "lake"
    return step(warm.ingest(lake, "first", "--source", str(server.yaml), "--no-check"), lake), server.rows()


@pytest.fixture(scope="module")
def second(warm: WarmProcess, server: JsonServer, first: tuple[Step, dict[int, Row]]) -> tuple[Step, dict[int, Row]]:
    for number in (2, 150, MOST_EXACT):
        assert requests.delete(f"{server.url}/orders/{number}", timeout=60).ok
    for number in (1, 77):
        assert requests.post(f"{server.url}/orders", json=json_order(number), timeout=60).ok
    for number in (4, 200):
        changed = json_order(number, "changed ✓")
        assert requests.put(f"{server.url}/orders/{number}", json=changed, timeout=60).ok
    lake = first[0].lake.root
    return step(warm.ingest(lake, "second", "--source", str(server.yaml), "--no-check"), lake), server.rows()


@pytest.mark.parametrize("table", TABLES)
def test_a_copy_is_what_the_file_holds(first: tuple[Step, dict[int, Row]], table: str) -> None:
    done, held = first
    assert done.ended.status == 0, done.ended.err
    assert len(held) == 150
    assert copy_of(done, "first", table) == copy_should_be(TABLES[table].proof, held, before={})


@pytest.mark.parametrize("table", TABLES)
def test_a_copy_is_what_the_file_holds_after_it_changed(
    first: tuple[Step, dict[int, Row]], second: tuple[Step, dict[int, Row]], table: str
) -> None:
    done, held = second
    assert done.ended.status == 0, done.ended.err
    assert first[1].keys() ^ held.keys() == {2, 150, MOST_EXACT, 1, 77}
    assert copy_of(done, "second", table) == copy_should_be(TABLES[table].proof, held, before=first[1])

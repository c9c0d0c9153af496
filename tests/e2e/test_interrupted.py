"""A run that is stopped while it fetches, the run after it, and the secret that all of them used."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.e2e.jobs_and_lakes import (
    ROOT,
    TABLES,
    Ended,
    Lake,
    Row,
    Step,
    at_work,
    good,
    job,
    read,
    served_rows,
    step,
    until_gone,
)

pytestmark = pytest.mark.e2e

SECRET = "planted-9f2c41d7e0b8"
ROWS = served_rows()


class Guarded(ThreadingHTTPServer):
    """Answers only to the key, slowly if told to. Each page fails once, with a message that repeats what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.latency_s = 0.0
        self.asked: list[str] = []
        self.struck: set[str] = set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away, as a stopped run does."""


class Handler(BaseHTTPRequestHandler):
    server: Guarded
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        time.sleep(self.server.latency_s)
        if self.headers.get("X-Api-Key") != SECRET:
            return self.reply(401, {"detail": "who are you?"})
        if self.path not in self.server.struck:
            self.server.struck.add(self.path)
            return self.reply(500, {"detail": f"failed for {dict(self.headers)}"})
        return self.reply(200, self.page())

    def page(self) -> Row:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        page, size = int(query["page"][0]), int(query["size"][0])
        rows = ROWS[parts.path.removeprefix("/")]
        items = rows[(page - 1) * size : page * size]
        return {"items": items, "total": len(rows), "page": page, "size": size, "pages": -(-len(rows) // size)}

    def reply(self, status: int, answer: Row) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def api() -> Iterator[Guarded]:
    with Guarded() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interrupted") / "lake"


@pytest.fixture(scope="module")
def options(api: Guarded, root: Path) -> list[str]:
    text = (ROOT / "conf" / "sources" / "moovitamix.yml").read_text("utf-8")
    secret = 'auth: {type: header, name: X-Api-Key, value: "${SHOP_KEY}"}'
    assert "auth: {type: none}" in text
    source = root.parent / "shop.yml"
    source.write_text(text.replace("auth: {type: none}", secret).replace("moovitamix", "shop", 1), "utf-8")
    source.write_text(re.sub(r"(?m)^source: \w+", "source: shop", source.read_text("utf-8")), "utf-8")
    return ["--source", str(source), "--api-url", api.url, "--verbose", "--set", "api.pagination.size=10"]


def stopped(api: Guarded, root: Path, options: list[str], run_id: str, number: signal.Signals) -> Step:
    """Start a run, and send it the signal when Spark has asked for some pages of a good hundred."""
    api.latency_s, api.struck = 1.0, set()
    api.asked.clear()
    slow = ["--set", "api.limits.concurrency=2", "--lake", str(root), "--run-id", run_id]
    started = time.monotonic()
    with at_work("full-ingest", *options, *slow, SHOP_KEY=SECRET) as process:
        deadline = time.monotonic() + 200
        # The plan asks for page 1 of each table, twice as each first answer is an error; the rest is Spark's.
        while len([path for path in api.asked if not re.search(r"page=1&", path)]) < 3:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "Spark asks for nothing"
            time.sleep(0.1)
        sent = time.monotonic()
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        ended = Ended(process.returncode, out, err, time.monotonic() - sent)
    until_gone(process.pid, within_s=60)
    assert len(api.asked) < 60, "it read on, nearly to the end"
    time.sleep(api.latency_s)  # for answers that nobody waits for any more
    assert time.monotonic() - started < 300
    api.latency_s = 0.0
    return step(ended, root)


@pytest.fixture(scope="module")
def terminated(api: Guarded, root: Path, options: list[str]) -> Step:
    return stopped(api, root, options, "terminated", signal.SIGTERM)


@pytest.fixture(scope="module")
def interrupted(terminated: Step, api: Guarded, root: Path, options: list[str]) -> Step:
    return stopped(api, root, options, "interrupted", signal.SIGINT)


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Spark writes its event log, which holds all that its UI shows."""
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="module")
def after(interrupted: Step, api: Guarded, root: Path, events: Path, options: list[str]) -> Step:
    api.struck.clear()
    log = ["--conf", "spark.eventLog.enabled=true", "--conf", f"spark.eventLog.dir={events.as_uri()}"]
    plain = ["--conf", "spark.eventLog.compress=false"]
    run = ["full-ingest", "--lake", str(root), "--run-id", "after"]
    return step(job(*log, *plain, *run, *options, SHOP_KEY=SECRET), root)


@pytest.mark.parametrize(("name", "status"), [("terminated", 143), ("interrupted", 130)])
def test_a_stopped_run_says_what_to_do_and_is_recorded(name: str, status: int, request: pytest.FixtureRequest) -> None:
    done: Step = request.getfixturevalue(name)
    assert done.ended.status == status, done.ended.err
    happened, to_do = done.ended.out.splitlines()[-2:]
    assert f"Run {name} was stopped" in happened
    assert f"--resume {name}" in to_do
    # No traceback of Python, no stack of Java.
    traces = [line for line in done.ended.err.splitlines() if line.startswith(("Traceback", "\tat "))]
    assert traces == [], done.ended.err
    run = done.lake.run(name)
    assert (run["state"], run["exit_status"]) == ("failed", status)
    assert run["ended_at"] is not None


def test_a_stopped_run_changes_no_table_and_publishes_nothing(interrupted: Step) -> None:
    assert interrupted.lake.tables == {}
    assert "published.json" not in interrupted.lake.files


@pytest.mark.parametrize("table", TABLES)
def test_the_run_after_a_stopped_one_works(after: Step, table: str) -> None:
    assert after.ended.status == 0, after.ended.err
    assert after.lake.by_key(table).keys() == good(table, ROWS[table]).keys()
    assert after.lake.published["run_id"] == "after"


def test_no_secret_is_in_the_lake_or_in_what_was_said(
    terminated: Step, interrupted: Step, after: Step, root: Path
) -> None:
    said = "".join(done.ended.out + done.ended.err for done in (terminated, interrupted, after))
    assert said
    assert SECRET not in said
    files = [path for path in root.rglob("*") if path.is_file()]
    assert [str(path) for path in files if SECRET.encode() in path.read_bytes()] == []
    lake = Lake.seen(root)
    for table in lake.versions:  # what is compressed on disk
        assert SECRET not in json.dumps(read(root / table), default=str), table


def test_no_secret_is_in_what_the_spark_ui_shows(after: Step, events: Path) -> None:
    shown = b"".join(path.read_bytes() for path in events.rglob("*") if path.is_file())
    assert b"SparkListenerSQLExecutionStart" in shown
    assert SECRET.encode() not in shown


def test_each_page_failed_once_and_was_asked_for_again(after: Step) -> None:
    pages = after.lake.rows("bronze/pages", "SELECT * FROM t WHERE run_id = 'after'")
    assert {page["attempts"] for page in pages} == {2}

"""A store that fails: what passes is survived and done once, what stays is said in one sentence."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from jobs.steps.options import Job
from lib.errors import ConfigError, StoreError
from lib.lake import delta_tables, layout, publications, records, runs, storage
from lib.lake.layout import Layout, check_owner
from lib.lake.publications import Publication, PublishedTable
from lib.lake.storage import Address
from lib.landing import landing
from lib.landing.fetch import FetchPages
from lib.stores import kind_of, s3, trouble
from tests.moto_server import SECRET, aws, credentials
from tests.moving_copies import Landings
from tests.moving_server import MovingServer
from tests.on_disk import at
from tests.store_proxy import Fault, Harm, StoreProxy

__all__ = ["aws", "credentials"]
NUMBERS = pa.schema({"number": pa.int64()})
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ASK_AGAIN = "when it answers, run the same command again, or with --resume to go on with a run"
REFUSED = "let them list, read, write and delete there, or use others, such as by AWS_PROFILE"


def forget_stores() -> None:
    for opened in (storage._store, storage._tables, kind_of):
        opened.cache_clear()


@pytest.fixture
def proxy(aws: str, credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreProxy]:
    boto3.client("s3", region_name="us-east-1", endpoint_url=aws).create_bucket(Bucket="lakes")
    with StoreProxy(aws) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        forget_stores()
        yield found
        forget_stores()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store is given up after a second."""
    monkeypatch.setattr(s3, "PATIENCE", timedelta(seconds=1))


@pytest.fixture
def lake(proxy: StoreProxy) -> Address:
    return Address.of(f"s3://lakes/{uuid4().hex}")


def options() -> dict[str, str]:
    kind = kind_of("s3://lakes")
    assert kind is not None
    return kind.table_options()


def numbers(lake: Address) -> list[int]:
    return sorted(row["number"] for row in records.read(lake / "ops" / "runs"))


def add(lake: Address, number: int) -> None:
    records.append(lake / "ops" / "runs", NUMBERS, [{"number": number}])


def put_in_place(lake: Address, number: int) -> None:
    records.replace(lake / "ops" / "runs", NUMBERS, [{"number": number}], f"number = {number}")


PASSING = {
    "slow down": lambda: Fault(Harm.SLOW_DOWN, times=3),
    "internal error": lambda: Fault(Harm.INTERNAL, times=3),
    "late": lambda: Fault(Harm.LATE, times=2, late_s=0.5),
    "cut": lambda: Fault(Harm.CUT, times=2),
    "cut in the middle of an upload": lambda: Fault(Harm.CUT_UPLOAD, "PUT", times=2),
    "cut in the middle of a download": lambda: Fault(Harm.CUT_DOWNLOAD, "GET", "*?*", times=2),
    "a lost answer": lambda: Fault(Harm.LOST, "PUT", times=2),
    "a lost answer to a commit": lambda: Fault(Harm.LOST, "PUT", "*_delta_log/*.json", times=1),
    "a commit that was made and failed": lambda: Fault(Harm.DONE_500, "PUT", "*_delta_log/*.json", times=1),
    "a commit that was cut": lambda: Fault(Harm.CUT, "PUT", "*_delta_log/*.json", times=1),
    "a commit that was cut in the middle": lambda: Fault(Harm.CUT_UPLOAD, "PUT", "*_delta_log/*.json", times=1),
}


QUICK = ("a lost answer to a commit", "slow down")


@pytest.mark.parametrize(
    "what", [name if name in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in PASSING]
)
def test_a_fault_that_passes_is_survived_and_each_write_is_there_once(
    proxy: StoreProxy, lake: Address, what: str
) -> None:
    add(lake, 1)
    fault = PASSING[what]()
    with proxy.failing(fault):
        add(lake, 2)
        add(lake, 3)
        put_in_place(lake, 1)
        storage.replace_text(lake / "published.json", "a text")
        assert storage.read_text(lake / "published.json") == "a text"
        assert numbers(lake) == [1, 2, 3]
    assert fault.met
    forget_stores()
    assert numbers(lake) == [1, 2, 3]
    assert storage.read_text(lake / "published.json") == "a text"


def test_a_commit_that_arrives_after_it_was_given_up_is_there_once(
    proxy: StoreProxy, lake: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(lake, 1)
    given_up: list[dict[str, Any]] = []

    def write(to: DeltaTable, rows: pa.Table, **settings: Any) -> None:
        if not given_up:
            given_up.append(settings)
            raise OSError("Generic S3 error: error sending request")
        # The first one comes in while the second one is being made.
        first = DeltaTable(to.table_uri, storage_options=options())
        write_deltalake(first, rows, **given_up[0])
        monkeypatch.undo()
        write_deltalake(to, rows, **settings)

    monkeypatch.setattr(delta_tables, "write_deltalake", write)
    add(lake, 2)
    assert numbers(lake) == [1, 2]
    assert storage.table(lake / "ops" / "runs").version() == 2


@pytest.mark.parametrize("said", ["disabled", "etag"])
def test_the_environment_cannot_turn_conditions_off(
    proxy: StoreProxy, lake: Address, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", said)
    forget_stores()
    with storage.lease(lake / ".lock", "mine", patience_s=0) as is_mine:
        assert is_mine
        with storage.lease(lake / ".lock", "another's", patience_s=0) as is_another:
            assert not is_another
    add(lake, 1)
    stale = DeltaTable(str(lake / "ops" / "runs"), storage_options=options())
    add(lake, 2)
    write_deltalake(stale, pa.Table.from_pylist([{"number": 3}], NUMBERS), mode="append")
    assert numbers(lake) == [1, 2, 3]


def test_two_appends_from_one_version_are_both_there(proxy: StoreProxy, lake: Address) -> None:
    add(lake, 1)
    at = lake / "ops" / "runs"
    stale = DeltaTable(str(at), storage_options=options())
    add(lake, 2)
    storage.append_rows(at, stale, lambda: pa.Table.from_pylist([{"number": 3}], NUMBERS))
    assert numbers(lake) == [1, 2, 3]


def test_a_table_whose_first_commit_got_no_answer_is_made_once(proxy: StoreProxy, lake: Address) -> None:
    fault = Fault(Harm.LOST, "PUT", "*/00000000000000000000.json", times=1)
    with proxy.failing(fault):
        add(lake, 1)
    assert fault.met
    assert numbers(lake) == [1]
    assert storage.table(lake / "ops" / "runs").version() == 1


@pytest.mark.parametrize("harm", [Harm.LOST, Harm.CUT, Harm.SLOW_DOWN])
@pytest.mark.parametrize("key", ["*published.json", "*ops/publications/_delta_log/*.json"])
def test_a_publication_is_one_whatever_was_cut_off(proxy: StoreProxy, lake: Address, harm: Harm, key: str) -> None:
    one = Publication("p", "r", NOW, {"tracks": PublishedTable("tracks", "silver/tracks", 0, 1)})
    fault = Fault(harm, "PUT", key, times=1)
    with proxy.failing(fault):
        publications.publish(Layout(lake), one)
    assert fault.met
    assert [each.publication_id for each in publications.all_publications(Layout(lake))] == ["p"]
    assert json.loads(storage.read_text(lake / "published.json"))["publication_id"] == "p"


def test_a_lake_that_was_claimed_without_an_answer_is_claimed(proxy: StoreProxy, lake: Address) -> None:
    with proxy.failing(Fault(Harm.LOST, "PUT", "*lake.json", times=1), Fault(Harm.LOST, "PUT", "*.key", times=1)):
        layout.claim(Layout(lake), "shop", NOW)
    known = layout.lake_record(Layout(lake))
    assert known is not None
    assert known.source == "shop"
    assert layout.key_secret(Layout(lake), None)


ACTIONS: dict[str, tuple[str, Callable[[Address], Any]]] = {
    "reads a file": ("/lake.json", lambda lake: storage.read_text(lake / "lake.json")),
    "writes a file": ("/lake.json", lambda lake: storage.replace_text(lake / "lake.json", "{}")),
    "looks for a file": ("/lake.json", lambda lake: storage.is_file(lake / "lake.json")),
    "lists names": ("", storage.names),
    "lists files": ("", storage.files),
    "looks for a folder": ("/ops", lambda lake: storage.is_folder(lake / "ops")),
    "looks for a table": ("/x/_delta_log", lambda lake: storage.is_table(lake / "x")),
    "opens a table": ("/x", lambda lake: storage.table(lake / "x")),
    "adds a row": ("/ops/runs", lambda lake: add(lake, 1)),
    "replaces a row": ("/ops/runs", lambda lake: put_in_place(lake, 1)),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        pytest.param(
            Harm.SLOW_DOWN,
            rf"the store failed \(503( SlowDown)?\) each time that it was asked; {ASK_AGAIN}",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            Harm.CUT,
            rf"the store failed \(no answer, or its connection was cut off\) each time that it was asked; {ASK_AGAIN}",
            marks=pytest.mark.thorough,
        ),
        (Harm.REFUSED, rf"the store refuses the credentials that are used \(403( AccessDenied)?\); {REFUSED}"),
    ],
)
def test_a_fault_that_stays_is_one_sentence(
    proxy: StoreProxy, lake: Address, impatient: None, action: str, harm: Harm, words: str
) -> None:
    below, act = ACTIONS[action]
    with proxy.failing(Fault(harm)), pytest.raises(StoreError, match=rf"^{lake}{below}: {words}$") as raised:
        act(lake)
    assert raised.value.exit_status == 1
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("action", [name for name in ACTIONS if name != "looks for a file"])
def test_a_bucket_that_is_not_there_is_said(proxy: StoreProxy, action: str) -> None:
    lake = Address.of("s3://nobucket/demo")
    below, act = ACTIONS[action]
    said = rf"^{lake}{below}: the store has no s3://nobucket \(404 NoSuchBucket\); make it, or give another address with --lake$"
    with pytest.raises(StoreError, match=said):
        act(lake)


def test_without_credentials_nothing_is_asked(
    proxy: StoreProxy, lake: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    forget_stores()
    said = (
        "^s3://lakes: no credentials for this store are here; put them where its own tools find them, such as AWS_PROFILE, "
        "AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or a role of the machine$"
    )
    for _ in range(2):
        with pytest.raises(StoreError, match=said):
            check_owner(Layout(lake), "shop")
    assert proxy.requests == []


def test_a_store_that_does_not_answer_is_not_a_damaged_lake(proxy: StoreProxy, lake: Address, impatient: None) -> None:
    layout.claim(Layout(lake), "shop", NOW)
    with proxy.failing(Fault(Harm.SLOW_DOWN)), pytest.raises(StoreError, match=r"lake\.json: the store failed \(503"):
        check_owner(Layout(lake), "shop")
    check_owner(Layout(lake), "shop")
    storage.replace_text(lake / "lake.json", "{")
    with pytest.raises(
        ConfigError, match=r"lake\.json: cannot be read; it should name the lake's source and format_version"
    ):
        check_owner(Layout(lake), "shop")


def test_a_lake_json_that_cannot_be_opened_is_not_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "lake.json").mkdir()
    said = r"lake\.json: cannot be read \(Is a directory\), so nothing is known of the lake; let this user read it"
    with pytest.raises(ConfigError, match=said):
        check_owner(Layout(at(tmp_path)), "shop")


def test_what_spark_says_of_a_store_is_one_sentence() -> None:
    java = RuntimeError(
        "An error occurred while calling o1.save.\n: org.apache.hadoop.fs.s3a.AWSServiceThrottledException: PUT 0-byte object on "
        "demo/silver: software.amazon.awssdk.services.s3.model.S3Exception: Please reduce your request rate. (Service: S3, Status "
        "Code: 503, Request ID: 1):SlowDown: s3a://lakes/demo/silver/tracks\n\tat java.base/java.lang.Thread.run"
    )
    assert str(trouble.store_error(java)).startswith("s3://lakes/demo/silver/tracks: the store failed (503")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("the store failed"),
        RuntimeError(
            "SparkException: wrong value\n\tat org.apache.hadoop.fs.s3a.S3AInputStream.read(S3AInputStream.java:1)"
        ),
        FileNotFoundError("lake/x"),
    ],
)
def test_another_error_is_not_taken_for_the_stores(error: Exception) -> None:
    assert trouble.store_error(error) is None


def test_a_row_more_costs_a_few_requests_however_long_the_log_is(proxy: StoreProxy, lake: Address) -> None:
    for number in range(6):
        add(lake, number)
    proxy.requests.clear()
    add(lake, 6)
    assert numbers(lake) == list(range(7))
    of_log = [request.method for request in proxy.requests if "_delta_log" in request.key]
    # To write: what is new, whether another writer was there, the commit, and it read again. To read: what is new.
    assert {method: of_log.count(method) for method in ("PUT", "HEAD")} == {"PUT": 1, "HEAD": 0}
    assert of_log.count("LIST") <= 5
    assert of_log.count("GET") <= 4, proxy.requests


def test_a_version_is_opened_once(proxy: StoreProxy, lake: Address) -> None:
    add(lake, 1)
    storage.table(lake / "ops" / "runs", 1)
    proxy.requests.clear()
    assert storage.table(lake / "ops" / "runs", 1).version() == 1
    assert storage.is_table(lake / "ops" / "runs")
    assert proxy.requests == []


def test_a_table_that_is_kept_open_shows_what_others_wrote(proxy: StoreProxy, lake: Address) -> None:
    add(lake, 1)
    assert numbers(lake) == [1]
    held = storage._tables(lake.store)
    storage._tables.cache_clear()
    add(lake, 2)
    assert held is not None
    assert held.table(str(lake / "ops" / "runs"), None).version() == 2


def test_a_table_that_was_removed_is_not_kept_open(proxy: StoreProxy, lake: Address) -> None:
    add(lake, 1)
    storage.remove(lake / "ops")
    assert not storage.is_table(lake / "ops" / "runs")
    add(lake, 2)
    assert numbers(lake) == [2]


class LandingsInStore(Landings):
    """Runs whose lake is in the store."""

    lake: Address

    def job(self) -> Job:
        job = super().job()
        job.layout = Layout(self.lake)
        return job


@pytest.fixture
def landings(lake: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LandingsInStore]:
    """A source of seven rows, three a page."""

    def write(fetch: FetchPages, to: Address) -> None:
        tasks = pa.RecordBatch.from_pydict({"id": list(range(len(fetch.parts)))})
        pages = pa.Table.from_batches(fetch([tasks]))
        records.append(to, pages.schema, pages.to_pylist())

    with MovingServer({}) as server:
        found = LandingsInStore.without_spark(tmp_path, server, monkeypatch)
        assert isinstance(found, LandingsInStore)
        monkeypatch.setattr(landing, "land", write)
        found.lake = lake
        found.serve(range(1, 8))
        yield found


def pages(lake: Address) -> list[int]:
    return sorted(row["page"] for row in records.read(lake / "bronze" / "pages"))


FOLDERS = ("lake.json", ".key", ".lock", "ops/runs", "bronze/pages")


@pytest.mark.parametrize(
    "folder", [FOLDERS[-1], *(pytest.param(one, marks=pytest.mark.thorough) for one in FOLDERS[:-1])]
)
def test_a_landing_survives_each_fault_that_passes(proxy: StoreProxy, landings: LandingsInStore, folder: str) -> None:
    key = f"*/{folder}*"
    faults = (
        Fault(Harm.SLOW_DOWN, "*", key, times=1),
        Fault(Harm.LOST, "PUT", key, times=1 if folder != ".lock" else 0),
        Fault(Harm.CUT, "*", key, after=2, times=1 if folder != ".lock" else 0),
        Fault(Harm.CUT_DOWNLOAD, "GET", f"{key}?*", after=3, times=1),
    )
    with proxy.failing(*faults):
        run = landings.run()
    assert landings.proved(run) == ("counted", 0)
    assert faults[0].met
    assert pages(landings.lake) == [1, 2, 3]
    assert [row["exit_status"] for row in records.read(landings.lake / "ops" / "runs")] == [0]


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["PUT", "GET", "LIST"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_landing_that_is_refused_anywhere_says_so_and_goes_on_later(
    proxy: StoreProxy, landings: LandingsInStore, folder: str, method: str
) -> None:
    fault = Fault(Harm.REFUSED, method, f"*/{folder}*")
    said = ""
    with proxy.failing(fault):
        try:
            landings.run()
        except StoreError as error:
            said = str(error)
    assert (REFUSED in said) == fault.met
    known = [run.run_id for run in runs.all_runs(Layout(landings.lake))]
    run = landings.run(resume=known[-1] if known else None)
    assert landings.proved(run) == ("counted", 0)
    assert pages(landings.lake) == [1, 2, 3]


def test_a_landing_asks_the_store_for_little(proxy: StoreProxy, landings: LandingsInStore) -> None:
    for _ in range(2):
        proxy.requests.clear()
        landings.run()
        asked = proxy.count(2)
        assert sum(asked.values()) <= 180, asked
        assert {kind for kind, number in asked.items() if number > 10} <= {
            *("LIST ops/runs", "GET ops/runs"),
            "GET bronze/pages",
        }
        of_log = Counter(request.key for request in proxy.requests if "_delta_log/0" in request.key)
        assert max(of_log.values()) <= 10, of_log


@pytest.mark.thorough
@pytest.mark.parametrize("after", [5, 25, 50, 75, 100, 125, 145])
def test_a_landing_whose_store_goes_at_any_request_is_resumed_to_a_good_end(
    proxy: StoreProxy, landings: LandingsInStore, after: int
) -> None:
    with proxy.failing(Fault(Harm.REFUSED, after=after)), pytest.raises(StoreError, match=REFUSED):
        landings.run()
    known = [run.run_id for run in runs.all_runs(Layout(landings.lake))]
    # What holds the lease may not have been able to give it back.
    store = boto3.client("s3", region_name="us-east-1", endpoint_url=proxy.url)
    store.delete_object(Bucket="lakes", Key=(landings.lake / ".lock").path.removeprefix("/"))
    run = landings.run(resume=known[-1] if known else None)
    assert landings.proved(run) == ("counted", 0)
    assert pages(landings.lake) == [1, 2, 3]

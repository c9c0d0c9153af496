"""What a lake is kept in: this machine's files and an object store do the same."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from lib.lake import storage
from lib.lake.storage import Address

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["this machine", "objects"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """The address of a lake that is not there yet."""
    return Address.of(f"{tmp_path}/a lake" if request.param == "this machine" else f"memory://{uuid4()}/a lake")


@pytest.mark.parametrize(
    ("text", "store", "path"),
    [
        ("/data/a lake", "", "/data/a lake"),
        ("memory://x/a/lake", "memory://x", "/a/lake"),
        ("s3a://bucket", "s3a://bucket", ""),
    ],
)
def test_an_address_is_a_path_or_a_uri(text: str, store: str, path: str) -> None:
    address = Address.of(text)
    assert (address.store, address.path, str(address)) == (store, path, text)
    assert str(address / "ops" / "runs") == f"{text}/ops/runs"


def test_an_address_knows_its_name_its_folder_and_how_far_it_is_below_another() -> None:
    runs = Address.of("/data/lake/ops/runs")
    assert (runs.name, str(runs.parent), runs.below(Address.of("/data/lake"))) == ("runs", "/data/lake/ops", "ops/runs")
    for other in ("/data/lak", "memory://x/data/lake"):
        with pytest.raises(ValueError, match="is not below"):
            runs.below(Address.of(other))


def test_a_file_is_replaced_and_read(lake: Address) -> None:
    page = lake / "site" / "ü 'x'.html"
    assert not storage.is_file(page)
    storage.replace_text(page, "old")
    storage.replace_text(page, "ä new one")
    assert storage.read_text(page) == "ä new one"
    assert storage.read(page) == b"\xc3\xa4 new one"
    assert storage.is_file(page)
    assert not storage.is_folder(page)
    assert storage.is_folder(lake / "site")
    assert not storage.is_folder(lake / "sit")


def test_a_secret_is_for_its_owner_alone_where_there_are_owners(lake: Address) -> None:
    storage.replace_text(lake / ".key", "secret", is_secret=True)
    storage.replace_text(lake / "page", "for all")
    modes = storage.mode(lake / ".key"), storage.mode(lake / "page")
    assert modes == ((None, None) if lake.store else (0o600, 0o644))


def test_what_is_not_there_has_no_names_and_cannot_be_read(lake: Address) -> None:
    assert storage.names(lake) == set()
    assert storage.files(lake) == {}
    with pytest.raises(FileNotFoundError):
        storage.read_text(lake / "lake.json")


def test_what_a_folder_has_is_listed_by_name_and_whole(lake: Address) -> None:
    for name in ("lake.json", "ops/runs/1", "ops/runs/22", "opsis/x"):
        storage.replace_text(lake / name, name)
    assert storage.names(lake) == {"lake.json", "ops", "opsis"}
    assert storage.names(lake / "ops") == {"runs"}
    assert storage.files(lake / "ops") == {"runs/1": 10, "runs/22": 11}


@pytest.mark.parametrize("is_aside", [True, False])
def test_a_folder_is_removed_and_nothing_beside_it(lake: Address, *, is_aside: bool) -> None:
    for name in ("a/index.html", "a/b/c", "ab/c"):
        storage.replace_text(lake / name, "x")
    storage.remove(lake / "a", aside=lake / ".staging" / "a.removed" if is_aside else None)
    assert not storage.is_folder(lake / "a")
    assert storage.files(lake) == {"ab/c": 1}


def test_what_is_older_than_a_time_is_removed(lake: Address) -> None:
    storage.replace_text(lake / ".staging" / "r1" / "x", "x")
    storage.remove_older(lake / ".staging", LONG_AGO)
    assert storage.files(lake) == {".staging/r1/x": 1}
    storage.remove_older(lake / ".staging", datetime.now(UTC) + timedelta(days=1))
    assert storage.files(lake) == {}
    storage.remove_older(lake / "nothing", LONG_AGO)


def test_a_folder_is_made_on_this_machine_and_moved_in_once(lake: Address) -> None:
    made = [storage.work_folder(lake / ".staging", "r1-") for _ in range(2)]
    for number, folder in enumerate(made):
        (folder / "a").mkdir()
        (folder / "index.html").write_text(f"{number}")
        (folder / "a" / "x").write_text("xx")
    storage.move_in(made[0], lake / "runs" / "r1")
    assert storage.files(lake / "runs") == {"r1/index.html": 1, "r1/a/x": 2}
    assert not made[0].exists()
    with pytest.raises(FileExistsError):
        storage.move_in(made[1], lake / "runs" / "r1")
    assert storage.read_text(lake / "runs" / "r1" / "index.html") == "0"
    assert made[1].exists()


def test_an_object_store_has_what_leads_to_the_rest_last(monkeypatch: pytest.MonkeyPatch) -> None:
    from obstore.store import MemoryStore

    lake, put = Address.of(f"memory://{uuid4()}/lake"), []
    folder = storage.work_folder(lake, "x")
    for name in ("zebra.html", "index.html", "a.html"):
        (folder / name).write_text(name)
    monkeypatch.setattr(MemoryStore, "put", lambda _store, key, _file, **_: put.append(key))
    storage.move_in(folder, lake / "docs")
    assert put == ["lake/docs/a.html", "lake/docs/zebra.html", "lake/docs/index.html"]


def test_what_keeps_a_file_from_being_read_is_an_os_error(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "lake.json")
    with pytest.raises(IsADirectoryError):
        storage.read_text(Address.of(str(tmp_path / "lake.json")))


def test_a_store_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ftp://x: lakes are not kept in stores of this kind"):
        storage.read_text(Address.of("ftp://x/lake/lake.json"))

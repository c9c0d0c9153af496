"""What a table's log says of its versions, beside what delta-rs' own history says."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from lib.lake import storage, tables
from tests.on_disk import at


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": list(ids), "n": [0] * len(ids)})


def merge(folder: Path, *ids: int) -> None:
    changed = DeltaTable(folder).merge(rows(*ids), "t.id = s.id", source_alias="s", target_alias="t")
    changed.when_matched_update_all().when_not_matched_insert_all().execute()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table of five versions: made, merged, merged, added to, cleaned up."""
    table = tmp_path / "t"
    write_deltalake(table, rows(1), commit_properties=CommitProperties(custom_metadata={"userMetadata": "made"}))
    merge(table, 1, 2)
    merge(table, 3)
    write_deltalake(table, rows(4), mode="append")
    DeltaTable(table).optimize.compact()
    return table


def test_each_version_says_what_delta_rs_says_of_it(folder: Path) -> None:
    history = {one["version"]: one for one in DeltaTable(folder).history()}
    assert sorted(history) == [*range(5)]
    for version, known in history.items():
        said = storage.commit_info(at(folder), version)
        assert {name: said[name] for name in ("timestamp", "operation")} == {
            name: known[name] for name in ("timestamp", "operation")
        }
        assert said.get("userMetadata") == known.get("userMetadata")
        # delta-rs hands some numbers on as text.
        assert {name: str(value) for name, value in (said.get("operationMetrics") or {}).items()} == {
            name: str(value) for name, value in (known.get("operationMetrics") or {}).items()
        }
    assert storage.commit_info(at(folder), 0)["userMetadata"] == "made"


def test_the_last_merge_is_found_behind_what_others_did_since(folder: Path) -> None:
    assert [getattr(tables.merged_since(at(folder), version), "version", None) for version in range(5)] == [
        *(2, 2, None, None, None),
    ]
    assert tables.newest(at(folder)).version == 4


def test_a_log_that_was_cut_off_says_so(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        storage.commit_info(at(folder), 5)

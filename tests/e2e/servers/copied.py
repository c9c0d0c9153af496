"""A table of orders in a source YAML, and in silver as delta-rs reads it. Nothing of `lib` is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from tests.e2e.jobs_and_lakes import Row, Step, content

# What a run must know of a copy to mark rows as deleted that the source no longer has.
DELETES = ("counted", "reread", "swept")


@dataclass(frozen=True)
class Served:
    """A table of the source: where it is, how its pages are asked for, and how sure a copy of it is."""

    path: str
    pagination: str
    proof: str = "counted"
    columns: str = (
        'id: bigint!, name: string!, price: "decimal(15,2)", serial: bigint, placed_at: timestamp!, '
        'details: "struct<tags: array<string>, size: struct<w: bigint, h: bigint>>"'
    )
    more: str = ""

    def yaml(self, name: str) -> str:
        """The table as it stands in a source YAML."""
        return (
            f"  {name}:\n    path: {self.path}\n    pagination: {{{self.pagination}}}\n    key: [id]\n"
            f"    deletes: soft\n    columns: {{{self.columns}}}\n{self.more}"
        )


@dataclass(frozen=True)
class Copy:
    """Live rows and deleted ones, by their number."""

    proof: str
    live: dict[int, Row]
    deleted: dict[int, Row]


def copy_of(step: Step, run_id: str, table: str) -> Copy:
    """What a run has left in silver."""
    [record] = [one for one in step.lake.run(run_id)["tables"] if one["table"] == table]
    rows = step.lake.rows(f"silver/{table}")
    live = {row["id"]: content(row) for row in rows if row["_deleted_at"] is None}
    deleted = {row["id"]: content(row) for row in rows if row["_deleted_at"] is not None}
    assert len(live) + len(deleted) == len(rows), "a key appears twice"
    assert (record["rows_landed"], record["rows_rejected"]) == (record["keys"], 0)
    return Copy(record["proof"], live, deleted)


def copy_should_be(proof: str, now: dict[int, Row], before: dict[int, Row]) -> Copy:
    """What belongs there at this level, of a store that holds `now` and held `before` at the run before."""
    gone = {number: row for number, row in before.items() if number not in now}
    return Copy(proof, now, gone) if proof in DELETES else Copy(proof, {**gone, **now}, {})

"""`ops/models`: each decision on a recommendation model, and which one is the champion of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import pyarrow as pa
from deltalake.exceptions import DeltaError

from lib.errors import LakeError
from lib.lake import publications, records
from lib.lake.layout import Layout


class Verdict(StrEnum):
    """What was decided on a model."""

    PROMOTED = "promoted"
    KEPT = "kept"
    ROLLED_BACK = "rolled back"


_VERSIONS = pa.list_(pa.struct({"table": pa.string(), "version": pa.int64()}))
SCHEMA = pa.schema(
    {
        "decision_id": pa.string(),
        "number": pa.int64(),
        "list": pa.string(),
        "decided_at": pa.timestamp("us", tz="UTC"),
        "verdict": pa.string(),
        "because": pa.list_(pa.string()),
        "model_version": pa.string(),
        "kind": pa.string(),
        "champion": pa.string(),
        "champion_before": pa.string(),
        "publication_id": pa.string(),
        "versions": _VERSIONS,
        "parameters": pa.string(),
        "metrics": pa.string(),
        "seed": pa.int64(),
        "fired": pa.list_(pa.string()),
        "profile": pa.string(),
        "numbers": pa.int64(),
        "sha256": pa.string(),
        "examples": pa.string(),
    }
)


@dataclass(frozen=True)
class Decision:
    """One decision on the model of one list. Key: decision_id, list; those of one `decision_id` are one commit.

    `champion` is the model version that the list has from then on, None where only baselines serve it. `parameters`, `metrics`
    and `profile` (of the plays that were trained on) are JSON; `fired` are the reasons for the training, none where it was asked
    for. `numbers` and `sha256` are how many numbers the model's table holds, and their hash; None for a model that is its
    parameters alone. `examples` are items and those near to them, as JSON; None where there are none. `number` is its place in the
    order of decisions, given when it is recorded.
    """

    decision_id: str
    list: str
    decided_at: datetime
    verdict: str
    because: Sequence[str]
    champion: str | None
    champion_before: str | None
    model_version: str | None = None
    kind: str | None = None
    publication_id: str | None = None
    versions: Sequence[Mapping[str, Any]] = ()
    parameters: str | None = None
    metrics: str | None = None
    seed: int | None = None
    fired: Sequence[str] = ()
    profile: str | None = None
    numbers: int | None = None
    sha256: str | None = None
    examples: str | None = None
    number: int = field(default=0, compare=False)


def decide(layout: Layout, decisions: Sequence[Decision]) -> None:
    """Record decisions in one commit: from then on their champions are the ones. Only under the lock of trainings."""
    number = records.last_number(layout.decisions) + 1
    records.append(layout.decisions, SCHEMA, [{**vars(one), "number": number} for one in decisions])


def all_decisions(layout: Layout) -> list[Decision]:
    """Every decision, in their order.

    Raises:
        LakeError: the table is damaged.
    """
    try:
        found = [Decision(**record) for record in records.read(layout.decisions)]
    except (OSError, pa.ArrowException, DeltaError) as error:
        message = f"{layout.decisions} cannot be read ({type(error).__name__}); restore the table from a backup"
        raise LakeError(message) from error
    return sorted(found, key=lambda one: (one.number, one.list))


def champion(decisions: Sequence[Decision], of_list: str) -> str | None:
    """The model version that a list has by these decisions, in their order; None where no model was promoted."""
    mine = [one for one in decisions if one.list == of_list]
    return mine[-1].champion if mine else None


def reign(decisions: Sequence[Decision], of_list: str) -> list[Decision]:
    """The promotions of a list that were not rolled back, the champion's first, then the one before it, and so on."""
    stack: list[Decision] = []
    for one in decisions:
        if one.list != of_list:
            continue
        if one.verdict == Verdict.PROMOTED:
            stack.append(one)
        elif one.verdict == Verdict.ROLLED_BACK and stack:
            stack.pop()
    return stack[::-1]


def serving(layout: Layout, decisions: Sequence[Decision], of_list: str) -> Decision | None:
    """The promotion whose model serves a list: the champion's, unless its publication was taken back; None where rules serve it."""
    taken_back = withdrawn(layout)
    return next((one for one in reign(decisions, of_list) if one.publication_id not in taken_back), None)


def withdrawn(layout: Layout) -> set[str]:
    """The publications that rollbacks took back, with another copy than the one that was restored: it is not to be trusted.

    Lists that are taken back leave the copy that they were made from as it is.
    """
    known = publications.all_publications(layout)
    by_id = {one.publication_id: one for one in known}
    found: set[str] = set()
    for rollback in known:
        target = by_id.get(rollback.restores or "")
        if target is not None:
            between = [one for one in known if target.number < one.number < rollback.number]
            found |= {one.publication_id for one in between if one.run_id != target.run_id}
    return found

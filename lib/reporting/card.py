"""What the pages on recommendation models say, before it is HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lib.lake.decisions import Decision
from lib.recommend.comparison import Interval


@dataclass(frozen=True)
class Contender:
    """One model of those that were measured in a training, and how the candidate is beside it (`says`, with its `shape`).

    The means are over the users that were measured. `coverage` and `served` are shares, `novelty` is in bits.
    """

    name: str
    ndcg: Interval
    recall: Interval
    average_precision: Interval
    coverage: float
    novelty: float
    served: float
    says: str = ""
    shape: str = ""


@dataclass(frozen=True)
class Serving:
    """What a list is made with from now on: the promotion of its champion, None where only baselines serve it."""

    of_list: str
    promoted: Decision | None


@dataclass(frozen=True)
class DecisionLine:
    """One decision on one list; None for a contender that was not measured. `has_card`: its model has a page."""

    decision: Decision
    shape: str
    has_card: bool
    candidate: Contender | None
    champion: Contender | None
    baseline: Contender | None


@dataclass(frozen=True)
class ListCard:
    """A model in one list: what was decided, what became of it (`says`), and what it is.

    `parameters` are sentences. `scale` is the greatest NDCG@10 that a contender's interval reaches. `examples` are items, each with
    those that lie nearest, and how near; None where ids of items are not to be shown.
    """

    decision: Decision
    says: str
    shape: str
    parameters: tuple[str, ...]
    contenders: tuple[Contender, ...]
    scale: float
    examples: Mapping[str, tuple[tuple[str, float], ...]] | None


@dataclass(frozen=True)
class Plays:
    """The plays that a version was trained on: how many, and of the last window when they were and how they spread.

    `groups`: plays by group of the item, the most first; `hours`: plays by hour of the day; `activity`: users by their number of
    plays, in words.
    """

    plays: int
    window: tuple[datetime, datetime] | None
    groups: Mapping[str, int]
    hours: Mapping[str, int]
    activity: Mapping[str, int]


@dataclass(frozen=True)
class Card:
    """All that is known of one model version. `trained` is a decision of its training: what holds for all of its lists."""

    source: str
    trained: Decision
    plays: Plays | None
    lists: tuple[ListCard, ...]

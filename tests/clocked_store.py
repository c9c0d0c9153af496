"""An object store as leases see one, whose clock a test sets, and which loses answers and refuses requests as the test says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from obstore.exceptions import AlreadyExistsError, GenericError, PreconditionError

LOST, REFUSED = "lost", "refused"


@dataclass
class Clock:
    """A clock that is so far ahead of the world's."""

    world: World
    ahead_s: float = 0.0

    def __call__(self) -> float:
        return self.world.now + self.ahead_s


@dataclass
class World:
    """What time it is, whatever the clocks say."""

    now: float = 1_000_000.0


@dataclass(frozen=True)
class _Held:
    body: bytes
    meta: dict[str, Any]

    def bytes(self) -> _Held:
        return self

    def to_bytes(self) -> bytes:
        return self.body


@dataclass
class ClockedStore:
    """Its ETags are those of S3: a hash of what is written. Its times are whole seconds.

    `faults` are those of the next requests, in order (None: none). `meanwhile` happens once, just before the next put is done, and
    `afterwards` once before it is answered.
    """

    clock: Callable[[], float]
    faults: list[str | None] = field(default_factory=list)
    meanwhile: Callable[[], None] | None = None
    afterwards: Callable[[], None] | None = None
    held: dict[str, _Held] = field(default_factory=dict)

    def get(self, key: str) -> _Held:
        self._refuse_or(self._fault())
        if key not in self.held:
            raise FileNotFoundError(key)
        return self.held[key]

    def head(self, key: str) -> dict[str, Any]:
        return self.get(key).meta

    def delete(self, key: str) -> None:
        self.held.pop(key, None)

    def put(self, key: str, body: bytes, *, mode: str | dict[str, str] = "overwrite") -> dict[str, Any]:
        fault = self._fault()
        self._refuse_or(fault)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        there = self.held.get(key)
        if mode == "create" and there is not None:
            raise AlreadyExistsError(key)
        if isinstance(mode, dict):
            if there is None:
                raise FileNotFoundError(key)
            if there.meta["e_tag"] != mode["e_tag"]:
                raise PreconditionError(key)
        meta = {
            "e_tag": hashlib.sha256(body).hexdigest(),
            "version": None,
            "last_modified": datetime.fromtimestamp(int(self.clock()), UTC),
        }
        self.held[key] = _Held(body, meta)
        afterwards, self.afterwards = self.afterwards, None
        if afterwards is not None:
            afterwards()
        if fault == LOST:
            raise GenericError("connection closed before message completed")
        return meta

    def _fault(self) -> str | None:
        return self.faults.pop(0) if self.faults else None

    def _refuse_or(self, fault: str | None) -> None:
        if fault == REFUSED:
            raise GenericError("503 Slow Down")

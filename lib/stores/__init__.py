"""Object stores that a lake may be in: how obstore, delta-rs and Spark open one. One module for each kind."""

from __future__ import annotations

from functools import cache

from lib.stores.kind import Kind
from lib.stores.s3 import S3

# What a URI begins with, and what opens it. Whoever writes `s3a` means the same store as `s3`.
_KINDS: dict[str, type[Kind]] = {"s3": S3}
SAME = {"s3a": "s3"}


def schemes() -> tuple[str, ...]:
    """What the URI of a lake may begin with."""
    return tuple(_KINDS)


@cache
def kind_of(store: str) -> Kind | None:
    """What opens the store of that name, such as `s3://bucket`, the same one in the whole process; None where nothing does."""
    scheme, _, name = store.partition("://")
    kind = _KINDS.get(scheme)
    return None if kind is None else kind(name)


__all__ = ["SAME", "Kind", "kind_of", "schemes"]

"""Whether a store keeps writers apart: some servers that speak S3 take a conditional put for any put, and say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from lib.errors import ConfigError
from lib.lake.lease import Found, Lease, find

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def check_conditions(store: ObjectStore, key: str, where: str) -> None:
    """Check that a store does what leases rest on: with two leases on an object of their own, which is removed afterwards.

    Raises:
        ConfigError: it does not.
    """
    at = f"{key}.{uuid4().hex}"
    try:
        wrong = _wrong(store, at, where)
    finally:
        store.delete(at)
    if wrong is not None:
        message = (
            f"{where}: two runs could write this lake at once, as its store does not keep to the conditions of a write ({wrong}). "
            "Use a store, or a newer version of its server, that honours If-None-Match and If-Match, or give another --lake"
        )
        raise ConfigError(message)


def _wrong(store: ObjectStore, at: str, where: str) -> str | None:
    one, other = (Lease(store, at, "", where=where) for _ in range(2))
    if not one.take(Found()):
        return "it refuses to make an object that is not there"
    if other.take(Found()):
        return "it makes an object that is there already"
    first = find(store, at, where)
    if not one.renew():
        return "it refuses to replace an object whose ETag is the one that was given"
    if other.take(Found(version=first.version)):
        return "it replaces an object whose ETag is another one by now"
    return None

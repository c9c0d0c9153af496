"""What is asked of a kind of object store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class Kind(Protocol):
    """One store, such as a bucket. Credentials are where the store's own tools have them, and nowhere in what is shown."""

    scheme: str

    def __init__(self, name: str) -> None: ...

    def objects(self) -> ObjectStore:
        """The store itself."""

    def table_options(self) -> dict[str, str]:
        """What delta-rs needs beside a URI. It holds credentials, which may end: ask for each table anew."""

    def spark_settings(self) -> dict[str, str]:
        """What Spark needs to open it, without credentials: its JVM looks them up by itself, in the same places."""

"""Lakes of this machine, for tests that look at their files, or spoil them, from outside."""

from __future__ import annotations

from pathlib import Path

from lib.lake.storage import Address


def on_disk(address: Address) -> Path:
    """The path of what is at an address."""
    assert not address.store, address
    return Path(str(address))


def at(path: Path) -> Address:
    """The address of what is at a path."""
    return Address.of(str(path))

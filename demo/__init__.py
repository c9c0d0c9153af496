"""The embedded demo API: seeded music data that ages by the day, with fault switches.

`DemoServer`, `Catalog` and `build` are loaded on first use, so that a reader of settings pays for `demo.settings` only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from demo.settings import DemoSettings, Faults

if TYPE_CHECKING:
    from demo.data import Catalog, build
    from demo.server import DemoServer

__all__ = ["Catalog", "DemoServer", "DemoSettings", "Faults", "build"]

_LAZY = {"Catalog": "demo.data", "build": "demo.data", "DemoServer": "demo.server"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        message = f"module 'demo' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_LAZY[name]), name)

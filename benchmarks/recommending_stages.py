"""What both sides of `benchmarks.recommending` share: how long lists are, and how a stage is told of."""

from __future__ import annotations

import json
import time

DEPTH = 20
"""Items of a list."""


def say(stage: str, started: float) -> None:
    """Print that a stage has ended that started at this time of `time.monotonic`."""
    print(json.dumps({"stage": stage, "seconds": time.monotonic() - started}), flush=True)

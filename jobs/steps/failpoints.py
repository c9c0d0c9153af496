"""Places at which a test may kill the process, as a power cut would: `PAGELAKE_FAILPOINT="wave landed"`, or `"... #3"`."""

from __future__ import annotations

import os
import signal
from collections import Counter

_times: Counter[str] = Counter()


def reached(name: str) -> None:
    """Die here, if the environment says so: at the first time, or at the one named behind `#`."""
    wanted, _, number = os.environ.get("PAGELAKE_FAILPOINT", "").partition(" #")
    if name == wanted:
        _times[name] += 1
        if _times[name] == int(number or 1):
            os.kill(os.getpid(), signal.SIGKILL)

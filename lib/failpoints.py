"""Places at which a test may end the process or fail it: `PAGELAKE_FAILPOINT="wave landed"` kills, as a power cut would.

`"term:wave landed"` stops it by SIGTERM and `"int:wave landed"` by SIGINT, as an operator would; `"raise:wave landed"` fails there.
`" #3"` behind the name means the third time that the process comes to it.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_SIGNALS = {"": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
_times: Counter[str] = Counter()


class FailpointError(Exception):
    """Something that nobody has foreseen."""


def reached(name: str) -> None:
    """End or fail here, if the environment says so: at the first time, or at the one named behind `#`."""
    said = os.environ.get("PAGELAKE_FAILPOINT", "")
    whole, _, number = said.partition(" #")
    how, colon, place = whole.rpartition(":")
    if name != place or (colon and how not in (*_SIGNALS, "raise")):
        return
    _times[said] += 1
    if _times[said] != int(number or 1):
        return
    if how == "raise":
        message = f"made to fail at: {name}"
        raise FailpointError(message)
    os.kill(os.getpid(), _SIGNALS[how])

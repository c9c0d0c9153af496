"""Runs jobs one after the other in one process, each with suites from a folder of its own: `python -m tests.jobs_with_suites JSON`.

JSON is a list of [folder of suites, [job, options...]]. The last line printed is the list of their exit statuses.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from jobs.__main__ import main
from lib.config import Runtime


def run(folder: str, arguments: list[str]) -> int:
    """One job. Where suites are is no option of it, so it is told another way."""
    found = Runtime.of

    def of(env: Mapping[str, str]) -> Runtime:
        return replace(found(env), expectations=Path(folder))

    try:
        Runtime.of = of
        return main(arguments)
    finally:
        Runtime.of = found


if __name__ == "__main__":
    sys.stdout.write(json.dumps([run(*one) for one in json.loads(sys.argv[1])]) + "\n")

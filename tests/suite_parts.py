"""Which tests `make test` runs, which `make test-rest` runs, and with how many examples; `make test-all` runs all of them.

`PAGELAKE_TESTS` says which part is run (quick, rest or all); pytest started by hand runs all. docs/testing.md has the rule.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

PART = os.environ.get("PAGELAKE_TESTS", "all")
# Seconds since 1970 after which no test starts, for a machine that has only so long. What it left out is said at the end.
UNTIL = float(os.environ.get("PAGELAKE_TESTS_UNTIL", "inf"))
FEW = 20
FEW_EXAMPLES = PART == "quick"

# By measured time, the longest first: pytest-xdist gives whole files to its processes in this order, so that none of them is left
# with a long one at the end. A file that is not named here comes after these.
LONGEST_FIRST = (
    "e2e/test_store_faults.py",
    "e2e/test_lake_in_s3.py",
    "e2e/test_airflow.py",
    "e2e/test_mlflow.py",
    "e2e/test_notebooks.py",
    "e2e/test_recommended.py",
    "e2e/test_days.py",
    "spark/test_replay.py",
    "spark/test_landing.py",
    "e2e/test_resume.py",
    "spark/test_recommending.py",
    "spark/test_tables_machine.py",
    "spark/test_proof_machine.py",
    "spark/test_als_beside_implicit.py",
    "e2e/test_service.py",
    "e2e/test_servers.py",
    "spark/test_deletion_vectors.py",
    "spark/test_listens.py",
    "e2e/test_readme.py",
    "e2e/test_tutorial.py",
    "e2e/test_json_server.py",
    "e2e/test_scheduling.py",
    "e2e/test_rollback_killed.py",
    "e2e/test_interrupted.py",
    "e2e/test_observed.py",
    "e2e/test_planted.py",
)


def examples(many: int) -> int:
    """How many examples Hypothesis draws: as many, or a few where the test is one of `make test`."""
    return min(many, FEW) if FEW_EXAMPLES else many


def is_quick(folder: str, marks: Sequence[str]) -> bool:
    """Whether a test belongs to `make test`: as its nearest mark says (the first one); without one, unless it is in e2e."""
    return next((mark == "quick" for mark in marks if mark in ("quick", "thorough")), folder != "e2e")


def is_left_out(part: str, folder: str, marks: Sequence[str]) -> bool:
    """Whether a test is not of this part."""
    return part != "all" and is_quick(folder, marks) != (part == "quick")


def rank(path: str) -> int:
    """Where a file stands in the order: the longest first, or last where time is limited, so that most tests get their turn."""
    longest = [number for number, name in enumerate(LONGEST_FIRST) if path.endswith(f"tests/{name}")]
    place = longest[0] if longest else len(LONGEST_FIRST)
    return place if math.inf == UNTIL else -place

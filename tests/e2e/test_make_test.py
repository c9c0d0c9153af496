"""`make test`, `make test-rest` and `make test-all`: which tests each of them runs, and what these see of make."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.jobs_and_lakes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.quick]

SEEN = "import json, os, pathlib\ndef test_it(): pathlib.Path({path!r}).write_text(json.dumps(dict(os.environ)))\n"
# Files of each folder with what is in them: in `make test`, or in the rest.
SUITE = {
    "unit/test_a.py": "def test_quick(): pass",
    "spark/test_b.py": "import pytest\n@pytest.mark.thorough\ndef test_rest(): pass\ndef test_quick(): pass",
    "e2e/test_c.py": "import pytest\ndef test_rest(): pass\n@pytest.mark.quick\ndef test_quick(): pass",
    "e2e/test_d.py": (
        "import pytest\npytestmark = pytest.mark.quick\n"
        "@pytest.mark.thorough\ndef test_rest(): pass\ndef test_quick(): pass"
    ),
}
PYTEST = re.compile(r"tests/(\w+)/test_\w[.]py::test_(\w+)")


def start(*words: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "PAGELAKE_TESTS", "MAKE", "MFLAGS"))
    }
    return subprocess.run(
        words, cwd=cwd, env={**inherited, **env}, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small suite that is parted as the real one."""
    root = tmp_path_factory.mktemp("suite")
    for name, text in SUITE.items():
        path = root / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        (path.parent / "__init__.py").touch()
    (root / "tests" / "__init__.py").touch()
    for name in ("conftest.py", "suite_parts.py"):
        shutil.copy(ROOT / "tests" / name, root / "tests" / name)
    marks = "markers = e2e\n    quick\n    thorough"
    (root / "pytest.ini").write_text(f"[pytest]\ntestpaths = tests\npythonpath = .\n{marks}\n", "utf-8")
    return root


def ran(suite: Path, part: str, *options: str, **env: str) -> tuple[set[tuple[str, str]], list[str], int]:
    """What was run of the small suite, the last two lines, and the exit status."""
    words = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *options]
    ended = start(*words, cwd=suite, PAGELAKE_TESTS=part, **env)
    return set(PYTEST.findall(ended.stdout)), ended.stdout.splitlines()[-2:], ended.returncode


QUICK = {("unit", "quick"), ("spark", "quick"), ("e2e", "quick")}
REST = {("spark", "rest"), ("e2e", "rest")}


def test_each_test_is_in_one_part_and_the_last_line_says_what_is_left_out(suite: Path) -> None:
    quick, last, status = ran(suite, "quick", "-n2")
    assert (quick, status) == (QUICK, 0)
    assert "4 passed" in last[0]
    assert last[1] == "3 tests are left out here: make test-rest runs them, make test-all everything (docs/testing.md)"
    rest, last, status = ran(suite, "rest", "-n0")
    assert (rest, status) == (REST, 0)
    assert last[1] == "4 tests are left out here: make test runs them (docs/testing.md)"
    everything, last, status = ran(suite, "all", "-n0")
    assert (everything, status) == (QUICK | REST, 0)
    assert "7 passed" in last[1]


def test_when_the_time_is_up_no_test_starts_and_the_last_line_says_which(suite: Path) -> None:
    for processes in ("-n0", "-n2"):
        run, last, status = ran(suite, "all", processes, PAGELAKE_TESTS_UNTIL="1")
        assert (run, status) == (set(), 0)
        assert last[1] == (
            "7 tests are not run, as the time was up, of test_a.py, test_b.py, test_c.py, test_d.py: make test-rest runs them"
        )
    assert ran(suite, "all", "-n2", PAGELAKE_TESTS_UNTIL=str(time.time() + 3600))[0::2] == (QUICK | REST, 0)


def test_what_is_asked_for_by_name_is_run_wherever_it_belongs(suite: Path) -> None:
    assert ran(suite, "quick", "-n2", "tests/e2e")[0] == {("e2e", "rest"), ("e2e", "quick")}


def test_a_rest_with_nothing_in_it_is_no_failure_and_a_word_that_no_test_has_is(suite: Path) -> None:
    assert ran(suite, "rest", "-n1", "tests/unit")[0::2] == (set(), 0)
    assert ran(suite, "quick", "-n0", "-k", "no_such_word")[2] == 5


def test_arguments_go_to_pytest_and_to_no_make_that_a_test_starts(tmp_path: Path) -> None:
    (tmp_path / "test_seen.py").write_text(SEEN.format(path=str(tmp_path / "seen.json")), "utf-8")
    ended = start("make", "test", f"ARGS={tmp_path}/test_seen.py --numprocesses 0 -q -p no:cacheprovider")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    seen = json.loads((tmp_path / "seen.json").read_text("utf-8"))
    assert {"MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "ARGS"} & seen.keys() == set()


@pytest.mark.parametrize(("target", "part"), [("test", "quick"), ("test-rest", "rest"), ("test-all", "all")])
def test_each_target_runs_its_part(target: str, part: str) -> None:
    ended = start("make", "--dry-run", target, PAGELAKE_TESTS="none")
    assert f" PAGELAKE_TESTS={part} " in ended.stdout
    assert " -u MAKEFLAGS " in ended.stdout

"""README.md promises only what works: its blocks marked `<!-- tested -->` are run here, in their order, on one lake.

They run in a folder that stands for the clone: every entry is a link to the real one, so that `lake/` is made here.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, printed, read

pytestmark = pytest.mark.e2e

MARK = "<!-- tested -->"
FENCE = re.compile(
    rf"^{MARK}\n(?P<fence>`{{3,}})(?P<language>\w+)\n(?P<text>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL
)
README = (ROOT / "README.md").read_text("utf-8")


@dataclass(frozen=True)
class Ran:
    """One command or program of README.md, and what came of it."""

    text: str
    status: int
    out: str
    err: str


def run(words: list[str], text: str, clone: Path) -> Ran:
    env = {**os.environ, "LAKE": str(clone / "lake" / "demo")}
    done = subprocess.run(words, cwd=clone, env=env, capture_output=True, text=True, timeout=500, check=False)
    return Ran(text, done.returncode, done.stdout, done.stderr)


def commands(text: str) -> list[str]:
    """The lines of a block, those joined that end with a backslash; no comments."""
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme") / "pagelake"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in (".git", "lake"):
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture(scope="module")
def ran(clone: Path) -> list[Ran]:
    done = []
    for block in FENCE.finditer(README):
        if block["language"] == "python":
            program = clone / "explore.py"
            program.write_text(block["text"], "utf-8")
            # As README says: in the environment of the jobs.
            start = f'source {shlex.quote(str(ROOT))}/scripts/environment.sh && "$PAGELAKE_VENV/bin/python" explore.py'
            done.append(run(["bash", "-c", start], block["text"], clone))
        else:
            done += [run(["bash", "-c", line], line, clone) for line in commands(block["text"])]
    return done


def test_every_mark_is_on_the_line_before_a_block_that_can_be_run() -> None:
    languages = [block["language"] for block in FENCE.finditer(README)]
    assert len(languages) == README.count(MARK)
    assert {"bash", "python"} == set(languages)


def test_every_command_and_program_ends_well(ran: list[Ran]) -> None:
    assert len(ran) >= 3
    assert [(one.text, one.status, one.err[-2000:]) for one in ran if one.status != 0] == []


def test_the_first_command_prints_the_table_that_is_shown(ran: list[Ran]) -> None:
    shown = printed(README)
    assert len(shown) == 4
    assert printed(ran[0].out) == shown


def test_programs_print_what_they_read(ran: list[Ran]) -> None:
    programs = [one for one in ran if "import" in one.text]
    assert len(programs) >= 2
    assert [one.text for one in programs if not one.out.strip()] == []


def test_the_lake_is_where_the_text_says_it_is(ran: list[Ran], clone: Path) -> None:
    assert (clone / "lake" / "demo" / "site" / "index.html").exists()
    assert read(clone / "lake" / "demo" / "ops" / "runs")

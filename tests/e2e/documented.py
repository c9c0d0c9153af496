"""Commands, programs and files in README.md and docs, run as a reader runs them; and the answers that the pages show for them.

A block is run if `<!-- tested -->` is on the line before it. It is a file to save if the line above that mark ends with
`` Save this as `shop.yml`: ``, a program if it is Python, commands else. A ```` ```text ```` block right after it is its answer:
of what a command prints, these lines in this order, where `...` is any lines. What differs from run to run (times, ids, folders,
seconds) is compared by its shape.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MARK = "<!-- tested -->"
_MARKED = re.compile(
    rf"(?:^[^\n]*?Save this as `(?P<file>[\w./-]+)`:\n\n)?^{MARK}\n```(?P<language>\w+)\n(?P<text>.*?)^```$"
    r"(?:\n\n```text\n(?P<answer>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
_ANY_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}[^\n]*\n(?:\n(?= {4}))?)+")
# Shapes of what differs from run to run, those that hold others first.
_SHAPES = (
    r"\d{8}T\d{6}Z-[0-9a-f]{4}(?:-\d+)?",  # a run or its docs
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|\+00:00| UTC)?",
    r"\d\d:\d\d:\d\d",
    r"(?:/[\w.+@-]+)+/(?=lake/|shop_api)",  # the folder of the clone
    r"\d+(?:\.\d+)? (?:ms|s|seconds?|minutes?|hours?)(?: ago| old)?|just now",
)
_SHAPE = re.compile("|".join(f"({one})" for one in _SHAPES))


@dataclass(frozen=True)
class Marked:
    """A block that is run: the file it is saved as, if it is one, and the answer that the page shows."""

    language: str
    text: str
    file: str | None
    answer: str | None


@dataclass(frozen=True)
class Block:
    """Any block of code: fenced, or indented by four spaces after an empty line."""

    page: str
    language: str
    text: str

    @property
    def first(self) -> str:
        return self.text.strip().splitlines()[0].strip()


def marked(page: Path) -> list[Marked]:
    """The blocks of a page that are run, in their order."""
    text = page.read_text("utf-8")
    found = [Marked(one["language"], one["text"], one["file"], one["answer"]) for one in _MARKED.finditer(text)]
    assert len(found) == text.count(MARK), f"{page.name}: a mark is not on the line before a block"
    return found


def blocks() -> list[Block]:
    """All blocks of all pages."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        found += [Block(page.name, one["language"], one["text"]) for one in _ANY_FENCE.finditer(text)]
        found += [Block(page.name, "", one[0]) for one in _INDENTED.finditer(_ANY_FENCE.sub("", text))]
    return found


def commands(text: str) -> list[str]:
    """The lines of a block, those joined that end with a backslash; no comments."""
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def run_block(block: Marked, clone: Path) -> tuple[int, str, str]:
    """Save the block or run it, in a folder that stands for the clone: the first status that is not 0, and all that was printed."""
    if block.file is not None:
        (clone / block.file).write_text(block.text, "utf-8")
        return 0, "", ""
    lines = commands(block.text)
    if block.language == "python":
        (clone / "explore.py").write_text(block.text, "utf-8")
        # As docs/reading.md says: in the environment of the jobs.
        environment = f"{shlex.quote(str(ROOT))}/scripts/environment.sh --notebooks"
        lines = [f'source {environment} && "$PAGELAKE_VENV/bin/python" explore.py']
    env = {**os.environ, "LAKE": str(clone / "lake" / "demo")}
    status, out, err = 0, "", ""
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line], cwd=clone, env=env, capture_output=True, text=True, timeout=1500, check=False
        )
        status, out, err = status or done.returncode, out + done.stdout, err + done.stderr
    return status, out, err


def first_difference(shown: str, printed: str) -> str | None:
    """The first line of a shown answer that is not where it should be in what was printed; None if all are."""
    lines = [_plain(line) for line in printed.splitlines()]
    at, anywhere = 0, True
    for line in shown.splitlines():
        if line.strip() == "...":
            anywhere = True
            continue
        wanted = _wanted(_plain(line))
        ahead = range(at, len(lines)) if anywhere else range(at, min(at + 1, len(lines)))
        found = next((place for place in ahead if wanted.fullmatch(lines[place])), None)
        if found is None:
            return line
        at, anywhere = found + 1, False
    return None


def _plain(line: str) -> str:
    """A line without what columns add to it: spaces and lines of dashes in any number are one."""
    return re.sub(r"[ \t]+", " ", re.sub(r"-{2,}|─+", "--", line)).strip()


def _wanted(line: str) -> re.Pattern[str]:
    """A pattern that takes the line, and others like it in what differs from run to run."""
    parts, end = [], 0
    for found in _SHAPE.finditer(line):
        parts += [re.escape(line[end : found.start()]), f"(?:{_SHAPES[(found.lastindex or 1) - 1]})"]
        end = found.end()
    return re.compile("".join([*parts, re.escape(line[end:])]))

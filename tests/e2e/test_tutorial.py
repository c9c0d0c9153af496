"""docs/tutorial.md, from its first block to its last, in a folder that stands for the clone."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.documented import Marked, first_difference, marked, run_block
from tests.e2e.jobs_and_lakes import ROOT

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Step:
    """One marked block, and what came of it."""

    block: Marked
    status: int
    out: str
    err: str


@contextmanager
def serving(clone: Path) -> Iterator[None]:
    """The reader's second terminal."""
    with subprocess.Popen([sys.executable, "shop_api.py"], cwd=clone, stderr=subprocess.PIPE, text=True) as api:
        try:
            deadline = time.monotonic() + 30
            while not answers():
                assert api.poll() is None, api.communicate()[1]
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield
        finally:
            api.terminate()


def answers() -> bool:
    try:
        with urllib.request.urlopen("http://127.0.0.1:8010/orders?page=1&per_page=1", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def steps(clone: Path) -> list[Step]:
    blocks = marked(ROOT / "docs" / "tutorial.md")
    [corrected] = [place for place, block in enumerate(blocks) if block.text.startswith("sed ")]
    api, *others = blocks[:corrected]
    done = [Step(api, *run_block(api, clone))]
    with serving(clone):
        done += [Step(block, *run_block(block, clone)) for block in others]
    done.append(Step(blocks[corrected], *run_block(blocks[corrected], clone)))
    with serving(clone):
        done += [Step(block, *run_block(block, clone)) for block in blocks[corrected + 1 :]]
    return done


def test_each_step_ends_as_the_page_says(steps: list[Step]) -> None:
    runs = [step for step in steps if step.block.text.endswith("full-ingest --source shop.yml\n")]
    # The first run finds the order of a customer that is not there; the second publishes.
    assert [run.status for run in runs] == [3, 0]
    assert [(step.block.text, step.err[-2000:]) for step in steps if step.status and step not in runs] == []


def test_each_step_prints_what_the_page_shows(steps: list[Step]) -> None:
    shown = [step for step in steps if step.block.answer is not None]
    assert len(shown) == 6
    for step in shown:
        # What stopped a run is on standard error.
        printed = step.out + step.err
        assert (first_difference(step.block.answer or "", printed), printed) == (None, printed)

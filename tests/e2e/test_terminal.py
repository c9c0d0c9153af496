"""A whole run on a terminal, replayed: what a person sees of one that fails its checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.jobs_and_lakes import ROOT, command, small_demo
from tests.on_terminal import on_terminal

pytestmark = pytest.mark.e2e

STEPS = [
    ("✓", "plan", "3 tables with 481 rows"),
    ("✓", "start Spark", ""),
    ("✓", "fetch and land", "50 pages of 3 tables"),
    ("✓", "prove", "3 of 3 tables complete"),
    ("✓", "parse", r"481 rows(, \d+ rejected)?(, \d+ duplicate)?"),
    ("✓", "quarantine", r"\d+ rows?"),
    ("✓", "merge", r"\d+ new"),
    ("✓", "derive", r"[\d,]+ new"),
    ("✗", "check", r"1 critical failed,.* of \d+ checks passed"),
    ("✗", "publish", "nothing new is published"),
    ("✓", "observe", ""),
]
SECONDS = r" +[\d,]+\.\d s"
MOVING = r"\S [a-zA-Z ]{18} \d:\d\d:\d\d( ━+[╸╺]?━* [\d,]+/50 pages)?"


def test_a_run_that_fails_its_checks_is_read_from_top_to_bottom(tmp_path: Path) -> None:
    """One orphan. 50 pages of ten rows at twenty requests a second: pages come for seconds."""
    slow = ("--set", "api.pagination.size=10", "--set", "api.limits.requests_per_second=20")
    options = [*small_demo(**{"faults.orphans": 1}), *slow, "--lake", str(tmp_path / "lake"), "--run-id", "one"]
    session = on_terminal(command("full-ingest", *options), columns=120, cwd=ROOT)
    lines = session.lines
    assert session.status == 3, lines
    expected = iter(STEPS)
    found = [line for line in lines if re.fullmatch(rf"[✓✗!] [a-zA-Z ]{{18}} {SECONDS}(  .*)?", line)]
    for line, (sign, name, result) in zip(found, expected, strict=True):
        assert re.fullmatch(rf"{sign} {name:<18} {SECONDS}{f'  {result}' if result else ''}", line), line
    # Nothing stands beside the bar, at any time; and pages came while it was looked at.
    bars = [line for screen in session.screens for line in screen[:-1] if "/50 pages" in line]
    assert [line for line in bars if not re.fullmatch(MOVING, line)] == []
    seen = {int(one[1]) for screen in session.screens for line in screen if (one := re.search(r"(\d+)/50 pages", line))}
    assert len(seen & set(range(4, 50))) >= 5, seen
    # The JVM, and what is always so, have nothing to say.
    assert not [line for line in lines if "WARN" in line or "is off" in line]
    end = lines.index("✗ Checks failed: nothing new is published (exit 3)")
    last = "\n".join(lines[end:])
    assert "listen_history.user_id -> users: 1 orphan (user_id 900000) [listen_history.orphans.user_id]" in last
    assert f"Rows:    ./spark-submit.sh failures --source demo --lake {tmp_path}/lake --run one" in last.replace(
        "\n", ""
    )

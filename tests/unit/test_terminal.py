"""What a person sees on a terminal while a job works, replayed; and what a program gets in its place."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.on_terminal import Session, on_terminal

REPO = Path(__file__).parents[2]
# A run in small: pages that come, a library and a JVM that write meanwhile, a step within a step, and one that fails.
RUN = """
import logging, os, sys, threading, time
from collections import deque
from lib.console import Steps, say
from lib.jvm_says import _relay
from lib.logs import BAD, GOOD, LOGGER, WARNED, is_for_people, set_up_logs
set_up_logs(as_json="json" in sys.argv, verbose="verbose" in sys.argv)
log, steps = logging.getLogger(LOGGER), Steps()
if is_for_people():
    ours, theirs = os.pipe()
    jvm = threading.Thread(target=_relay, args=(ours, deque()))
    jvm.start()
with steps.counted("fetch and land", 4, "pages") as step:
    for number in range(4):
        step.advance()
        time.sleep(0.4)
        log.warning("page %s is late", number)
        steps.note("a note [bold]of many words[/bold], so long that it takes two lines on a terminal of eighty columns")
        print("a library writes", file=sys.stderr)
        if is_for_people():
            os.write(theirs, b"12:00:00 WARN Task: a warning\\n\\tof two lines\\n")
            os.write(theirs, b"12:00:00 ERROR Task: an error\\n\\tof two lines\\n")
    step.result = "4 pages"
if is_for_people():
    os.close(theirs)
    jvm.join()
with steps.step("publish") as outer:
    with steps.step("copy site"):
        time.sleep(0.15)
    outer.result, outer.sign = "nothing new is published", BAD
try:
    with steps.step("observe"):
        time.sleep(0.15)
        raise SystemExit(3)
except SystemExit:
    say(["Run one was stopped.", "Next:    go on"], WARNED)
say(["Run one is published.", "Checks:  all"], GOOD)
"""
SECONDS = r" +\d+\.\d s"
NOTE = ("  a note [bold]of many words[/bold], so long that it takes two lines on a", "  terminal of eighty columns")
LINES = [
    *(r"! page \d is late", *map(re.escape, NOTE), re.escape(" ".join((NOTE[0], NOTE[1].strip())))),
    *("a library writes", "✗ 12:00:00 ERROR Task: an error", "✗  of two lines"),
    rf"✓ fetch and land    {SECONDS}  4 pages",
    rf"✓ copy site         {SECONDS}",
    rf"✗ publish           {SECONDS}  nothing new is published",
    rf"! observe           {SECONDS}  stopped",
    *("! Run one was stopped.", "Next:    go on", "✓ Run one is published.", "Checks:  all"),
]
MOVING = [r"\S fetch and land     0:00:0\d ━+[╸╺]?━* [0-4]/4 pages", r"\S (publish|copy site|observe) +0:00:0\d"]


def run(columns: int, *arguments: str, **env: str) -> Session:
    return on_terminal([sys.executable, "-c", RUN, *arguments], columns=columns, cwd=REPO, PYTHONPATH=str(REPO), **env)


@pytest.mark.parametrize("columns", [80, 200])
def test_no_line_is_ever_glued_to_another_or_to_the_bar(columns: int) -> None:
    session = run(columns)
    assert session.status == 0
    # A write may end within a line; what is there of it is the beginning of one that may be there.
    allowed = re.compile("|".join([*LINES, *MOVING]))
    for screen in session.screens:
        glued = [line for line in screen[:-1] if not allowed.fullmatch(line)]
        assert glued == []
    kept = re.compile("|".join(LINES))
    assert [line for line in session.lines if not kept.fullmatch(line)] == []
    counts = {line: session.lines.count(line) for line in ("a library writes", "✗ 12:00:00 ERROR Task: an error")}
    assert counts == {"a library writes": 4, "✗ 12:00:00 ERROR Task: an error": 4}
    assert not any("a warning" in line for line in session.lines)


def test_pages_are_counted_as_they_come() -> None:
    seen = {found[1] for screen in run(80).screens for line in screen if (found := re.search(r"(\d)/4 pages", line))}
    # One of them may be seen by nobody, on a machine that is busy.
    assert len(seen & {"1", "2", "3"}) >= 2


def test_verbose_shows_the_warnings_of_the_jvm() -> None:
    assert run(200, "verbose").lines.count("  12:00:00 WARN Task: a warning") == 4


def test_without_colour_the_signs_say_the_same() -> None:
    coloured, plain = run(80), run(80, NO_COLOR="1")
    assert re.search(rb"\x1b\[1;31m", coloured.raw)
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9]m", plain.raw)
    assert {line[0] for line in plain.lines} >= {"✓", "✗", "!"}


def test_a_pipe_gets_lines_of_a_log_as_before_and_no_sign() -> None:
    done = subprocess.run([sys.executable, "-c", RUN], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "Run one was stopped.",
        "Next:    go on",
        "Run one is published.",
        "Checks:  all",
    ]
    times = re.sub(r"(?m)^\d\d:\d\d:\d\d ", "", re.sub(r"seconds=\d+\.\d", "seconds=S", done.stderr))
    assert times.splitlines()[-3:] == [
        "INFO fetch and land seconds=S result=4 pages",
        "INFO copy site seconds=S",
        "INFO publish seconds=S result=nothing new is published",
    ]
    assert "✓" not in done.stderr


def test_json_has_nothing_else_between_even_on_a_terminal() -> None:
    session = run(400, "json")
    said = [json.loads(line) for line in session.lines if line.startswith("{")]
    assert [one["message"] for one in said if "seconds" in one] == ["fetch and land", "copy site", "publish"]
    assert not any("━" in line for screen in session.screens for line in screen)


STRESS = """
import logging, threading
from lib.console import Steps
from lib.logs import LOGGER, set_up_logs
set_up_logs(as_json=False, verbose=False)
log, steps, is_over = logging.getLogger(LOGGER), Steps(), threading.Event()
def write():
    while not is_over.wait(0.001):
        log.warning("a line of another thread")
thread = threading.Thread(target=write)
thread.start()
for number in range(60):
    with steps.step("a step"):
        pass
is_over.set()
thread.join()
"""


def test_a_line_of_another_thread_is_never_beside_a_bar_that_comes_or_goes() -> None:
    session = on_terminal([sys.executable, "-c", STRESS], columns=80, cwd=REPO, PYTHONPATH=str(REPO))
    kept = re.compile(rf"! a line of another thread|✓ a step            {SECONDS}")
    assert [line for line in session.lines if not kept.fullmatch(line)] == []
    assert sum(line.startswith("✓") for line in session.lines) == 60


def test_a_jvm_that_does_not_start_says_why(tmp_path: Path) -> None:
    script = (
        "from lib.jvm_says import start_jvm; from lib.logs import set_up_logs\n"
        "set_up_logs(as_json=False, verbose=False)\n"
        "start_jvm({'spark.app.name': 'x'})\n"
    )
    command = [sys.executable, "-c", script]
    session = on_terminal(command, columns=400, cwd=REPO, PYTHONPATH=str(REPO), JAVA_HOME=str(tmp_path / "none"))
    assert session.status == 1
    assert any(line.startswith("✗") and f"{tmp_path}/none/bin/java" in line for line in session.lines), session.lines
    assert "JAVA_GATEWAY_EXITED" in session.lines[-1]


def test_a_job_that_ends_badly_says_in_red_what_that_means(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jobs", "status", "--lake", str(tmp_path / "none")]
    session = on_terminal(command, columns=200, cwd=REPO, PYTHONPATH=str(REPO))
    assert session.status == 2
    assert session.lines == [
        "✗ Nothing was done: the command or a setting is wrong (exit 2)",
        f"{tmp_path}/none: there is no lake; run ./spark-submit.sh full-ingest first, or give another --lake",
    ]
    assert b"\x1b[1;31m\xe2\x9c\x97 Nothing was done" in session.raw
    piped = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, env=None)
    assert piped.stderr.splitlines() == session.lines[1:]

"""What holds for every test: Hypothesis, the part of the suite that is run, and the order."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import suite_parts

# How long an example takes is the machine's affair.
settings.register_profile("pagelake", deadline=None, max_examples=suite_parts.examples(100))
settings.load_profile("pagelake")

PART = pytest.StashKey[str]()
LEFT_OUT = pytest.StashKey[int]()
TOO_LATE = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # a process of pytest-xdist
        config.stash[PART] = config.workerinput["pagelake_part"]
    else:
        is_named = config.args_source is pytest.Config.ArgsSource.ARGS
        # What is asked for by name is run, wherever it belongs.
        config.stash[PART] = "all" if is_named and suite_parts.PART == "quick" else suite_parts.PART
    config.stash[LEFT_OUT] = 0
    config.stash[TOO_LATE] = []


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["pagelake_part"] = node.config.stash[PART]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    out = [item for item in items if is_left_out(config, item)]
    items[:] = sorted(
        (item for item in items if item not in set(out)), key=lambda item: suite_parts.rank(item.path.as_posix())
    )
    config.stash[LEFT_OUT] = len(out)
    if out:
        config.hook.pytest_deselected(items=out)


def is_left_out(config: pytest.Config, item: pytest.Item) -> bool:
    marks = [mark.name for mark in item.iter_markers()]
    return suite_parts.is_left_out(config.stash[PART], item.path.parent.name, marks)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    if time.time() < suite_parts.UNTIL:
        return None
    item.config.stash[TOO_LATE].append(item.nodeid)
    return True  # it is done with, and neither run nor reported


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["pagelake_left_out"] = config.stash[LEFT_OUT]
        config.workeroutput["pagelake_too_late"] = config.stash[TOO_LATE]
    elif (
        session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
        and suite_parts.PART == "rest"
        and config.stash[LEFT_OUT]
    ):
        session.exitstatus = pytest.ExitCode.OK  # all that was asked for is in the other part


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    said = getattr(node, "workeroutput", {})  # a process that died says nothing
    node.config.stash[LEFT_OUT] = max(node.config.stash[LEFT_OUT], said.get("pagelake_left_out", 0))
    node.config.stash[TOO_LATE] += said.get("pagelake_too_late", [])


def pytest_unconfigure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput"):
        return
    if left_out := config.stash.get(LEFT_OUT, 0):
        others = {"quick": "make test-rest runs them, make test-all everything", "rest": "make test runs them"}
        reporter.write_line(f"{_are(left_out)} left out here: {others[config.stash[PART]]} (docs/testing.md)")
    if too_late := config.stash.get(TOO_LATE, []):
        files = ", ".join(sorted({Path(name.partition("::")[0]).name for name in too_late}))
        reporter.write_line(f"{_are(len(too_late))} not run, as the time was up, of {files}: make test-rest runs them")


def _are(tests: int) -> str:
    return "1 test is" if tests == 1 else f"{tests:,} tests are"

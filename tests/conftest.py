"""What holds for every test: Hypothesis, the part of the suite that is run, and the order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

from tests import suite_parts

# How long an example takes is the machine's affair.
settings.register_profile("pagelake", deadline=None, max_examples=suite_parts.examples(100))
settings.load_profile("pagelake")

PART = pytest.StashKey[str]()
LEFT_OUT = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # a process of pytest-xdist
        config.stash[PART] = config.workerinput["pagelake_part"]
    else:
        is_named = config.args_source is pytest.Config.ArgsSource.ARGS
        # What is asked for by name is run, wherever it belongs.
        config.stash[PART] = "all" if is_named and suite_parts.PART == "quick" else suite_parts.PART
    config.stash[LEFT_OUT] = 0


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["pagelake_left_out"] = config.stash[LEFT_OUT]
    elif (
        session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
        and suite_parts.PART == "rest"
        and config.stash[LEFT_OUT]
    ):
        session.exitstatus = pytest.ExitCode.OK  # all that was asked for is in the other part


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    left_out = getattr(node, "workeroutput", {}).get("pagelake_left_out", 0)  # a process that died says nothing
    node.config.stash[LEFT_OUT] = max(node.config.stash[LEFT_OUT], left_out)


def pytest_unconfigure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    left_out = config.stash.get(LEFT_OUT, 0)
    if reporter is None or hasattr(config, "workerinput") or not left_out:
        return
    others = {"quick": "make test-rest runs them, make test-all everything", "rest": "make test runs them"}
    are = "1 test is" if left_out == 1 else f"{left_out:,} tests are"
    reporter.write_line(f"{are} left out here: {others[config.stash[PART]]} (docs/testing.md)")

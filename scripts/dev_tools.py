"""What tests need beside Python packages: a browser, servers that metrics are sent to, a reader of units.

For root of Debian and Ubuntu.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

import apt

SYSTEMD = "/run/systemd/system"  # there where systemd is at work


@dataclass(frozen=True)
class Tool:
    """One such need: it is met if any of the programs is there; else the first of the packages that this release has is installed.

    `service` is what the package starts by itself, which is not wanted: a test starts its own.
    """

    name: str
    what: str
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    tests: str
    service: str | None = None


TOOLS = (
    Tool(
        "Chromium",
        "a browser for the tests",
        ("chromium", "chromium-browser", "google-chrome"),
        ("chromium", "chromium-browser"),
        "look at pages",
    ),
    Tool(
        "Prometheus",
        "Prometheus for the tests",
        ("promtool",),
        ("prometheus",),
        "look at metrics in it",
        "prometheus",
    ),
    Tool(
        "Pushgateway",
        "a Pushgateway for the tests",
        ("prometheus-pushgateway",),
        ("prometheus-pushgateway",),
        "send metrics to it",
        "prometheus-pushgateway",
    ),
    Tool(
        "systemd-analyze",
        "systemd-analyze for the tests",
        ("systemd-analyze",),
        ("systemd",),
        "read units of systemd",
    ),
)


def get() -> list[str]:
    """Install what is missing, where that can be; a line for each tool whose tests are skipped.

    Raises RuntimeError where apt fails, and on CI for what is missing.
    """
    lines = []
    for tool in TOOLS:
        if any(shutil.which(program) for program in tool.programs):
            continue
        if apt.may_install():
            apt.install(tool.what, *tool.packages)
            _stop(tool)
        elif os.environ.get("CI") == "true":
            raise RuntimeError(f"There is no {tool.name}, and CI=true skips no test. Install one on this machine.")
        else:
            lines.append(f"There is no {tool.name}: the tests that {tool.tests} are skipped.")
    return lines


def _stop(tool: Tool) -> None:
    if tool.service is not None and os.path.isdir(SYSTEMD):
        subprocess.run(["systemctl", "disable", "--now", tool.service], capture_output=True, check=False)

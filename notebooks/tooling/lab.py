"""How JupyterLab is started: on this machine alone, with a token, and asking nobody for anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from jupyter_server.serverapp import aliases

from lib.config import REPO
from notebooks.tooling.run import FOLDER

_OPTIONS = (
    "--ServerApp.ip=127.0.0.1",
    f"--ServerApp.root_dir={FOLDER}",
    "--ServerApp.contents_manager_class=notebooks.tooling.lab_files.NotebookFiles",
    "--LabApp.extension_manager=readonly",
    "--KernelManager.transport_encryption=auto",  # others on this machine cannot listen
    # It would ask other hosts for news and newer versions.
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
)
# Read beside what a person has: nobody is asked about news, and what the JVM says goes to the terminal instead of a cell.
_BESIDE = str(REPO / "conf" / "jupyter")


def command(options: Sequence[str]) -> list[str]:
    """The words that start it. An option that the user gives stands in place of ours: JupyterLab refuses one given twice."""
    given = {_whole_name(option) for option in options}
    ours = [option for option in _OPTIONS if _whole_name(option) not in given]
    as_root = ["--allow-root"] if os.geteuid() == 0 else []
    return [sys.executable, "-m", "jupyterlab", *ours, *as_root, *options]


def _whole_name(option: str) -> str:
    """`ServerApp.ip` of `--ServerApp.ip=127.0.0.1`, and of `--ip`, which is short for it."""
    name = option.partition("=")[0].removeprefix("--")
    return str(aliases.get(name, name))


def environment(kernel: Mapping[str, str]) -> dict[str, str]:
    """That of a kernel, and where JupyterLab finds the settings and the kernel of this repository."""
    found = {name: [_BESIDE, *filter(None, [kernel.get(name)])] for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH")}
    return {**kernel, **{name: os.pathsep.join(paths) for name, paths in found.items()}}

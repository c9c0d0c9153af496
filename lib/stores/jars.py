"""The jars with which Spark opens a lake in an object store: got at the first use of such a lake, and kept in `.venv`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lib.errors import ConfigError


def store_jars(repo: Path, scheme: str) -> tuple[str, ...]:
    """The jars for stores of that kind, in the environment of the clone `repo`. The set-up gets them if they are not there.

    Raises:
        ConfigError: they are not to be had; the set-up has said why on stderr.
    """
    listed = (repo / "conf" / f"jars-{scheme}.sha256").read_text("utf-8").splitlines()
    jars = [repo / ".venv" / f"jars-{scheme}" / line.split()[1] for line in listed]
    if not all(jar.exists() for jar in jars):
        # As a process of its own: the set-up works without anything of Pagelake.
        set_up = [sys.executable, "-E", "-S", str(repo / "scripts" / "setup.py"), f"--{scheme}"]
        if subprocess.run(set_up, stdout=subprocess.DEVNULL, check=False).returncode:
            message = f"the jars for lakes at {scheme}:// could not be got (the reason is above)"
            raise ConfigError(message)
    return tuple(map(str, jars))

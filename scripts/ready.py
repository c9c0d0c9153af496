"""Says whether the set-up is done (exit 0, the Java home on stdout) or has work to do (exit 1).

Runs before every start, so it must stay within some 30 ms: no network, no child process, and few imports.
"""

from __future__ import annotations

import hashlib
import os
import sys

import find_java

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
JARS = os.path.join(VENV, "jars")
# Raise this when setup.py does something new that an older set-up lacks.
FORMAT = 2


def stamp_file(*, dev: bool) -> str:
    """Where the stamp of a finished set-up is."""
    return os.path.join(VENV, ".pagelake-setup-dev" if dev else ".pagelake-setup")


def stamp(*, dev: bool) -> str:
    """All that a set-up depends on, a line each. The path is among it because a venv cannot be moved."""
    files = ["requirements.txt", "conf/jars.sha256", *(["requirements-dev.txt"] if dev else [])]
    lines = [f"format {FORMAT}", f"python {sys.version_info[0]}.{sys.version_info[1]}", f"venv {VENV}"]
    for name in files:
        with open(os.path.join(ROOT, name), "rb") as file:
            lines.append(f"{name} {hashlib.sha256(file.read()).hexdigest()}")
    return "\n".join(lines) + "\n"


def read_stamp(*, dev: bool) -> str:
    """The stamp of the last finished set-up; empty where there is none."""
    try:
        with open(stamp_file(dev=dev), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def checksums() -> dict[str, str]:
    """The jars that must be there: file name to SHA-256, from conf/jars.sha256."""
    with open(os.path.join(ROOT, "conf", "jars.sha256"), encoding="utf-8") as file:
        return {name: digest for digest, name in (line.split() for line in file)}


def is_ready(*, dev: bool) -> bool:
    """Whether nothing is left to do."""
    wanted = [False, True] if dev else [False]
    return all(read_stamp(dev=kind) == stamp(dev=kind) for kind in wanted) and all(
        os.path.exists(os.path.join(JARS, name)) for name in checksums()
    )


def main(arguments: list[str]) -> int:
    """Print the Java home, if nothing is left to do."""
    if not is_ready(dev="--dev" in arguments):
        return 1
    home, passed_over = find_java.find()
    if home is None:
        return 1
    sys.stderr.writelines(f"{line}\n" for line in passed_over)
    sys.stdout.write(f"{home}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

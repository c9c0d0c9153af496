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
# By the option that asks for them: the jars with which Spark opens a lake in such a store. The first use of one asks.
STORES = {"--s3": "jars-s3"}
# Raise this when setup.py does something new that an older set-up lacks.
FORMAT = 2
# What there is on top of what jobs need, by the option that asks for it. For DEV all of NOTEBOOKS is there too.
BASE, NOTEBOOKS, DEV = "", "--notebooks", "--dev"
_STAMPS = {BASE: ".pagelake-setup", NOTEBOOKS: ".pagelake-setup-notebooks", DEV: ".pagelake-setup-dev"}
_ON_TOP = {BASE: [], NOTEBOOKS: ["requirements-notebooks.txt"], DEV: ["requirements-dev.txt"]}


def parts(arguments: list[str]) -> list[str]:
    """What is to be there, in the order in which it is installed."""
    return [BASE, *(part for part in (NOTEBOOKS, DEV, *STORES) if part in arguments)]


def jar_folder(part: str) -> str:
    """Where the jars of a part are."""
    return os.path.join(VENV, STORES[part]) if part in STORES else JARS


def stamp_file(part: str) -> str:
    """Where the stamp of a finished set-up is."""
    return os.path.join(VENV, _STAMPS[part])


def stamp(part: str) -> str:
    """All that a set-up depends on, a line each. The path is among it because a venv cannot be moved."""
    files = ["requirements.txt", "conf/jars.sha256", *_ON_TOP[part]]
    lines = [f"format {FORMAT}", f"python {sys.version_info[0]}.{sys.version_info[1]}", f"venv {VENV}"]
    for name in files:
        with open(os.path.join(ROOT, name), "rb") as file:
            lines.append(f"{name} {hashlib.sha256(file.read()).hexdigest()}")
    return "\n".join(lines) + "\n"


def read_stamp(part: str) -> str:
    """The stamp of the last finished set-up; empty where there is none."""
    try:
        with open(stamp_file(part), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def checksums(part: str = BASE) -> dict[str, str]:
    """The jars of a part that must be there: file name to SHA-256, from conf/jars.sha256 or, of a store, conf/jars-s3.sha256."""
    name = os.path.basename(jar_folder(part))
    with open(os.path.join(ROOT, "conf", f"{name}.sha256"), encoding="utf-8") as file:
        return {name: digest for digest, name in (line.split() for line in file)}


def is_ready(*wanted: str) -> bool:
    """Whether nothing is left to do for these parts."""
    return all(_is_done(part) for part in wanted) and _has_jars(BASE)


def _has_jars(part: str) -> bool:
    return all(os.path.exists(os.path.join(jar_folder(part), name)) for name in checksums(part))


def _is_done(part: str) -> bool:
    if part in STORES:
        return _has_jars(part)
    if part == NOTEBOOKS and _is_done(DEV):
        return True
    return read_stamp(part) == stamp(part)


def main(arguments: list[str]) -> int:
    """Print the Java home, if nothing is left to do."""
    if not is_ready(*parts(arguments)):
        return 1
    home, passed_over = find_java.find()
    if home is None:
        return 1
    sys.stderr.writelines(f"{line}\n" for line in passed_over)
    sys.stdout.write(f"{home}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Environments of what Pagelake is compared with: each its own, as no part of Pagelake needs what is in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]


def python_of(name: str) -> str:
    """The Python of `benchmarks/.NAME`, which is made anew where it is not of the packages pinned in `benchmarks/NAME.txt`."""
    environment, pinned = REPO / "benchmarks" / f".{name}", REPO / "benchmarks" / f"{name}.txt"
    python, made_of = environment / "bin" / "python", environment / pinned.name
    if not made_of.exists() or made_of.read_text("utf-8") != pinned.read_text("utf-8"):
        print(f"making {environment.relative_to(REPO)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--only-binary", ":all:", "-r", str(pinned)]
        subprocess.run(pip, check=True)
        made_of.write_text(pinned.read_text("utf-8"), "utf-8")
    return str(python)

"""Other people's programs that tests ask, each in an environment of its own in the clone, made at its first run by pins."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.e2e.jobs_and_lakes import missing

STAMP = ".pagelake-stamp"


def python_with(pins: Path, venv: Path) -> Path:
    """The Python of an environment that has what a compiled requirements file names."""
    python = venv / "bin" / "python"
    if not _is_made(venv, pins):
        subprocess.run([sys.executable, "-m", "uv", "venv", "-q", "--clear", str(venv)], check=True, timeout=300)
        install = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(python), "-r", str(pins)]
        subprocess.run(install, check=True, timeout=800)
        (venv / STAMP).write_text(pins.read_text("utf-8"), "utf-8")
    return python


def node_modules(packages: Path, folder: Path) -> Path:
    """The packages that a package-lock.json names. No script of theirs is run."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("Node with npm")
    lock = packages / "package-lock.json"
    if not _is_made(folder, lock):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(packages / name, folder)
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(install, cwd=folder, check=True, timeout=300)
        (folder / STAMP).write_text(lock.read_text("utf-8"), "utf-8")
    return folder / "node_modules"


@contextmanager
def started(command: Sequence[str], cwd: Path, log: Path, url: str) -> Iterator[None]:
    """A server that answers well at `url`, for the time of the block."""
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, cwd=cwd) as server:
        try:
            wait_for(url, server, log)
            yield
        finally:
            server.terminate()


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers well."""
    for _ in range(3000):
        if server.poll() is not None:
            break
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    pytest.fail(f"no answer from {url}:\n{log.read_text('utf-8')[-2000:]}")


def _is_made(folder: Path, pins: Path) -> bool:
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_text("utf-8") == pins.read_text("utf-8")

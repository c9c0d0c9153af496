"""Puts one fault after another into a copy of the tree, and says which ones the tests did not notice.

`make test-faults` runs it by hand. Exit 1: a fault went unnoticed, does not apply, or could not be judged.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue

from tests.faults.fault import DoesNotApplyError, Fault
from tests.faults.listed import FAULTS

ROOT = Path(__file__).resolve().parents[2]
# .venv is not taken along: its stamp has its path, and a copy that is set up anew would take minutes. Nor are lakes.
_AT_THE_TOP = frozenset({".git", ".venv", ".venv.lock", "lake", "spark-warehouse", "metastore_db", ".hypothesis"})
_ANYWHERE = shutil.ignore_patterns("__pycache__", ".*_cache")
_LONGEST_S = 900
_FAILED = 1  # of pytest: tests ran, and some failed. Anything else above 0 is no test that noticed something.


class Verdict(StrEnum):
    """What came of one fault."""

    NOTICED = "noticed"
    UNNOTICED = "UNNOTICED"
    DOES_NOT_APPLY = "DOES NOT APPLY"
    RED_WITHOUT_IT = "RED WITHOUT IT"
    BROKEN = "NO TEST RAN"
    HANGS = "HANGS"


@dataclass(frozen=True)
class Result:
    """One fault, what came of it, how long that took, and which test said what."""

    fault: Fault
    verdict: Verdict
    seconds: float
    said: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the faults that are asked for."""
    # A stop ends the tests and removes the copies too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options(arguments)
    chosen = _chosen(options)
    if options.list:
        for fault in chosen:
            print(f"{fault.name:<42} {fault.promise}")
        return 0
    if not chosen:
        print("no such fault; --list names all of them", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="pagelake-faults-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.at_once):
            copies.put(_copy(Path(folder) / f"{number}" / "pagelake"))
        red = set() if options.trust else _red_without(chosen, copies)

        def judged(fault: Fault) -> Result:
            copy = copies.get()
            try:
                result = _judged(fault, copy, is_red=not red.isdisjoint(fault.tests))
            finally:
                copies.put(copy)
            print(f"{result.verdict:<14} {fault.name:<42} {result.seconds:5.0f} s  {result.said}", flush=True)
            return result

        with ThreadPoolExecutor(options.at_once) as pool:
            results = list(pool.map(judged, chosen))
    _say(results)
    return 0 if all(result.verdict is Verdict.NOTICED for result in results) else 1


def _copy(target: Path) -> Path:
    shutil.copytree(ROOT, target, ignore=_left_out)
    # Spark loads Delta from here.
    (target / ".venv").mkdir()
    (target / ".venv" / "jars").symlink_to(ROOT / ".venv" / "jars")
    return target


def _left_out(folder: str, names: list[str]) -> set[str]:
    at_the_top = _AT_THE_TOP.intersection(names) if Path(folder) == ROOT else set()
    return at_the_top | _ANYWHERE(folder, names)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make test-faults ARGS=...", description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", help="only these faults (a part of a name will do)")
    parser.add_argument(
        "--of", choices=("test", "test-all"), default="test-all", help="only faults that make test notices, or all"
    )
    parser.add_argument("--no-spark", action="store_true", help="only faults that are noticed without Spark")
    parser.add_argument("--spark", action="store_true", help="only faults whose tests start Spark")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="how many faults at a time  [default: 1]")
    parser.add_argument("--trust", action="store_true", help="do not run the tests without any fault first")
    parser.add_argument("--list", action="store_true", help="name the faults, and run none")
    options = parser.parse_args(arguments)
    if options.at_once < 1:
        parser.error("--at-once: at least 1")
    return options


def _chosen(options: argparse.Namespace) -> list[Fault]:
    return [
        fault
        for fault in FAULTS
        if (not options.names or any(name in fault.name for name in options.names))
        and (options.of == "test-all" or fault.is_noticed_by_make_test)
        and not (options.no_spark and fault.needs_spark)
        and not (options.spark and not fault.needs_spark)
    ]


def _red_without(chosen: Sequence[Fault], copies: SimpleQueue[Path]) -> set[str]:
    """The tests that fail without any fault, and so can tell nothing of one."""
    tests = list(dict.fromkeys(test for fault in chosen for test in fault.tests))
    copy = copies.get()
    try:
        status, output = _pytest(copy, tests, "-rfE", limit_s=_LONGEST_S * len(chosen))
    finally:
        copies.put(copy)
    lines = [line.split(" ", 1)[1] for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    red = {test for test in tests if any(line.startswith(test) for line in lines)}
    if status not in (0, _FAILED) or (status and not red):
        print(output[-3000:], file=sys.stderr)
        sys.exit(f"the {len(tests)} tests could not be run without a fault (pytest ended with {status})")
    print(f"{len(tests)} tests without a fault: {len(red)} fail", *sorted(red), sep="\n  ", flush=True)
    return red


def _judged(fault: Fault, copy: Path, *, is_red: bool) -> Result:
    if is_red:
        return Result(fault, Verdict.RED_WITHOUT_IT, 0, "its tests fail without the fault too")
    started = time.monotonic()
    try:
        with _in_place(fault, copy):
            status, output = _pytest(copy, fault.tests, "-x", limit_s=_LONGEST_S)
    except DoesNotApplyError as error:
        return Result(fault, Verdict.DOES_NOT_APPLY, 0, str(error))
    except subprocess.TimeoutExpired:
        return Result(fault, Verdict.HANGS, time.monotonic() - started, f"no end within {_LONGEST_S} s")
    verdict = {0: Verdict.UNNOTICED, _FAILED: Verdict.NOTICED}.get(status, Verdict.BROKEN)
    return Result(fault, verdict, time.monotonic() - started, _reason(output))


@contextmanager
def _in_place(fault: Fault, copy: Path) -> Iterator[None]:
    path = copy / fault.file
    good, bad = path.read_bytes() if path.exists() else b"", fault.changed(copy)
    _write(path, bad.encode())
    try:
        yield
    finally:
        _write(path, good)


def _write(path: Path, content: bytes) -> None:
    """Replace the file, and what Python has compiled of it: it goes by size and second alone."""
    path.write_bytes(content)
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()


def _pytest(copy: Path, tests: Sequence[str], *options: str, limit_s: float) -> tuple[int, str]:
    """Run tests of the copy by the Python of the tree that was copied."""
    own = {"PYTHONPATH": str(copy), "SPARK_LOCAL_IP": "127.0.0.1"}
    own |= {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    words = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", *options, *tests]
    done = subprocess.run(
        words, cwd=copy, env={**os.environ, **own}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", timeout=limit_s, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def _reason(output: str) -> str:
    """Which test failed, and the first line of what it said."""
    lines = output.splitlines()
    failed = next((line.removeprefix("FAILED ") for line in lines if line.startswith("FAILED ")), None)
    said = next((line[2:].strip() for line in lines if line.startswith("E  ")), "")
    return f"{failed.partition(' - ')[0]}: {said[:110]}" if failed else (lines[-1] if lines else "pytest said nothing")


def _say(results: Sequence[Result]) -> None:
    print(f"\n{'fault':<42} {'verdict':<14} promise")
    for result in sorted(results, key=lambda result: result.verdict is Verdict.NOTICED):
        print(f"{result.fault.name:<42} {result.verdict:<14} {result.fault.promise}")
    noticed = sum(result.verdict is Verdict.NOTICED for result in results)
    print(
        f"\n{noticed} of {len(results)} faults were noticed, in {sum(result.seconds for result in results):.0f} s of tests."
    )


if __name__ == "__main__":
    sys.exit(main())

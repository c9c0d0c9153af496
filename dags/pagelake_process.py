"""A job as a child process: its lines as they come, its exit status, and a way to stop it. Knows nothing of Airflow."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence

from pagelake_command import ROOT

# A job that is stopped ends its Spark and says how to go on; that takes some seconds.
STOP_S = 60
# What a job leaves behind (a JVM that was cut short as it started) gets so long to end by itself.
LEFTOVERS_S = 20
_PR_SET_PDEATHSIG = 1


class JobProcess:
    """A job at work, with what it prints on either stream as one."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        # None of Airflow's signals to its own group reach the job: it is stopped by `stop`, once, and cleanly.
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        self._all_said = threading.Event()
        threading.Thread(target=self._end_leftovers, daemon=True).start()

    def lines(self) -> Iterator[str]:
        """The lines that the job prints, until it and all that it started have ended."""
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                if text := line.rstrip():
                    yield text
        self._all_said.set()

    def status(self) -> int:
        """The exit status, as a shell would say it: 143 for a job that SIGTERM ended by itself."""
        code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return 128 - code if code < 0 else code

    def stop(self) -> None:
        """Ask the job to end, as Ctrl-C would. One that does not is killed."""
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _end_leftovers(self) -> None:
        """Kill what is left of the job's session some time after the job. It would hold the pipe open, and the task up."""
        self._process.wait()
        if not self._all_said.wait(LEFTOVERS_S):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _end_with_parent() -> None:
    """Let the kernel stop the job when the task's process is killed: nobody else would."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

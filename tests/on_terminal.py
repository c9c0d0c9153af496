"""A command on a terminal of its own, and what a person saw there: every state of the screen, as pyte replays it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyte

# Higher than anything that is printed, so that nothing scrolls away.
_LINES = 1000
_NOT_OF_THE_TEST = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


@dataclass(frozen=True)
class Session:
    """A command that has ended: its status, the lines of the screen after each write to it, and those at the end with colours."""

    status: int
    screens: list[list[str]]
    raw: bytes

    @property
    def lines(self) -> list[str]:
        """What is on the screen at the end."""
        return self.screens[-1]


def on_terminal(command: Sequence[str], *, columns: int, cwd: Path, **env: str) -> Session:
    """Run a command to its end on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    own = {name: value for name, value in os.environ.items() if name not in _NOT_OF_THE_TEST}
    own |= {"TERM": "xterm-256color", **env}
    with subprocess.Popen(list(command), cwd=cwd, env=own, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        screen = pyte.Screen(columns, _LINES)
        stream, screens, raw = pyte.ByteStream(screen), [], b""
        while written := _read(ours):
            raw += written
            stream.feed(written)
            screens.append([line.rstrip() for line in screen.display if line.strip()])
        os.close(ours)
    return Session(process.returncode, screens, raw)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # as Linux says that nobody has the other end any more
        return b""

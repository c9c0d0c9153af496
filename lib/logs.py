"""Logs to stderr: as lines for a person on a terminal, as text or as one JSON object a line elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
from functools import cache

from pythonjsonlogger.json import JsonFormatter
from rich.console import Console
from rich.table import Table
from rich.text import Text

LOGGER = "pagelake"

Sign = tuple[str, str]
"""What a line begins with, and its colour: where there is no colour, the sign says the same."""
GOOD, BAD, WARNED = ("✓", "bold green"), ("✗", "bold red"), ("!", "bold yellow")


TERMINAL_LOCK = threading.RLock()
"""Held by who writes a line, and while a progress bar comes or goes: a line of another thread would end up beside it."""


class _TextFormatter(logging.Formatter):
    """The message, and what was given as `extra`, as `name=value`."""

    _known = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{name}={value}" for name, value in vars(record).items() if name not in self._known)
        return f"{super().format(record)} {extra}".rstrip()


class _OnTerminal(logging.Handler):
    """A sign and the message, above what moves at the bottom of the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        sign, style = (" ", "dim" if record.levelno < logging.INFO else "")
        if record.levelno >= logging.WARNING:
            sign, style = BAD if record.levelno >= logging.ERROR else WARNED
        line = Table.grid(padding=(0, 1))
        said = "\n".join(map(printable, self.format(record).splitlines()))
        line.add_row(Text(sign, style), Text(said, "" if sign.strip() else style, overflow="fold"))
        with TERMINAL_LOCK:
            terminal().print(line, soft_wrap=False)


def printable(text: str) -> str:
    """One line of text that moves no cursor, whatever wrote it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


@cache
def terminal() -> Console:
    """The one console that writes to stderr: what goes through it is never glued to a progress bar."""
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def is_for_people() -> bool:
    """Whether a person looks at the log, on a terminal."""
    return any(isinstance(handler, _OnTerminal) for handler in logging.getLogger().handlers)


def set_up_logs(*, as_json: bool, verbose: bool) -> None:
    """Send Pagelake's log to stderr; libraries stay quiet below a warning."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if as_json:
        fields = ["asctime", "levelname", "name", "message"]
        handler.setFormatter(JsonFormatter(fields, rename_fields={"asctime": "time", "levelname": "level"}))
    elif terminal().is_terminal:
        handler = _OnTerminal()
        logging.captureWarnings(capture=True)
        handler.setFormatter(_TextFormatter("%(message)s"))
    else:
        handler.setFormatter(_TextFormatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    # Py4J logs tracebacks, some by the root logger, for a call that Ctrl-C cuts short; its failures reach us as exceptions.
    handler.addFilter(lambda record: record.module not in ("java_gateway", "clientserver"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(LOGGER).setLevel(logging.DEBUG if verbose else logging.INFO)
    # GX warns of its own internals at every start; what it could not check reaches us as a result.
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    # PySpark prints each error of a query by itself, with the value of the data that it quotes; it reaches us as an exception.
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).setLevel(logging.CRITICAL)

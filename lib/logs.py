"""Logs to stderr, as text or as one JSON object a line."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

LOGGER = "pagelake"


class _TextFormatter(logging.Formatter):
    """The message, and what was given as `extra`, as `name=value`."""

    _known = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{name}={value}" for name, value in vars(record).items() if name not in self._known)
        return f"{super().format(record)} {extra}".rstrip()


def set_up_logs(*, as_json: bool, verbose: bool) -> None:
    """Send Pagelake's log to stderr; libraries stay quiet below a warning."""
    handler = logging.StreamHandler(sys.stderr)
    if as_json:
        fields = ["asctime", "levelname", "name", "message"]
        handler.setFormatter(JsonFormatter(fields, rename_fields={"asctime": "time", "levelname": "level"}))
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

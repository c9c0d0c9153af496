"""What an exception of a check may show: neither a traceback, nor a path of this machine, nor a value of the data."""

from __future__ import annotations

import re

_LONGEST = 200
_ERROR_CLASS = re.compile(r"\[[A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*\]")
_SQLSTATE = re.compile(r"SQLSTATE: (\w{5})")
# Syntax error or access rule violation: of the query itself, whatever is in the rows.
_OF_THE_QUERY = "42"
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*(?:'|$)|"(?:[^"\\]|\\.)*(?:"|$)""")
# What stands in a message without quotes, and may well be somebody's.
_LOOSE = re.compile(r"[^\s'@]+@[^\s'@]+|(?<![\w.])[+-]?[0-9]{6,}")
_NO_COLUMN = re.compile(r'(?:Error: )?The column "[^"]*" in BatchData does not exist\.?')
_PATH = re.compile(r"(?<![\w.<])(?:[a-z][\w+.-]*:)?(?:/+[^\s/'\"`,;:()<>\[\]]+){2,}/?", re.IGNORECASE)


def inert(message: str, *, paths: bool = False) -> str:
    """One line of an exception's message.

    Spark quotes the value that it cannot read (`CAST_INVALID_INPUT`): of its errors those are shown whole that are about a
    query's text, and of others the class alone. In a message of anything else, what is in quotes is `***`, and so are addresses
    and long numbers. With `paths` those of this machine are shown: to its operator, never in a page.
    """
    text = message.strip()
    found = _ERROR_CLASS.search(text)
    if found:
        # A value may look like a state, and then there is more than one.
        states = _SQLSTATE.findall(text)
        if not states or any(not state.startswith(_OF_THE_QUERY) for state in states):
            return f"{found[0]} (the rest may hold values, and is not shown)"
        line = _first_line(text[found.start() :])
    else:
        line = _first_line(text)
        if not _NO_COLUMN.fullmatch(line):
            line = _LOOSE.sub("***", _QUOTED.sub("'***'", line))
    line = line if paths else _PATH.sub("(a path)", line)
    return line[:_LONGEST] or "no message"


def _first_line(text: str) -> str:
    return text.splitlines()[0].strip() if text else ""

"""An exception for people: where it was raised, and what it says without a value of the data."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from lib.errors import PagelakeError
from lib.quality.inert import inert


def told(error: BaseException) -> str:
    """One line. What Pagelake says of itself holds no value; what a library says may quote one, and is shown without."""
    if isinstance(error, PagelakeError):
        return str(error)
    said = inert(_text(error), paths=True)
    return f"{type(error).__name__}: {said}"


def traced(error: BaseException) -> list[str]:
    """The traceback, and those of the exceptions behind it, as Python orders them. No line of it holds a value of the data."""
    lines: list[str] = []
    for one, how in reversed(list(_chain(error))):
        lines.append("Traceback (most recent call last):")
        lines += [line.rstrip("\n") for line in traceback.format_tb(one.__traceback__)]
        lines.append(f"{type(one).__name__}: {told(one)}" if isinstance(one, PagelakeError) else told(one))
        lines += [f"  in it: {told(inside)}" for inside in getattr(one, "exceptions", ())]
        if how:
            lines.append(f"\n{how}\n")
    return lines


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """The exception and those behind it, the newest first; and how Python says that each led to the one after it."""
    seen: set[int] = set()
    one: BaseException | None = error
    after = ""
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one, _FOLLOWS.get(after, "")
        if one.__cause__ is not None:
            one, after = one.__cause__, "cause"
        elif one.__context__ is not None and not one.__suppress_context__:
            one, after = one.__context__, "context"
        else:
            one = None


_FOLLOWS = {
    "cause": "The above exception was the direct cause of the following exception:",
    "context": "During handling of the above exception, another exception occurred:",
}


def _text(error: BaseException) -> str:
    # Of an operating system's error the reason and the file: neither is data.
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
    return str(error)

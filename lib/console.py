"""Progress and summary: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from lib.logs import LOGGER

log = logging.getLogger(LOGGER)
# What is read by a program has no width to keep to.
_PIPED_WIDTH = 400
_WIDE = 110
_TO_THE_LEFT = 2


class Steps:
    """The steps of a job: shown while they last, logged with their seconds when they end.

    `seconds` is what each took in all, failed ones too, steps within it left out.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, soft_wrap=True)
        self.seconds: dict[str, float] = {}
        self._inside = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step of the job."""
        with self.counted(name, 0):
            yield

    def note(self, text: str) -> None:
        """Say something in between."""
        log.info(text)

    @contextmanager
    def counted(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """One step that can say how far it is: call what is yielded with the number done since the last call."""
        started, inside, self._inside = time.monotonic(), self._inside, 0.0
        columns = [TextColumn("{task.description}"), TimeElapsedColumn()]
        if total:
            columns[1:1] = [BarColumn(), MofNCompleteColumn()]
        progress = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        try:
            with progress:
                task = progress.add_task(name, total=total or None)
                yield lambda done: progress.advance(task, done)
        finally:
            whole = time.monotonic() - started
            # Of a step within a step the time is told once.
            self.seconds[name] = self.seconds.get(name, 0.0) + whole - self._inside
            self._inside = inside + whole
        log.info(name, extra={"seconds": round(whole, 1)})


def say(lines: Sequence[str]) -> None:
    """The job's summary, on standard output."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for line in lines:
        console.print(line)


def show_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, optional: tuple[str, Sequence[str]] | None = None
) -> None:
    """Rows on standard output, two columns to the left. `optional`, a head and its cells, stands last where there is room."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=_PIPED_WIDTH)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_edge=False, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place < _TO_THE_LEFT else "right", no_wrap=place != 1)
    cells = [list(map(printable, row)) for row in rows]
    if optional is not None and console.width >= _WIDE:
        table.add_column(optional[0], no_wrap=True)
        cells = [[*row, printable(last)] for row, last in zip(cells, optional[1], strict=True)]
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def printable(text: str) -> str:
    """One line of text that moves no cursor, whatever wrote it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text in columns: the first one to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]

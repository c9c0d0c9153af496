"""Progress and summary: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from lib.logs import BAD, GOOD, LOGGER, TERMINAL_LOCK, WARNED, Sign, is_for_people, printable, terminal

log = logging.getLogger(LOGGER)
# What is read by a program has no width to keep to.
_PIPED_WIDTH = 400
_WIDE = 110
_TO_THE_LEFT = 2
# Of the names of steps; and of the progress bar.
_LONGEST, _BAR = 18, 20


class Step:
    """One step of a job while it lasts. `result` says in a few words what came of it; `sign` goes with it.

    Any thread may say how far it is, of a `total` (0: nobody knows it). `moved` hears of it.
    """

    def __init__(self, total: int) -> None:
        self.result = ""
        self.sign = GOOD
        self.moved: Callable[[int], object] = lambda _: None
        self.done = 0
        self._total, self._lock = total, threading.Lock()

    def advance(self, number: int = 1) -> None:
        """So many more are done. What a failed task did is done a second time, but there is never more than all."""
        with self._lock:
            self._to(self.done + number)

    def reach(self, done: int) -> None:
        """So many are done in all."""
        with self._lock:
            self._to(max(self.done, done))

    def _to(self, done: int) -> None:
        self.done = min(done, self._total) if self._total else done
        self.moved(self.done)


class Steps:
    """The steps of a job: shown while they last, with their seconds when they end.

    `seconds` is what each took in all, failed ones too, steps within it left out.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """One step of the job."""
        with self.counted(name, 0) as step:
            yield step

    def note(self, text: str) -> None:
        """Say something in between."""
        log.info(text)

    @contextmanager
    def counted(self, name: str, total: int, things: str = "") -> Iterator[Step]:
        """One step that can say how many `things` are done, of so many (0: nobody knows)."""
        started, inside, self._inside = time.monotonic(), self._inside, 0.0
        columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn(name.ljust(_LONGEST)), TimeElapsedColumn()]
        if total:
            columns += [BarColumn(bar_width=_BAR), TextColumn(f"{{task.completed:,.0f}}/{total:,} {things}")]
        elif things:
            columns += [TextColumn(f"{{task.completed:,.0f}} {things}")]
        step = Step(total)
        progress = Progress(
            *columns, console=terminal(), transient=True, redirect_stdout=False, disable=not is_for_people()
        )
        task = progress.add_task(name, total=total or None)
        step.moved = lambda done: progress.update(task, completed=done)
        with TERMINAL_LOCK:
            progress.start()
        try:
            yield step
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt | SystemExit)
            step.sign, step.result = (WARNED, "stopped") if stopped else (BAD, "failed")
            raise
        finally:
            with TERMINAL_LOCK:
                progress.stop()
            whole = time.monotonic() - started
            # Of a step within a step the time is told once.
            self.seconds[name] = self.seconds.get(name, 0.0) + whole - self._inside
            self._inside = inside + whole
            if is_for_people():
                _show(name, step, whole)
        if not is_for_people():
            log.info(name, extra={"seconds": round(whole, 1), **({"result": step.result} if step.result else {})})


def _show(name: str, step: Step, seconds: float) -> None:
    """A step that is over, above those that are not."""
    sign, style = step.sign
    line = Text.assemble((sign, style), f" {name:<{_LONGEST}} ", (f"{seconds:7,.1f} s", "dim"), f"  {step.result}")
    line.rstrip()
    terminal().print(line)


def say(lines: Sequence[str], sign: Sign | None = None) -> None:
    """The job's summary, on standard output. With a `sign` its first line is the headline, marked so on a terminal."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for place, line in enumerate(lines):
        if sign and not place and console.is_terminal:
            console.print(f"{sign[0]} {line}", style=sign[1])
        else:
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
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as plain:
        console.print(table)
    say([line.rstrip() for line in plain.get().splitlines()])


def number_of(number: int, thing: str) -> str:
    """A number of things: `1 page`, `2,001 pages`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


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

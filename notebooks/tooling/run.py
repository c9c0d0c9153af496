"""Runs the notebooks on a lake, and makes pages of them that load nothing and run no script."""

from __future__ import annotations

import asyncio
import re
import signal
import tempfile
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from traitlets.config import Config

from lib.config import REPO
from lib.errors import ConfigError, LakeError, NotInThisLakeError, PagelakeError
from lib.lake import site_folder as site
from lib.lake.storage import Address
from lib.reporting import pages
from notebooks.tooling.look import NARROWER, PLOT, WIDTH, drawn

FOLDER = REPO / "notebooks"
# Run last, and not shown: a JVM that ends with its kernel logs errors about the work it was doing.
_STOP_SPARK = """
from pyspark.sql import SparkSession
if SparkSession.getActiveSession(): SparkSession.getActiveSession().stop()
"""
MOST_SECONDS = 900  # of one cell: the first starts Spark, and the largest reads a whole table once


def notebooks() -> list[Path]:
    """The notebooks that there are, in their order."""
    return sorted(FOLDER.glob("*.ipynb"))


class _Client(NotebookClient):
    """A client that Ctrl-C and SIGTERM end, with its kernel. Without this, it waits on for the kernel that it has shut down."""

    was_stopped = False

    @asynccontextmanager
    async def async_setup_kernel(self, **options: Any) -> AsyncGenerator[None, None]:
        async with super().async_setup_kernel(**options):
            running = asyncio.current_task()
            with suppress(RuntimeError):  # not in the main thread: signals are not for this one
                for number in (signal.SIGINT, signal.SIGTERM):
                    asyncio.get_running_loop().add_signal_handler(number, self._stop, running)
            yield

    def _stop(self, running: asyncio.Task[Any] | None) -> None:
        self.was_stopped = True
        if running is not None:
            running.cancel()


def run_notebooks(env: Mapping[str, str], executed: Path | None) -> dict[str, NotebookNode]:
    """Run every notebook, and give them by name, with their outputs. With `executed`, they are also kept in that folder.

    Raises:
        ConfigError, KeyboardInterrupt, PagelakeError: as `run_notebook`.
    """
    ran = {}
    with tempfile.TemporaryDirectory() as profile:  # what someone has in ~/.ipython is not to decide what is published
        for path in notebooks():
            click.echo(f"{path.stem} ...", err=True)
            ran[path.stem] = run_notebook(path, {**env, "IPYTHONDIR": profile})
            if executed is not None:
                executed.mkdir(parents=True, exist_ok=True)
                nbformat.write(ran[path.stem], executed / path.name)
    return ran


def run_notebook(path: Path, env: Mapping[str, str]) -> NotebookNode:
    """Run one notebook from top to bottom in a kernel with this environment; the notebook with its outputs.

    A notebook may say that the rest is not about this lake: it ends with that sentence, and that is no failure.

    Raises:
        ConfigError: there is no lake, or nothing in it, in the words of the notebook.
        KeyboardInterrupt: somebody stopped it.
        PagelakeError: a cell failed, took too long, or took Python with it; says which.
    """
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    client = _Client(
        notebook,
        timeout=MOST_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        config=Config({"KernelManager": {"transport_encryption": "auto"}}),  # others on this machine cannot listen
    )
    notebook.cells.append(nbformat.v4.new_code_cell(_STOP_SPARK))
    try:
        client.execute(env=dict(env))
    except CellExecutionError as error:
        number = next(number for number, cell in enumerate(notebook.cells) if _failed(cell))
        if error.ename == NotInThisLakeError.__name__:
            notebook.cells[number:] = [nbformat.v4.new_markdown_cell(error.evalue), notebook.cells[-1]]
        elif error.ename == ConfigError.__name__:
            raise ConfigError(error.evalue) from error
        else:
            # Of the message the class alone: Spark's hold values of the data.
            message = (
                f"{path.name}: cell {number + 1} failed with {error.ename}; no page was changed. Run it by hand to see more: "
                f"make notebook LAKE=..."
            )
            raise PagelakeError(message) from error
    except (asyncio.CancelledError, DeadKernelError, CellTimeoutError) as error:
        if client.was_stopped:
            raise KeyboardInterrupt from error
        why = (
            f"a cell took more than {MOST_SECONDS} seconds"
            if isinstance(error, CellTimeoutError)
            else "its Python ended, as where memory is short"
        )
        message = f"{path.name}: {why}; no page was changed. Run it by hand to see more: make notebook LAKE=..."
        raise PagelakeError(message) from error
    notebook.cells.pop()
    return notebook


def write_pages(folder: Address, ran: Mapping[str, NotebookNode], publication_id: str) -> None:
    """Write the pages of notebooks that have run, and after them the page that links to all.

    Raises:
        LakeError: they cannot be written there.
    """
    made = {f"{name}.html": page_of(notebook, name) for name, notebook in ran.items()}
    titles = {name: next(_headings(notebook.cells), "") for name, notebook in ran.items()}
    made["index.html"] = pages.render_notebooks(titles, publication_id)
    try:
        for name, page in made.items():
            site.write_page(folder, name, page)
    except OSError as error:
        message = (
            f"{folder}: the pages cannot be written there ({error.strerror}). Fix that, then make notebooks-html again"
        )
        raise LakeError(message) from error


def page_of(notebook: NotebookNode, name: str) -> str:
    """The notebook as one HTML page of the site, without stderr, which has warnings of libraries and the JVM."""
    shown = nbformat.from_dict(notebook)
    heading = name
    for cell in shown.cells:
        heading = [heading, *_headings([cell])][-1]
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
            for one in cell.outputs:
                if svg := one.get("data", {}).get("image/svg+xml"):
                    one.metadata["alt"] = _in_words(heading, svg)
                if plot := one.get("data", {}).get(PLOT):
                    one.data["image/svg+xml"] = drawn(plot, WIDTH, on_page=True)
                    narrower = [(most, drawn(plot, width, on_page=True)) for most, width in NARROWER.items()]
                    one.metadata["narrower"] = narrower
    shown.metadata["title"] = name
    template = (files("lib.reporting") / "templates" / "notebook.html.j2").read_text("utf-8")
    exporter = HTMLExporter(raw_template=template, exclude_input_prompt=True, exclude_output_prompt=True)
    html, _ = exporter.from_notebook_node(shown)
    return str(html)


def _headings(cells: Iterable[NotebookNode]) -> Iterator[str]:
    for cell in cells:
        if cell.cell_type == "markdown":
            yield from re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE)


def _in_words(heading: str, svg: str) -> str:
    """A plot for those who cannot see it: the heading that it is under, and Vega's words for its axes."""
    return ". ".join([heading, *(unescape(axis) for axis in re.findall(r'aria-label="([XY]-axis [^"]+)"', svg))])


def _failed(cell: NotebookNode) -> bool:
    return any(one.output_type == "error" for one in cell.get("outputs", ()))

"""Runs the notebooks on a lake, and makes pages of them that load nothing and run no script."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from traitlets.config import Config

from lib.config import REPO
from lib.errors import ConfigError, NotInThisLakeError, PagelakeError

FOLDER = REPO / "notebooks"
# Run last, and not shown: with the kernel the JVM ends too, and complains of what it is at.
_STOP_SPARK = """
from pyspark.sql import SparkSession
if SparkSession.getActiveSession(): SparkSession.getActiveSession().stop()
"""
MOST_SECONDS = 900  # of one cell: the first starts Spark, and the largest reads a whole table once


def notebooks() -> list[Path]:
    """The notebooks that there are, in their order."""
    return sorted(FOLDER.glob("*.ipynb"))


def run_notebook(path: Path, env: Mapping[str, str]) -> NotebookNode:
    """Run one notebook from top to bottom in a kernel with this environment; the notebook with its outputs.

    One that says that the rest is not about this lake ends with that sentence, and all is well.

    Raises:
        ConfigError: there is no lake, or nothing in it, in the words of the notebook.
        PagelakeError: a cell failed; says which.
    """
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    client = NotebookClient(
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
    notebook.cells.pop()
    return notebook


def page_of(notebook: NotebookNode, name: str) -> str:
    """The notebook as one HTML page of the site, without what libraries and the JVM said on stderr."""
    shown = nbformat.from_dict(notebook)
    for cell in shown.cells:
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    shown.metadata["title"] = name
    template = (files("lib.quality") / "templates" / "notebook.html.j2").read_text("utf-8")
    exporter = HTMLExporter(raw_template=template, exclude_input_prompt=True, exclude_output_prompt=True)
    html, _ = exporter.from_notebook_node(shown)
    return str(html)


def _failed(cell: NotebookNode) -> bool:
    return any(one.output_type == "error" for one in cell.get("outputs", ()))

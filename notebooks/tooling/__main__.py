"""`make notebook` and `make notebooks-html`: the notebooks on a lake, to work in or as pages of its site.

No job of spark-submit.sh: these need packages of their own (requirements-notebooks.txt).
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from jobs import cli
from lib.errors import LakeError, PagelakeError
from lib.lake import read_published
from lib.lake.layout import lake_at
from lib.lake.storage import Address
from lib.lake.there import lake_there
from notebooks.tooling import lab
from notebooks.tooling.run import run_notebooks, write_pages


def _named(_context: click.Context, _parameter: click.Parameter, lake: str) -> str:
    if not lake:
        raise click.BadParameter("it is empty; name a lake, such as LAKE=lake/demo")
    return lake


@click.group(help="Open the notebooks on a lake, or publish them as pages of its site.")
def command() -> None:
    """The command line."""


@command.command("open", help="JupyterLab on this machine alone, with a token. Options after -- are JupyterLab's.")
@click.option("--lake", required=True, callback=_named, metavar="PATH", help="The lake that the notebooks open.")
@click.argument("options", nargs=-1)
def open_lab(lake: str, options: tuple[str, ...]) -> None:
    """Become JupyterLab."""
    lake_there(lake)
    os.execve(sys.executable, lab.command(options), lab.environment(kernel_environment(lake)))


@command.command("html", help="Run every notebook on a lake, and publish them under its site/notebooks/.")
@click.option("--lake", required=True, callback=_named, metavar="PATH", help="The lake to run them on.")
@click.option(
    "--executed",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the notebooks with their outputs in this folder too.",
)
def html(lake: str, executed: Path | None) -> None:
    """Write the pages once all notebooks have run: one that fails leaves the pages as they were. All are of one publication."""
    root, published = read_published(lake)
    ran = run_notebooks(kernel_environment(lake), executed)
    if (now := read_published(lake)[1]["publication_id"]) != published["publication_id"]:
        raise LakeError(
            f"publication {now} became current while the notebooks ran; no page was changed. Run them again"
        )
    folder = Address.of(root) / "site" / "notebooks"
    write_pages(folder, ran, published["publication_id"])
    click.echo(f"Notebooks: {folder / 'index.html'}")


def kernel_environment(lake: str) -> dict[str, str]:
    """The environment of a kernel: that of a job, and the lake. What PYSPARK_SUBMIT_ARGS has goes to Spark, as in any notebook."""
    try:
        words = shlex.split(os.environ.get("PYSPARK_SUBMIT_ARGS", ""))
    except ValueError as error:
        raise cli.UsageError(f"PYSPARK_SUBMIT_ARGS cannot be read as options ({error}). Fix its quotes.") from error
    given = [word for word in words if word != "pyspark-shell"]
    added = cli.spark_environment(given, os.environ, python=sys.executable)
    return {**os.environ, **added, "PAGELAKE_LAKE": str(lake_at(lake).root)}


def main() -> int:
    """Run the command line, and return its exit status, as those of jobs are."""
    try:
        command.main(prog_name="notebooks.tooling", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except PagelakeError as error:
        click.echo(str(error), err=True)
        return error.exit_status
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped. No page was changed.", err=True)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`new-source`: a source YAML and its suites for an API, from its OpenAPI document or from the address of one list."""

from __future__ import annotations

import os
import re
from typing import Any

import click

from lib.config import REPO, Runtime
from lib.console import Steps, number_of, say, show_table
from lib.discovery.credentials import Given, check_given
from lib.discovery.document import read_document
from lib.discovery.expected import suite_of
from lib.discovery.preview import Preview, previewed
from lib.discovery.survey import of_address, of_document, surveyed
from lib.discovery.written import check_free, write, yaml_of
from lib.errors import ConfigError, SourceIncompleteError
from lib.logs import GOOD, set_up_logs

_ENV = "The names of environment variables, never the values."


@click.command(
    "new-source",
    help="Write conf/sources/NAME.yml and expectations/NAME/ for an API: ask for a few pages of each of its lists, and guess from "
    "them and from its OpenAPI document. Ends with a dry run of the file. Nothing is overwritten, and no Spark is started.",
)
@click.argument("name")
@click.option("--openapi", metavar="FILE|URL", help="The OpenAPI document of the API, 3.0 or 3.1, as JSON or YAML.")
@click.option("--url", metavar="URL", help="Without a document: the address of one list.")
@click.option("--api-url", metavar="URL", help="The address of the API, in place of the one that the document names.")
@click.option("--tables", metavar="A,B", help="Only these lists of the document, by table or path.")
@click.option(
    "--bearer-env", metavar="NAME", help="The environment variable with a token: SHOP_TOKEN, never the token itself."
)
@click.option("--basic-env", nargs=2, metavar="USER PASSWORD", help=f"HTTP basic authentication. {_ENV}")
@click.option(
    "--header-env", nargs=2, multiple=True, metavar="HEADER NAME", help="A header, and the variable with its value."
)
@click.option(
    "--query-env", nargs=2, multiple=True, metavar="PARAM NAME", help="A parameter, and the variable with its value."
)
@click.option("--oauth2-env", nargs=2, metavar="ID SECRET", help=f"OAuth2 client credentials. {_ENV}")
@click.option("--token-url", metavar="URL", help="Where OAuth2 tokens are got.  [default: as the document says]")
@click.option("--no-auth", is_flag=True, help="The API asks for no credentials, whatever the document says.")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How log lines look."
)
@click.option("--verbose", is_flag=True, help="More log lines, and tracebacks.")
def command(**options: Any) -> None:
    """The command line of the job."""
    set_up_logs(as_json=options["log_format"] == "json", verbose=options["verbose"])
    name, runtime = _name(options["name"]), Runtime.of(os.environ)
    if (options["openapi"] is None) == (options["url"] is None):
        raise ConfigError("new-source takes one of --openapi FILE|URL and --url URL, and this is neither or both")
    if options["url"] is not None and options["api_url"] is not None:
        raise ConfigError("--api-url goes with --openapi; --url is the whole address of a list")
    given = Given(
        bearer=options["bearer_env"],
        basic=options["basic_env"],
        headers=options["header_env"],
        queries=options["query_env"],
        oauth2=options["oauth2_env"],
        token_url=options["token_url"],
        none=options["no_auth"],
    )
    check_given(given, os.environ)
    yaml = runtime.conf / "sources" / f"{name}.yml"
    check_free([yaml])
    if options["url"] is not None:
        survey = of_address(name, options["url"], given, options["tables"])
    else:
        survey = of_document(name, read_document(options["openapi"]), given, options["api_url"], options["tables"])
    suites_of = runtime.expectations / name
    check_free([suites_of / f"{listed.table}.json" for listed in (*survey.lists, *survey.children)])
    found = surveyed(survey, os.environ, Steps())
    suites = {suites_of / f"{draft.table}.json": suite_of(name, draft) for draft in found.drafts}
    write(yaml, yaml_of(found), suites)
    say([f"Written: {_shown(yaml)} and {number_of(len(suites), 'suite')} in {_shown(suites_of)}.", ""], GOOD)
    doubts = {draft.table: draft.proof.said for draft in found.drafts if not draft.proof.holds}
    _say_preview(previewed(yaml, runtime.conf, os.environ, doubts), name)


def _say_preview(preview: Preview, name: str) -> None:
    """The dry run: the plan, the first rows, and what two pages of each table say.

    Raises:
        SourceIncompleteError: they contradict each other, or a table cannot be planned.
    """
    for table in preview.source.tables:
        proof = preview.proofs[table.name]
        say(["", f"{table.name}: {proof.said}."])
        heads, rows = preview.rows(table)
        if rows:
            show_table(heads, rows)
    say([""])
    if preview.contradictions:
        lines = [
            "The files are written, and do not fit the API yet; change what these lines name:",
            *preview.contradictions,
        ]
        raise SourceIncompleteError("\n".join(lines))
    then = f"Next: read the comments in the YAML, then ./spark-submit.sh full-ingest --source {name}"
    say([*preview.plan_lines, then])


def _name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,99}", name):
        message = (
            f"{name[:100]!r} is no name of a source: lower case letters, digits, '_' and '-', starting with a letter"
        )
        raise ConfigError(message)
    return name


def _shown(path: Any) -> str:
    return str(path.relative_to(REPO)) if path.is_relative_to(REPO) else str(path)

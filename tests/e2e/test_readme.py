"""README.md, docs/reading.md and docs/jobs.md promise only what works: their marked blocks are run here in order, on one lake.

They run in a folder that stands for the clone: every entry is a link to the real one, so that `lake/` is made there.
"""

from __future__ import annotations

import ast
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lib.config import load_source
from tests.e2e.documented import PAGES, Marked, blocks, first_difference, marked, run_block
from tests.e2e.jobs_and_lakes import ROOT, printed, read

pytestmark = pytest.mark.e2e

RUN_HERE = (ROOT / "README.md", ROOT / "docs" / "reading.md", ROOT / "docs" / "jobs.md")
README, JOBS = RUN_HERE[0].read_text("utf-8"), RUN_HERE[2].read_text("utf-8")


@dataclass(frozen=True)
class Ran:
    """One marked block, and what came of it."""

    block: Marked
    status: int
    out: str
    err: str


# Blocks by their first line. Those of README that are marked are run by the fixture `ran`.
RUN_ABOVE = {
    "source: shop",
    ".venv/bin/python - lake/demo <<'PY'",
    "./spark-submit.sh explain-row --source demo --lake lake/demo --table tracks --key id=623536",  # README's, in full
}
# The same command, program or text, with what it should give.
RUN_ELSEWHERE = {
    "tables:": "unit/test_config_rows.py::test_the_example_of_nested_tables_in_the_docs_is_good",
    "api:": "unit/test_config_answer_rules.py::test_the_example_of_the_docs_is_good",
    '(source scripts/environment.sh --notebooks && "$PAGELAKE_VENV/bin/python" explore.py)': "e2e/test_readme.py::ran",
    "SELECT CASE WHEN every_track._deleted_at IS NOT NULL THEN 'deleted' WHEN every_track.id IS NOT NULL THEN 'live'": (
        "spark/test_notebooks_by_hand.py::test_the_docs_say_which_plays_a_join_would_drop"
    ),
    'make test ARGS="tests/unit/test_source_retries.py"            # one file of unit tests': (
        "e2e/test_make_test.py::test_arguments_go_to_pytest_and_to_no_make_that_a_test_starts"
    ),
    "pytestmark = [pytest.mark.e2e, pytest.mark.quick]  # a second or two": (
        "e2e/test_make_test.py::test_each_test_is_in_one_part_and_the_last_line_says_what_is_left_out"
    ),
    'api: {url: "https://shop.example/api?tenant=7", headers: {Accept: application/vnd.api+json}}': (
        "unit/test_config_fixed.py::test_values_are_text_numbers_and_truth_and_secrets_come_from_the_environment"
    ),
    "pagination: {style: page, page_param: p, size_param: per_page, size: 50, items: data, total: meta.total, "
    "pages: meta.pages}": "unit/test_config_pagination.py::test_an_example_is_taken_and_reaches_the_class_of_its_style",
    'auth: {type: oauth2_client_credentials, token_url: "https://shop.example/oauth/token", client_id: pagelake, '
    'client_secret: "${SHOP_SECRET}"}': "unit/test_config_auth.py::test_the_examples_of_the_docs_are_good",
    "./spark-submit.sh full-ingest": "e2e/test_recommended.py::by_model",
    "recommend:": "unit/test_config_recommend.py::test_the_music_sources_have_the_block_and_plays_from_a_derived_table",
    "make notebook LAKE=lake/demo": (
        "e2e/test_notebooks.py::test_make_notebook_is_jupyterlab_on_this_machine_alone_and_with_a_token"
    ),
    "make notebooks-html LAKE=lake/demo": "e2e/test_notebooks.py::test_without_spark_the_counts_are_the_same",
    "SELECT publication_id, run_id, published_at, path, version": "spark/test_history.py::documented",
    "SELECT * FROM delta.`lake/demo/silver/tracks` VERSION AS OF 2 WHERE id = 623536": "spark/test_history.py::documented",
    "SELECT run_id, started_at, t.version": "spark/test_history.py::documented",
    "WITH feed AS (": "spark/test_history.py::documented",
    "SELECT _commit_version AS version, _run_id, _changed_at, _deleted_at, name": "spark/test_history.py::documented",
    "./spark-submit.sh failures                                    # those of the last check": (
        "unit/test_failures_job.py::test_a_run_stands_for_its_first_check_and_no_run_for_the_last_of_all"
    ),
    "./spark-submit.sh sanity-check --rollback": "unit/test_rollback.py::test_the_command_rolls_back_and_says_what_is_current",
    "./spark-submit.sh sanity-check --accept 'listen_history.orphans.items[]' "
    '--reason "lost in the move of 3 May; the source will not fix it"': (
        "spark/test_accept.py::test_an_accepted_failure_is_published_once_and_everyone_can_read_why"
    ),
    "./spark-submit.sh --master k8s://https://... --conf spark.driver.host=driver.jobs.svc "
    "--conf spark.driver.bindAddress=0.0.0.0 \\": "unit/test_budget_address.py::test_the_example_of_the_docs_is_good",
    "SHOP_TOKEN=... ./spark-submit.sh new-source shop --openapi https://shop.example/openapi.json --bearer-env SHOP_TOKEN": (
        "unit/test_new_source.py::test_the_yaml_of_a_document_runs_unedited_and_lands_every_row"
    ),
    "./spark-submit.sh full-ingest --lake s3://bucket/lakes/demo": "e2e/test_lake_in_s3.py::first",
    "source scripts/environment.sh --s3": (
        "e2e/test_setup.py::test_the_jars_of_a_store_are_got_when_they_are_asked_for_and_once"
    ),
    'readers: {sql: [athena, trino], manifests: true, deletion_vectors: false, address: "s3://bucket/lake"}': (
        "unit/test_catalogs.py::test_the_docs_have_every_key_and_every_engine_and_an_example_that_is_taken"
    ),
    "channels:": "unit/test_alerts_config.py::test_the_examples_of_the_docs_are_good",
    '{"master": "local[4]", "conf": {"spark.sql.shuffle.partitions": 8}, "options": ["--driver-memory", "4g"]}': (
        "unit/test_dags.py::test_the_variable_becomes_options_of_spark_submit"
    ),
    "from pagelake_jobs import PUBLISHED, PagelakeJob, pagelake_dag": (
        "e2e/test_airflow.py::test_a_good_run_is_published_and_the_lists_are_made_from_it"
    ),
    "export AIRFLOW__METRICS__OTEL_ON=True OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 "
    "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf": (
        "e2e/test_airflow.py::test_airflows_own_metrics_are_sent_where_a_setting_says"
    ),
    "./spark-submit.sh record-task --source demo --dag full_ingest --dag-run scheduled__2026-11-25T02:00:00+00:00 \\": (
        "unit/test_record_task.py::test_a_try_of_a_task_is_measured"
    ),
    "*/30 * * * *  cd /srv/pagelake && ./spark-submit.sh status --source demo --alerts check": (
        "e2e/test_scheduling.py::test_the_night_of_the_crontab_is_published_once_and_the_watch_beside_it_finds_it_well"
    ),
    "[warning] demo: anomalies": "unit/test_alerts.py::test_a_message_says_what_since_when_how_far_and_where_to_look",
    "# yaml-language-server: $schema=../source.schema.json": (
        "unit/test_source_schema.py::test_what_ships_names_the_schema_in_its_first_line_and_is_taken_by_it"
    ),
    "sudo cp conf/systemd/pagelake.service conf/systemd/pagelake.timer /etc/systemd/system/": (
        "e2e/test_scheduling.py::test_systemd_finds_nothing_wrong_with_the_units_and_knows_the_next_night"
    ),
}
NEEDS_API, NEEDS_FAILURE, PART = "needs an API that is not there", "needs a failed check", "a part of a file"
CANNOT_RUN = {
    'make test ARGS="tests/e2e/test_site_browser.py --numprocesses 0 --basetemp .pytest_cache/pages"': (
        "runs the tests of test_site_browser.py, which run beside this one"
    ),
    "make test": "runs this test",
    "export SHOP_TOKEN=...": NEEDS_API,
    "./spark-submit.sh full-ingest --source shop.yml --from-landed scheduled__2026-11-25T03-00-00Z-4c88f7be": NEEDS_API,
    "read -rs AIRFLOW_ADMIN_PASSWORD && export AIRFLOW_ADMIN_PASSWORD": "installs Airflow, which test_airflow.py does",
    ".venv/bin/python -m demo": "serves until Ctrl-C",
    "python3 shop_api.py": "serves until Ctrl-C: test_tutorial.py starts it",
    "flowchart TD": "a drawing",
    "flowchart LR": "a drawing",
    "<lake>/": "a list of folders",
    "jobs": "a drawing",
    "./spark-submit.sh full-ingest --set api.limits.concurrency=4 --set tables.tracks.deletes=ignore": "a third whole run",
    "references:": PART,
    "orders:": PART,
    "metrics:": PART,
    'models: {mlflow: "http://127.0.0.1:5000"}': PART,
    '{"type": "unexpected_rows_expectation", "severity": "warning", '
    '"description": "At most 5 % of the orders were deleted in this run.",': PART,
    "from datetime import date": "run ids and days of another lake",
    "export PAGELAKE_ALERT_URL='slack://TokenA/TokenB/TokenC/#data'": "an account elsewhere",
    "PAGELAKE_ALERT_URL=slack://TokenA/TokenB/TokenC/#data": "an account elsewhere",
    './spark-submit.sh full-ingest --set metrics.prometheus_file="$PWD/pagelake.prom"': "a third whole run",
    ".venv/bin/jupytext --to ipynb --update notebooks/01_explore_tables.py": "changes the repository",
    "cd /srv/pagelake && ./spark-submit.sh full-ingest --source demo": "a folder that is not there",
    "./spark-submit.sh full-ingest --source demo": "the first command of README, with its default written out",
    "1 critical failed, 1 warning, 69 of 71 checks passed:": NEEDS_FAILURE,
}


@pytest.fixture(scope="module")
def ran(clone: Path) -> list[Ran]:
    return [Ran(block, *run_block(block, clone)) for page in RUN_HERE for block in marked(page)]


@pytest.mark.quick
def test_every_marked_block_is_one_that_can_be_run() -> None:
    assert {block.language for page in PAGES for block in marked(page)} == {"bash", "python", "yaml"}
    assert {page.name for page in PAGES if marked(page)} == {*(page.name for page in RUN_HERE), "tutorial.md"}


@pytest.mark.quick
def test_the_readme_is_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 200


def test_every_command_and_program_ends_well(ran: list[Ran]) -> None:
    assert len(ran) >= 3
    assert [(one.block.text, one.status, one.err[-2000:]) for one in ran if one.status != 0] == []


def test_every_command_and_program_prints_what_is_shown(ran: list[Ran]) -> None:
    shown = [one for one in ran if one.block.answer is not None]
    assert len(shown) >= 3
    for one in shown:
        assert (first_difference(one.block.answer or "", one.out), one.out) == (None, one.out)


def answer(ran: list[Ran], words: str) -> str:
    """What the one command or program printed in which these words are."""
    [one] = [one for one in ran if words in one.block.text]
    return one.out


def test_the_next_day_has_one_track_less_and_one_more(ran: list[Ran]) -> None:
    shown = printed(answer(ran, "demo.day=1"))
    # The demo's day: a track leaves, another comes, and each new session is 1% of 20,000.
    assert (shown["tracks"][3:], shown["listen_history"][3]) == ((1, 0, 1), 200)
    assert "is published." in answer(ran, "demo.day=1")


def test_status_names_both_runs_as_published(ran: list[Ran]) -> None:
    out = answer(ran, "spark-submit.sh status")
    assert len(re.findall(r"^\S+ \S+ +published\b.* \d{8}T\d{6}Z-\w{4}", out, re.MULTILINE)) == 2
    assert re.search(r"^Next: +nothing to do$", out, re.MULTILINE)


def test_polars_and_duckdb_read_the_live_rows(ran: list[Ran], clone: Path) -> None:
    tracks = clone / "lake" / "demo" / "silver" / "tracks"
    [rows] = read(tracks, None, "SELECT count(*) AS held, count(*) FILTER (WHERE _deleted_at IS NULL) AS live FROM t")
    # Of 1,999 tracks the second day took one and brought one.
    assert rows == {"held": 2_000, "live": 1_999}
    for engine in ("Polars", "DuckDB"):
        assert answer(ran, f"live tracks by {engine}").splitlines()[0] == f"1999 live tracks by {engine}"
    alone = answer(ran, "live tracks without Pagelake").splitlines()
    assert alone[0] == "1999 live tracks without Pagelake, 1999 published"


def test_with_spark_and_without_the_answer_is_the_same(ran: list[Ran]) -> None:
    first = answer(ran, "from lib.lake import open_lake")
    by_spark = [(name, int(n)) for name, n in re.findall(r"^\| *(\S[^|]*?) *\| *(\d+) *\|$", first, re.MULTILINE)]
    assert len(by_spark) == 3
    ways = (
        "live tracks by Polars",
        "live tracks by DuckDB",
        "import DeltaTable, QueryBuilder",
        "tracks without Pagelake",
    )
    for words in ways:
        rows = [ast.literal_eval(line) for line in answer(ran, words).splitlines() if line.startswith("{")]
        assert by_spark == [(row["artist"], row["plays"]) for row in rows], words


def test_explain_row_finds_the_row_of_the_example(ran: list[Ran]) -> None:
    # The demo serves this track twice, as rows 1 and 1,001 of 2,001 in pages of 100, and never takes it away.
    out = answer(ran, "explain-row --table tracks")
    assert len(re.findall(r"page 1, row 1\b", out)) >= 2
    assert "page 11, row 1" in out
    assert "identical" in out


def test_help_names_every_job_and_option_of_the_page_of_jobs(ran: list[Ran]) -> None:
    jobs = answer(ran, "spark-submit.sh --help")
    assert [job for job in re.findall(r"^\| `([a-z][a-z-]*)` \|", JOBS, re.MULTILINE) if job not in jobs] == []
    options = re.findall(r"^\| `(--[a-z-]+)[^|]*\| `full-ingest`", JOBS, re.MULTILINE)
    assert len(options) >= 5
    assert [option for option in options if option not in answer(ran, "full-ingest --help")] == []


def test_the_yaml_of_the_readme_is_a_source(tmp_path: Path) -> None:
    [text] = [block.text for block in blocks() if block.page == "README.md" and block.language == "yaml"]
    (tmp_path / "shop.yml").write_text(text, "utf-8")
    source = load_source(str(tmp_path / "shop.yml"), conf_dir=ROOT / "conf", env={"SHOP_TOKEN": "t"})
    [table] = source.tables
    assert (source.source, table.name, table.key, table.path) == ("shop", "orders", ("id",), "/orders")


def test_the_last_runs_are_printed_as_troubleshooting_says(ran: list[Ran], clone: Path) -> None:
    [text] = [block.text for block in blocks() if '"/ops/runs"' in block.text]
    done = subprocess.run(["bash", "-c", text], cwd=clone, capture_output=True, text=True, check=False)
    heads = [line.split()[1:] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert (done.returncode, heads) == (0, [["published", "0"], ["published", "0"]]), done.stderr
    assert "    tracks merged" in done.stdout


@pytest.mark.quick
def test_every_block_of_the_docs_is_run_or_says_why_not() -> None:
    known = {*RUN_ABOVE, *RUN_ELSEWHERE, *CANNOT_RUN}
    assert len(known) == len(RUN_ABOVE) + len(RUN_ELSEWHERE) + len(CANNOT_RUN)
    found = {block.first for block in blocks()}
    run = {one.text.strip().splitlines()[0].strip() for page in PAGES for one in marked(page)}
    answers = {one.answer.strip().splitlines()[0].strip() for page in PAGES for one in marked(page) if one.answer}
    assert (found - known - run - answers, known - found) == (set(), set())


@pytest.mark.quick
def test_what_is_run_elsewhere_is_run_there() -> None:
    for test in RUN_ELSEWHERE.values():
        file, name = test.split("::")
        assert f"def {name}(" in (ROOT / "tests" / file).read_text("utf-8")


def test_the_lake_is_where_the_text_says_it_is(ran: list[Ran], clone: Path) -> None:
    assert (clone / "lake" / "demo" / "site" / "index.html").exists()
    assert read(clone / "lake" / "demo" / "ops" / "runs")

"""Tasks and DAGs made of Pagelake's jobs: what a job's exit status means to Airflow, and what all of them have in common.

A new task is one line, `PagelakeJob(task_id="status", job="status")`; a new DAG is one file that begins with `pagelake_dag(...)`.
Nothing that is here has to be changed for it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.sdk import DAG, Asset, BaseOperator, BaseOperatorLink, Param, Variable
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from pagelake_command import (
    RUN_ID,
    command,
    job_environment,
    log_line,
    publication,
    run_id_of,
    spark_options,
    summary_of,
)
from pagelake_process import JobProcess
from pagelake_record import dag_callback, task_callback

POOL = "pagelake_lake"  # of one slot, made by init.sh: two runs never share a lake
PUBLISHED = Asset(name="pagelake_published", uri="x-pagelake://published")
USAGE, CHECKS_FAILED = 2, 3

# JSON schema knows no end but "$", which Python also finds before a last line break.
_END = r"(?![\s\S])"
_ONE_LINE = r"[^\-\s\x00-\x1f][^\x00-\x1f]*"
_NAMES = r"[A-Za-z_][A-Za-z0-9_]*(,[A-Za-z_][A-Za-z0-9_]*)*"
SOURCE = Param(
    "demo",
    type="string",
    pattern=f"^{_ONE_LINE}{_END}",
    maxLength=500,
    title="Source",
    description="A name in conf/sources/, or a YAML file.",
)


def _optional(pattern: str, longest: int, **shown: str) -> Param:
    return Param(None, type=["null", "string"], pattern=f"^({pattern})?{_END}", maxLength=longest, **shown)


LAKE = _optional(
    _ONE_LINE,
    500,
    title="Lake",
    description="Where the lake is, or is to be made. Empty: lake/<source> in the folder of the clone.",
)
TABLES = _optional(_NAMES, 2000, title="Tables", description="Only these tables, such as tracks,users. Empty: all.")

# What every task has. A mapped one names it in `partial` too: Airflow plans it before there is a task.
TASK_SETTINGS: Mapping[str, Any] = {
    "owner": "pagelake",
    "retries": 3,
    "retry_delay": timedelta(seconds=float(os.environ.get("PAGELAKE_AIRFLOW_RETRY_S", "300"))),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(hours=1),
    "execution_timeout": timedelta(hours=6),  # a night's run that hangs must not keep the next one out
    "pool": POOL,
    "on_success_callback": task_callback("success"),
    "on_failure_callback": task_callback("failed"),
    "on_retry_callback": task_callback("retried"),
}


def pagelake_dag(dag_id: str, **settings: Any) -> DAG:
    """A DAG of Pagelake's jobs: one run at a time, none for days that are gone, its end recorded. `settings` are those of DAG."""
    defaults: dict[str, Any] = {
        "catchup": False,
        "max_active_runs": 1,
        "params": {"source": SOURCE, "lake": LAKE, "tables": TABLES},
        "tags": ["pagelake"],
        "on_success_callback": dag_callback("success"),
        "on_failure_callback": dag_callback("failed"),
    }
    return DAG(dag_id, **{**defaults, **settings})


class PagelakeJob(BaseOperator):
    """Runs one job. RUN_ID among its options is the id that belongs to the DAG's run, the same at every try.

    Exit 2 and 3 fail at once, since another try would end the same; anything else that is not 0 is tried again, after a
    pause that doubles.
    """

    template_fields: Sequence[str] = ("options",)

    def __init__(self, *, job: str, options: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(**{**TASK_SETTINGS, **settings})
        self.job, self.options = job, list(options)
        self._process: JobProcess | None = None

    def execute(self, context: Any) -> dict[str, str]:
        """Run the job to its end, and return what it said of where things are."""
        run_id = run_id_of(context["dag"].dag_id, context["run_id"])
        try:
            spark = spark_options(Variable.get("pagelake_spark", default=None, deserialize_json=True))
        except ValueError as error:
            raise AirflowFailException(str(error)) from error
        options = [*self.options, "--log-format", "json"]
        words = command(self.job, options, params=context["params"], spark=spark, run_id=run_id)
        self.log.info("$ %s", shlex.join(words))
        self._process = JobProcess(words, job_environment(os.environ, job=self.job))
        said: list[str] = []
        for line in self._process.lines():
            level, message, fields = log_line(line)
            getattr(self.log, level)(message, **fields)
            said.append(message)
        of_run = {"run_id": run_id} if RUN_ID in self.options else {}
        return self.ended(context, self._process.status(), {**of_run, **summary_of(said)})

    def ended(self, context: Any, status: int, said: dict[str, str]) -> dict[str, str]:
        """What the exit status means. `said` is what the job said at its end.

        Raises:
            AirflowFailException: another try would end the same.
            AirflowException: another try may end well.
        """
        if status == 0:
            return said
        if status in (USAGE, CHECKS_FAILED):
            what = "the checks failed: nothing newly published" if status == CHECKS_FAILED else "usage or configuration"
            where = f" Data docs: {said['docs']}" if "docs" in said else ""
            raise AirflowFailException(f"{self.job} ended with exit {status} ({what}); no other try is made.{where}")
        raise AirflowException(
            f"{self.job} ended with exit {status}; docs/airflow.md says what to do if it keeps failing"
        )

    def on_kill(self) -> None:
        """Stop the job, which says how to go on with the run."""
        if self._process is not None:
            self._process.stop()


class DataDocs(BaseOperatorLink):
    """The data docs of the run that a task checked, on the page of the task. `make docs` serves them."""

    name = "Data docs"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address, once the docs are made."""
        return str(operator.docs_url)


class CheckingJob(PagelakeJob):
    """A job that checks and publishes: it links to the docs of its check."""

    operator_extra_links = (DataDocs(),)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.docs_url = ""

    def ended(self, context: Any, status: int, said: dict[str, str]) -> dict[str, str]:
        """Link to the docs, and return what is published as well."""
        published = publication(Path(said["tables"])) if "tables" in said else {}
        if "docs" in said:
            docs = Path(said["docs"])
            if published:
                docs = docs.parent / "runs" / published["publication_id"] / "index.html"
            said = {**said, "docs": str(docs)}
            site = next((folder for folder in docs.parents if folder.name == "site"), docs.parent)
            base = Variable.get("pagelake_docs_url", default="http://127.0.0.1:8899").rstrip("/")
            self.docs_url = f"{base}/{quote(docs.relative_to(site).as_posix())}"
            context["ti"].xcom_push(key="docs", value=str(docs))
        return {**super().ended(context, status, said), **published}


class PublishingJob(CheckingJob):
    """A checking job whose publications those who follow the asset are told of: which lake, and what is published there."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"outlets": [PUBLISHED], **settings})

    def ended(self, context: Any, status: int, said: dict[str, str]) -> dict[str, str]:
        """Say what is published with the asset."""
        result = super().ended(context, status, said)
        params = {name: context["params"].get(name) for name in ("source", "lake")}
        context["outlet_events"][PUBLISHED].extra = {**params, **result}
        return result

"""What a task says to a job: its command line, its environment, and how the lines that it prints go into the task's log.

Knows nothing of Airflow, so that it can be read and tested without it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SPARK_SUBMIT = ROOT / "spark-submit.sh"

# In a task's options: the run's id, known when the DAG runs.
RUN_ID = "<run id>"
# In the environment of each process that start.sh began: which start it was. A job keeps it, so that terminate.sh finds it.
MARK = "PAGELAKE_AIRFLOW_START"
# In the environment of a job that a task runs.
JOB = "PAGELAKE_AIRFLOW_JOB"

_AIRFLOW_PREFIXES = ("AIRFLOW", "_AIRFLOW", "PYTHON", "OTEL_", "PAGELAKE_AIRFLOW_")
_AIRFLOW_NAMES = {"VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "SPT_NOENV"}

# A name, then what must not be read: `api_key=...`, `Authorization: Bearer ...`, `"token": "..."`.
_SECRET = re.compile(
    r"""(?ix) ( \b [\w-]* (?: api[_-]?key | authorization | bearer | password | passwd | secret | token ) \b
        ["']? \s* (?: [=:] \s* | (?<=bearer) \s+ ) (?: (?: bearer | basic ) \s+ )? )
        ( "[^"]*" | '[^']*' | [^\s,;&"']+ )"""
)
# Keys of a log line that Airflow writes itself.
_TAKEN = {
    "event",
    "level",
    "logger",
    "timestamp",
    "filename",
    "lineno",
    "loc",
    "error_detail",
    "exc_info",
    "stack_info",
}
_TAKEN |= {"dag_id", "run_id", "task_id", "ti_id", "try_number", "map_index"}


def run_id_of(dag_id: str, dag_run_id: str) -> str:
    """The id of the job's run for a DAG's run: the same at every try, and another one for every other DAG run.

    What `--run-id` does not take is replaced; eight digits of a hash keep apart what then reads alike.
    """
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", re.sub(r"\+00:00$", "Z", dag_run_id)).lstrip("._-")
    digest = hashlib.sha256(f"{dag_id}\n{dag_run_id}".encode()).hexdigest()[:8]
    return f"{readable[:91]}-{digest}" if readable else f"run-{digest}"


def command(
    job: str,
    options: Sequence[str],
    *,
    params: Mapping[str, Any] | None = None,
    spark: Sequence[str] = (),
    run_id: str | None = None,
) -> list[str]:
    """The command line of a job, an item for each word: no shell ever reads it.

    `params` are those of the DAG's run. Of them `source`, `lake` and `tables` are options that every job has.
    """
    said = [(f"--{name}", (params or {}).get(name)) for name in ("source", "lake", "tables")]
    common = [word for name, value in said if value for word in (name, str(value))]
    own = [run_id if option == RUN_ID and run_id else option for option in options]
    return [str(SPARK_SUBMIT), *spark, job, *common, *own]


def lakes_of(params: Mapping[str, Any], extras: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lakes that a run of a DAG is about, each once, as its params `source` and `lake`.

    `extras` are those of the asset events that started it, of which Airflow gathers several in one run. Where it was
    triggered by hand there are none, and `params` say it, as they say what an extra leaves out.
    """
    found = [{name: extra.get(name) or params.get(name) for name in ("source", "lake")} for extra in extras or [params]]
    return [one for number, one in enumerate(found) if one not in found[:number]]


def spark_options(variable: object) -> list[str]:
    """The options of spark-submit that the Airflow Variable `pagelake_spark` asks for.

    It is a list of them, or an object with `master`, `conf` (name to value) and `options` (such a list), all optional.

    Raises:
        ValueError: it is something else.
    """
    if variable is None:
        return []
    if isinstance(variable, dict):
        unknown = set(variable) - {"master", "conf", "options"}
        conf, rest, master = variable.get("conf", {}), variable.get("options", []), variable.get("master")
        if not unknown and isinstance(conf, dict) and (master is None or isinstance(master, str)):
            options = ["--master", master] if master else []
            for name, value in conf.items():
                options += ["--conf", f"{name}={str(value).lower() if isinstance(value, bool) else value}"]
            return [*options, *spark_options(rest)]
    elif isinstance(variable, list) and all(isinstance(word, str) for word in variable) and _begins_well(variable):
        return list(variable)
    raise ValueError(
        "the Airflow Variable pagelake_spark must be a JSON list of options of spark-submit, such as "
        '["--driver-memory", "4g"], or an object such as {"master": "local[4]", "conf": {"spark.sql.shuffle.partitions": 8}}'
    )


def _begins_well(options: Sequence[str]) -> bool:
    """Whether the first word is an option: one that is not would be taken for the job."""
    return not options or options[0].startswith("-")


def job_environment(environ: Mapping[str, str], *, job: str | None = None) -> dict[str, str]:
    """What a job gets to see: what the operator exported before start.sh, and nothing of Airflow's own.

    So the variables that a source YAML names are there, and Airflow's Python, its settings and its secrets are not. With the
    name of the `job`, terminate.sh stops it; a record of how something ended is let end.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name == MARK or not (name in _AIRFLOW_NAMES or name.startswith(_AIRFLOW_PREFIXES))
    }
    if venv := environ.get("VIRTUAL_ENV"):
        path = [folder for folder in kept.get("PATH", "").split(":") if folder != f"{venv}/bin"]
        kept["PATH"] = ":".join(path)
    return {**kept, JOB: job} if job else kept


def log_line(line: str) -> tuple[str, str, dict[str, Any]]:
    """A line that a job printed: its level, what it says, and the fields beside it, without secrets.

    A job with `--log-format json` writes its log as objects, and its summary as text.
    """
    if line.startswith("{"):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict) and "message" in record and "level" in record:
            level = str(record.pop("level")).lower()
            message = redacted(str(record.pop("message")))
            record.pop("name", None)
            record.pop("time", None)
            fields = {f"{name}_" if name in _TAKEN else name: _hidden(name, value) for name, value in record.items()}
            return level if level in ("debug", "warning", "error", "critical") else "info", message, fields
    return "info", redacted(line), {}


def redacted(text: str) -> str:
    """The text without the values of what looks like a secret. Jobs do so themselves; this is for what they start."""
    return _SECRET.sub(r"\1***", text)


def _hidden(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return "***" if _SECRET.fullmatch(f"{name}=x") else redacted(value)
    return value


def summary_of(lines: Sequence[str]) -> dict[str, str]:
    """What a job says at its end of where things are: `docs` and `tables`, paths, as far as it says so."""
    found: dict[str, str] = {}
    for line in lines:
        if match := re.match(r"(Docs|Tables):\s+(.+?)(?:  \(.*)?$", line):
            found[match[1].lower()] = match[2]
    return found


def publication(published_json: Path) -> dict[str, str]:
    """What is published, for those who follow the asset: ids and time; empty where it cannot be read."""
    try:
        published = json.loads(published_json.read_text("utf-8"))
        return {name: str(published[name]) for name in ("publication_id", "run_id", "published_at")}
    except (OSError, ValueError, KeyError):
        return {}

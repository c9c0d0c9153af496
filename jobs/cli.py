"""The command line in front of every job: `[spark-submit options] JOB [job options]`."""

from __future__ import annotations

import difflib
import itertools
import os
import platform
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lib.config.runtime import read_properties
from lib.errors import ConfigError

PROGRAM = "./spark-submit.sh"
# Given by name, not as Spark's conf folder: a folder with files on the class path would rule class data sharing out.
_ROOT = Path(__file__).resolve().parents[1]
SPARK_DEFAULTS = _ROOT / "conf" / "spark-defaults.conf"
_BESIDE = {"Spark": "pyspark", "delta-rs": "deltalake", "Great Expectations": "great_expectations"}

JOBS = {
    "full-ingest": ("jobs.full_ingest", "plan, fetch, land, prove, merge, check, publish"),
    "sanity-check": ("jobs.sanity_check", "check what is merged, and publish if it passes"),
    "build-recommendations": (
        "jobs.build_recommendations",
        "lists of recommendations for every user, by the promoted models",
    ),
    "retrain-model": ("jobs.retrain_model", "train a model for the lists, measure it, promote it if it is better"),
    "status": ("jobs.status", "the last runs, what is published, what is failing"),
    "failures": ("jobs.failures", "the rows that failed the checks of a run"),
    "record-task": ("jobs.record_task", "record how a task of a DAG ended, in the metrics and by alerts"),
    "new-source": (
        "jobs.new_source",
        "a source YAML and suites for an API, from its OpenAPI document or a list's address",
    ),
    "explain-row": ("jobs.explain_row", "where one row came from, and what became of it"),
}

_FLAGS = {"--verbose", "-v", "--supervise", "--load-spark-defaults"}
_WITH_VALUE = {
    *("--master", "--deploy-mode", "--name", "--conf", "-c", "--properties-file", "--jars", "--packages"),
    *("--exclude-packages", "--repositories", "--py-files", "--files", "--archives", "--driver-memory"),
    *("--driver-java-options", "--driver-library-path", "--driver-class-path", "--driver-cores"),
    *("--executor-memory", "--executor-cores", "--total-executor-cores", "--num-executors"),
    *("--queue", "--principal", "--keytab", "--proxy-user"),
}


class UsageError(ConfigError):
    """The command line in front of the job's own options is wrong."""


@dataclass(frozen=True)
class Invocation:
    """A command line, taken apart. `job` is None where there was none, or where help was asked for."""

    spark_options: tuple[str, ...]
    job: str | None
    job_options: tuple[str, ...]
    help: bool = False
    version: bool = False


def split(arguments: Sequence[str]) -> Invocation:
    """Take a command line apart: up to the first token that is no option of spark-submit, nor the value of one.

    Raises UsageError for an option that spark-submit does not have, or one without its value.
    """
    spark_options: list[str] = []
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in {"--help", "-h"}:
            return Invocation(tuple(spark_options), None, (), help=True)
        if option == "--version":
            return Invocation(tuple(spark_options), None, (), version=True)
        name, equals, value = option.partition("=")
        if option in _FLAGS:
            spark_options.append(option)
        elif name not in _WITH_VALUE:
            raise UsageError(f"{name} is not an option of spark-submit. Options of a job come after its name.")
        elif equals:
            spark_options += [name, value]
        elif rest:
            spark_options += [name, rest.pop(0)]
        else:
            raise UsageError(f"{name} needs a value.")
    if not rest:
        return Invocation(tuple(spark_options), None, ())
    return Invocation(tuple(spark_options), rest[0], tuple(rest[1:]))


def spark_environment(spark_options: Sequence[str], environ: Mapping[str, str], *, python: str) -> dict[str, str]:
    """What to add to the environment, so that the JVM which the job starts later gets these options.

    Raises UsageError for cluster deploy mode.
    """
    if "SPARK_CONF_DIR" not in environ and "--properties-file" not in spark_options:
        spark_options = ["--properties-file", str(SPARK_DEFAULTS), *spark_options]
    settings = _settings(spark_options, environ)
    if settings.get("spark.submit.deployMode") == "cluster":
        raise UsageError(
            "Deploy mode `cluster` would lose the exit status of the job. Start it in client mode, on a machine of the "
            "cluster."
        )
    added = {
        "PYSPARK_SUBMIT_ARGS": shlex.join([*spark_options, "pyspark-shell"]),
        "PYSPARK_DRIVER_PYTHON": python,
    }
    if settings.get("spark.master", "local[*]").startswith("local"):
        # A host name that resolves to an address of another day keeps a local Spark from starting.
        return {**added, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": python}
    # On a cluster the executors may have their Python elsewhere.
    return {**added, "PYSPARK_PYTHON": environ.get("PYSPARK_PYTHON", python)}


def module_of(job: str) -> str:
    """The module of a job. Raises UsageError with the nearest name for a job that does not exist."""
    if job in JOBS:
        return JOBS[job][0]
    near = difflib.get_close_matches(job, JOBS, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"The jobs are: {', '.join(JOBS)}."
    raise UsageError(f"There is no job {job!r}. {hint}")


def version() -> str:
    """What `--version` prints: Pagelake's, and those of what its tables are written by."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    of = {name: metadata.version(package) for name, package in _BESIDE.items()}
    others = ", ".join(f"{name} {number}" for name, number in of.items())
    return f"Pagelake {project['version']} ({others}, Python {platform.python_version()})\n"


def usage() -> str:
    """What `--help` prints."""
    width = max(map(len, JOBS))
    jobs = "\n".join(f"  {name.ljust(width)}  {does}" for name, (_, does) in JOBS.items())
    return (
        f"Usage: {PROGRAM} [spark-submit options] JOB [job options]\n\n"
        f"Jobs:\n{jobs}\n\n"
        f"`{PROGRAM} JOB --help` lists the options of a job, `{PROGRAM} --version` prints the version.\n"
        "Options of spark-submit come before JOB, such as\n"
        "--master local[4], --driver-memory 4g or --conf spark.sql.shuffle.partitions=8.\n"
    )


def _settings(spark_options: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The master and the deploy mode in force: the options, over the file of defaults."""
    flags = {"--master": "spark.master", "--deploy-mode": "spark.submit.deployMode"}
    file = os.path.join(environ.get("SPARK_CONF_DIR", ""), "spark-defaults.conf")
    settings: dict[str, str] = {}
    pairs = list(itertools.pairwise(spark_options))
    for option, value in pairs:
        if option == "--properties-file":
            file = value
        elif option in {"--conf", "-c"}:
            key, _, value_of_key = value.partition("=")
            settings[key] = value_of_key
    settings.update({flags[option]: value for option, value in pairs if option in flags})
    return {**read_properties(Path(file)), **settings}

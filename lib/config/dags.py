"""Names that Airflow gives: of DAGs, tasks and runs of a DAG."""

from __future__ import annotations

import re

from lib.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,249}")
_RUN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~:+-]{0,249}")


def check_dag_name(option: str, text: str) -> str:
    """Return the id of a DAG or task as it is. `option` is where it came from.

    Raises:
        ConfigError: it could be none of Airflow's, or is not plain ASCII.
    """
    if not _NAME.fullmatch(text):
        raise ConfigError(f"{option} {text[:100]!r}: must be 1 to 250 letters, digits, '_', '.' and '-'")
    return text


def check_dag_run(option: str, text: str) -> str:
    """Return the id of a run of a DAG as it is; Airflow's own are like `scheduled__2026-11-25T02:00:00+00:00`.

    Raises:
        ConfigError: it is none that Airflow's setting `allowed_run_id_pattern` lets in by default.
    """
    if not _RUN.fullmatch(text):
        raise ConfigError(f"{option} {text[:100]!r}: must be 1 to 250 letters, digits, '_', '.', '~', ':', '+' and '-'")
    return text

"""Frozen settings. The only reader of `conf/` and the environment, without Spark: a mistake answers at once."""

from lib.config.alerts import Alerts, Channel, MetricShape, Rule, load_alerts
from lib.config.api import Api, Limits
from lib.config.auth import (
    Auth,
    BasicAuth,
    BearerAuth,
    ClientCredentialsAuth,
    HeaderAuth,
    NoAuth,
    QueryAuth,
    RefreshTokenAuth,
    SessionAuth,
    TokenAuth,
)
from lib.config.budget_address import (
    BUDGET_BIND,
    BUDGET_HOST,
    BUDGET_PORT,
    BudgetAddress,
    check_budget_settings,
)
from lib.config.columns import MASK, SYSTEM_COLUMNS, AdoptedColumn, Column, Reference, is_column_name
from lib.config.dags import check_dag_name, check_dag_run
from lib.config.ddl import Array, DataType, DdlError, Decimal, Scalar, Struct, parse_ddl
from lib.config.derivations import (
    DERIVATIONS,
    DERIVED_NAMES,
    Derivation,
    derivations_of,
    known_tables,
    recorded_derivations,
)
from lib.config.engines import Engine, Readers
from lib.config.load import load_source
from lib.config.metrics import CloudWatch, Metrics, Otlp, Pushgateway
from lib.config.pagination import Pagination
from lib.config.recommend import Grouped, Models, Plays, Recommend, Retrain
from lib.config.runs import check_run_id, new_run_id
from lib.config.runtime import KEY_SECRET, REPO, Runtime, lake_address
from lib.config.source import Demo, Faults, Source, parse_tables
from lib.config.tables import Table

__all__ = [
    "BUDGET_BIND",
    "BUDGET_HOST",
    "BUDGET_PORT",
    "DERIVATIONS",
    "DERIVED_NAMES",
    "KEY_SECRET",
    "MASK",
    "REPO",
    "SYSTEM_COLUMNS",
    "AdoptedColumn",
    "Alerts",
    "Api",
    "Array",
    "Auth",
    "BasicAuth",
    "BearerAuth",
    "BudgetAddress",
    "Channel",
    "ClientCredentialsAuth",
    "CloudWatch",
    "Column",
    "DataType",
    "DdlError",
    "Decimal",
    "Demo",
    "Derivation",
    "Engine",
    "Faults",
    "Grouped",
    "HeaderAuth",
    "Limits",
    "MetricShape",
    "Metrics",
    "Models",
    "NoAuth",
    "Otlp",
    "Pagination",
    "Plays",
    "Pushgateway",
    "QueryAuth",
    "Readers",
    "Recommend",
    "Reference",
    "RefreshTokenAuth",
    "Retrain",
    "Rule",
    "Runtime",
    "Scalar",
    "SessionAuth",
    "Source",
    "Struct",
    "Table",
    "TokenAuth",
    "check_budget_settings",
    "check_dag_name",
    "check_dag_run",
    "check_run_id",
    "derivations_of",
    "is_column_name",
    "known_tables",
    "lake_address",
    "load_alerts",
    "load_source",
    "new_run_id",
    "parse_ddl",
    "parse_tables",
    "recorded_derivations",
]

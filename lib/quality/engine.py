"""GX's engine for Spark without the looks at rows that no page shows. Imports GX: import it where GX is needed anyhow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.datasource.fluent import SparkDatasource
from great_expectations.exceptions import GreatExpectationsError
from great_expectations.execution_engine import SparkDFExecutionEngine
from great_expectations.validator.metric_configuration import MetricConfiguration
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

# Besides its number, GX collects every row that a query finds, and by a Spark job of its own the examples of values of which
# it is asked to show none.
_ROWS_OF_QUERY, _EXAMPLES = "unexpected_rows_query.table", ".unexpected_values"
# What GX counts by a Spark job each: rows that a query finds; those that fail an expectation of keys or of pairs of columns, and
# those that are looked at for it. (Other expectations it counts all together.)
_COUNT_OF_QUERY, _FAILING, _LOOKED_AT = "unexpected_rows_query.row_count", ".unexpected_count", ".filtered_row_count"
_BATCH = "pagelake_batch"
Metrics = Mapping[Any, Any]


def count_only(source: SparkDatasource) -> None:
    """Let this one data source of GX count only. Its class, which a notebook's own data sources share, stays as it is."""
    kwargs = source.dict(exclude=source._get_exec_engine_excludes(), config_provider=source._config_provider)
    # As GX keeps the engine that it made of these itself.
    source._execution_engine, source._cached_execution_engine_kwargs = CountsOnly(**kwargs), kwargs


def forget_views(frames: Iterable[DataFrame]) -> None:
    """Take what a check has left out of the catalog of the session."""
    for session in {frame.sparkSession for frame in frames}:
        session.catalog.dropTempView(_BATCH)


class CountsOnly(SparkDFExecutionEngine):
    """Counts what is unexpected, and fetches none of it: no value can reach a page, and the driver holds no rows."""

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """GX's own, with no rows in place of those that would be fetched, and with one Spark job for all counts of rows."""
        asked = list(metrics_to_resolve)
        found: dict[Any, Any] = {
            one.id: [] for one in asked if one.metric_name == _ROWS_OF_QUERY or one.metric_name.endswith(_EXAMPLES)
        }
        found |= self._counted(asked, metrics or {})
        rest = [one for one in asked if one.id not in found]
        return found | (super().resolve_metrics(rest, metrics, runtime_configuration) if rest else {})

    def _counted(self, asked: Iterable[MetricConfiguration], metrics: Metrics) -> dict[Any, int]:
        """The counts of rows among what is asked; none if one of them fails: then GX counts one by one, and knows which."""
        try:
            rows = {one.id: found for one in asked if (found := self._rows(one, metrics)) is not None}
            if not rows:
                return {}
            numbered = [found.select(F.lit(number).alias("number")) for number, found in enumerate(rows.values())]
            counts = {
                row["number"]: row["count"]
                for row in reduce(DataFrame.union, numbered).groupBy("number").count().collect()
            }
        except (PySparkException, Py4JError, GreatExpectationsError, ValueError, LookupError):
            return {}
        return {known: counts.get(number, 0) for number, known in enumerate(rows)}

    def _rows(self, one: MetricConfiguration, metrics: Metrics) -> DataFrame | None:
        """The rows whose number is asked for, as GX finds them; None for another kind of metric."""
        if one.metric_name == _COUNT_OF_QUERY:
            live, _, _ = self.get_compute_domain(one.metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
            live.createOrReplaceTempView(_BATCH)
            return self.spark.sql(str(one.metric_value_kwargs["unexpected_rows_query"]).format(batch=_BATCH))
        condition = one.metric_dependencies.get("unexpected_condition")
        if condition is None or not one.metric_name.endswith((_FAILING, _LOOKED_AT)):
            return None
        fails, whole, columns = metrics[condition.id]
        looked_at: DataFrame = self.get_domain_records(domain_kwargs={**whole, **columns})
        if one.metric_name.endswith(_LOOKED_AT):
            return looked_at
        # A column of its own, as a condition may be of a window.
        return looked_at.withColumn("__unexpected", fails).where("__unexpected")

"""GX's engine for Spark without the looks at rows that no page shows. Imports GX: import it where GX is needed anyhow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from great_expectations.execution_engine import SparkDFExecutionEngine
from great_expectations.validator.metric_configuration import MetricConfiguration

# Besides its number, GX collects every row that a query finds, and by a Spark job of its own the examples of values of which
# it is asked to show none.
_ROWS_OF_QUERY = "unexpected_rows_query.table"
_EXAMPLES = ".unexpected_values"


class CountsOnly(SparkDFExecutionEngine):
    """Counts what is unexpected, and fetches none of it: no value can reach a page, and the driver holds no rows."""

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """GX's own, with no rows in place of those that would be fetched."""
        asked = list(metrics_to_resolve)
        rows = [one for one in asked if one.metric_name == _ROWS_OF_QUERY or one.metric_name.endswith(_EXAMPLES)]
        counted = [one for one in asked if one not in rows]
        found: dict[Any, Any] = super().resolve_metrics(counted, metrics, runtime_configuration) if counted else {}
        return found | {one.id: [] for one in rows}

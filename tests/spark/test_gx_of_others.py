"""Whoever uses GX in the same process, as a notebook does, finds it as it was before our checks and after them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.data_context.data_context.context_factory import project_manager
from great_expectations.datasource.fluent import SparkDatasource
from pyspark.sql import DataFrame, SparkSession

from lib.config import Source
from lib.quality.docs import Docs
from lib.quality.suites import build_suite
from lib.quality.validate import validate

AT = datetime(2026, 3, 1, tzinfo=UTC)


def ours(frame: DataFrame, source: Source, docs: Path) -> None:
    """A check as a run does it."""
    of_ids = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "id", "max_value": 1}}
    query = {
        "type": "unexpected_rows_expectation",
        "kwargs": {"unexpected_rows_query": "SELECT * FROM {batch} WHERE id > 1"},
    }
    suite = build_suite(source, "things", {"expectations": [of_ids, query]}, [])
    found = validate({"things": frame}, {"things": suite}, at=AT, docs=Docs("r1", docs, "shop"))
    assert [one.unexpected for one in found.failed] == [3, 3]


def theirs(context: Any, data: Any, source: Any, suite: str) -> list[int]:
    """What GX's own quickstart finds: the values that are not as expected."""
    batch = source.add_dataframe_asset(suite).add_batch_definition_whole_dataframe("all")
    own = context.suites.add(gx.ExpectationSuite(name=suite))
    own.add_expectation(gx.expectations.ExpectColumnValuesToBeBetween(column="id", max_value=1))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=suite, data=batch, suite=own))
    result = definition.run(batch_parameters={"dataframe": data})
    [one] = result.results
    return list(one.result["partial_unexpected_list"])


def test_a_notebook_s_own_gx_shows_the_values_that_it_shows_without_ours(
    spark: SparkSession, demo: Source, tmp_path: Path
) -> None:
    frame, known = spark.range(5), pd.DataFrame({"id": range(5)})
    before = gx.get_context(mode="ephemeral")
    ours(frame, demo, tmp_path / "first")
    assert getattr(project_manager, "_ProjectManager__project") is before  # noqa: B009 - the name is mangled
    assert SparkDatasource.execution_engine_override is None
    assert spark.sql("SHOW VIEWS").where("viewName = 'pagelake_batch'").collect() == []
    # A context that was there before, and one that is made after.
    for number, context in enumerate((before, gx.get_context(mode="ephemeral"))):
        by_pandas = theirs(context, known, context.data_sources.add_pandas("pandas"), f"pandas {number}")
        by_spark = theirs(context, frame, context.data_sources.add_spark("spark"), f"spark {number}")
        assert (by_pandas, by_spark) == ([2, 3, 4], [2, 3, 4])
    ours(frame, demo, tmp_path / "second")
    context = gx.get_context(mode="file", project_root_dir=tmp_path / "own")
    assert theirs(context, known, context.data_sources.add_pandas("pandas"), "in a file") == [2, 3, 4]
    context.build_data_docs()
    assert list((tmp_path / "own").rglob("index.html"))

"""One Spark session for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lib.config import Runtime, Source, load_source
from lib.session import start_session
from tests.spark.served_table import Served, serving

REPO = Path(__file__).parents[2]
# What Spark keeps of past jobs and queries for a page that nobody looks at.
LITTLE_KEPT = (
    "--conf spark.ui.retainedJobs=10 --conf spark.ui.retainedStages=10 --conf spark.sql.ui.retainedExecutions=10"
)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    runtime = Runtime.of(os.environ)
    # Hundreds of tests leave more behind in one JVM than a job does: with Spark's 1 GB it ends with an OutOfMemoryError.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_SUBMIT_ARGS", f"--driver-memory 3g {LITTLE_KEPT} pyspark-shell")
        session = start_session("pagelake tests", runtime, rows=0)
    # To write Java for each of many small queries, and to compile it, takes longer than to run them without: a fifth of the time.
    # The tests of whole processes run as users do.
    session.conf.set("spark.sql.codegen.wholeStage", "false")
    session.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def demo() -> Source:
    return load_source("demo", conf_dir=REPO / "conf", env={})


@pytest.fixture
def source_of(tmp_path: Path) -> Callable[[str], Source]:
    """A source from the text of its `tables` section."""

    def make(tables: str) -> Source:
        path = tmp_path / "shop.yml"
        path.write_text("source: shop\napi: {url: 'http://127.0.0.1:1'}\ntables:\n" + tables, "utf-8")
        return load_source(str(path), conf_dir=REPO / "conf", env={})

    return make


@pytest.fixture
def things(spark: SparkSession, tmp_path: Path) -> Iterator[Served]:
    """A lake with one table, and the server of its source."""
    with serving() as server:
        yield Served(spark, tmp_path, server)

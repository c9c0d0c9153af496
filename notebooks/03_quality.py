# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What failed, and a new expectation
#
# This is the last check, passed or failed. For an earlier one, set its `docs_id` below. Personal values and keys are masked
# (`***`).

# %%
import shutil
import tempfile
from pathlib import Path

import altair as alt
import great_expectations.expectations as gxe
import pandas as pd
from IPython.display import Markdown, display
from pyspark.sql import functions as F

from lib.config import REPO
from lib.lake import open_lake
from lib.quality.counts import Counts
from lib.quality.trial import try_suite, with_expectation, write_suite
from notebooks.tooling import look

look.use()
lake = open_lake()
check = lake.last_check
docs_id, run_id = check.docs_id, check.run_id
checks = lake.record("checks").orderBy(F.desc("checked_at")).drop("message", "number", "last_run")
look.table(checks.limit(10).toPandas())

# %%
Markdown(f"Check **{docs_id}** ended as *{check.outcome}*: {Counts.recorded(check)}.")

# %% [markdown]
# ## Failures by expectation
# A critical failure stops the publication; a warning does not. `rows` is the number of rows that fail, `note` says why rows are
# not listed. A name begins with the table and ends with the columns.

# %%
failures = lake.record("failures").where(F.col("docs_id") == docs_id)
by_expectation = failures.groupBy("table", "expectation", "severity").agg(
    F.count("key").alias("rows"), F.max("note").alias("note")
)
by_expectation = by_expectation.orderBy("severity", "expectation").limit(100).toPandas()
look.table(by_expectation)

# %%
alt.Chart(by_expectation).mark_bar().encode(
    alt.X("rows:Q", title="rows that fail", axis=look.WHOLE),
    alt.Y("expectation:N", title=None, sort=None, axis=alt.Axis(labelExpr="split(datum.label, '.')", labelOffset=-14)),
    alt.Color("severity:N", scale=look.SEVERITIES),
).properties(height=alt.Step(52))

# %% [markdown]
# ## Quarantine by reason
# The rows of this run that break the contract. `resolution` says what became of a row since: it arrived without the mistake, was
# deleted at the source, or was accepted. `open`: it is still in quarantine.

# %%
rejected = lake.record("quarantine").where(F.col("run_id") == run_id)
reasons = (
    rejected.groupBy("table", "reason", "resolution")
    .count()
    .orderBy("table", "reason", "resolution")
    .limit(100)
    .toPandas()
    .fillna({"resolution": "open"})
)
look.table(reasons)

# %%
what = reasons.table.str.cat(reasons.reason, sep=": ")
alt.Chart(reasons.assign(what=what)).mark_bar().encode(
    alt.X("count:Q", title="rows", axis=look.WHOLE),
    alt.Y("what:N", title=None, axis=alt.Axis(labelExpr="split(datum.label, ': ')", labelOffset=-7)),
    alt.Color("resolution:N"),
).properties(height=alt.Step(38))

# %%
rejected = rejected.select("table", "page", "position", "reason", "row").orderBy("table", "page", "position")
look.table(rejected.limit(5).toPandas())

# %% [markdown]
# `row` is the row as it came, personal values masked. `./spark-submit.sh explain-row` says more about one row.
#
# ## The rows behind a failed expectation
# Three rows of each expectation, as they were in the version that was checked.

# %%
for expectation in by_expectation[by_expectation.rows > 0].expectation:
    behind = lake.rows_behind(docs_id, expectation).drop("_row_hash").limit(3).toPandas()
    display(Markdown(f"**{expectation}**"), look.table(behind))

# %% [markdown]
# ## A new expectation
# Write it with GX's own classes, and try it on the published table. The `name` in `meta` is its name in messages, in `--accept`
# and in `ops/failures`.

# %%
lake.need("tracks")
short_titles = gxe.ExpectColumnValueLengthsToBeBetween(
    column="name", min_value=1, max_value=12, severity="warning",
    notes="A title of more than 12 characters does not fit the display.", meta={"name": "short_titles"},
)  # fmt: skip
alone = {"expectations": [short_titles.configuration.to_json_dict()]}
trial = try_suite(lake.source, "tracks", lake.published("tracks"), alone, check.checked_at)
look.table(pd.DataFrame(trial.findings)[["name", "severity", "success", "said"]])

# %% [markdown]
# ## Into the suite
# This writes to a copy, so that running the notebook changes nothing. For the real suite, set `expectations = REPO /
# "expectations"`; `git diff` then shows the new entry alone.

# %%
expectations = Path(tempfile.mkdtemp()) / "expectations"
shutil.copytree(REPO / "expectations", expectations)
suite = with_expectation(expectations, lake.source, "tracks", short_titles)
file = write_suite(expectations, lake.source, "tracks", suite)
Markdown(f"`{lake.source}/{file.name}` has {len(suite['expectations'])} expectations now.")

# %% [markdown]
# ## In the docs
# What the data docs will say about the new entry. `./spark-submit.sh sanity-check` makes the whole page: it checks what the last
# run merged, by the suites as they are then.

# %%
added = {"expectations": suite["expectations"][-1:]}
try_suite(lake.source, "tracks", lake.published("tracks"), added, check.checked_at)

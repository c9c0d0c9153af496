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
# The last check, whether it passed or not; name another `docs_id` to look at an earlier one. Keys of rows are shown, personal ones
# as `***`.

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

alt.renderers.enable("svg")
pd.set_option("display.max_colwidth", None)  # names of expectations and rejected rows are shown whole
lake = open_lake()
check = lake.last_check
docs_id, run_id = check.docs_id, check.run_id
lake.record("checks").orderBy(F.desc("checked_at")).drop("message").limit(10).toPandas()

# %%
Markdown(f"Check **{docs_id}** ended as *{check.outcome}*: {Counts.recorded(check)}.")

# %% [markdown]
# ## Failures by expectation
# A critical one holds the publication up; a warning does not. `rows` are those that fail it, `note` says why none are listed.

# %%
failures = lake.record("failures").where(F.col("docs_id") == docs_id)
by_expectation = failures.groupBy("table", "expectation", "severity").agg(
    F.count("key").alias("rows"), F.max("note").alias("note")
)
by_expectation = by_expectation.orderBy("severity", "expectation").limit(100).toPandas()
by_expectation

# %%
alt.Chart(by_expectation).mark_bar().encode(
    alt.X("rows:Q", title="rows that fail"),
    alt.Y("expectation:N", title=None, axis=alt.Axis(labelLimit=400)),
    alt.Color("severity:N"),
)

# %% [markdown]
# ## Quarantine by reason
# Rows that this run could not take. One that has a `resolution` has since arrived well, was deleted at the source, or was accepted.

# %%
rejected = lake.record("quarantine").where(F.col("run_id") == run_id)
reasons = (
    rejected.groupBy("table", "reason", "resolution")
    .count()
    .orderBy("table", "reason", "resolution")
    .limit(100)
    .toPandas()
)
reasons

# %%
alt.Chart(reasons).mark_bar().encode(
    alt.X("count:Q", title="rows"), alt.Y("reason:N", title=None, axis=alt.Axis(labelLimit=400)), alt.Color("table:N")
)

# %%
rejected.select("table", "page", "position", "reason", "row").orderBy("table", "page", "position").limit(5).toPandas()

# %% [markdown]
# `row` has the declared columns as they came, personal values masked. `./spark-submit.sh explain-row` says more of one of them.
#
# ## The rows behind a failed expectation
# As they were in the version that was checked, published or not; of each expectation three.

# %%
for expectation in by_expectation[by_expectation.rows > 0].expectation:
    display(
        Markdown(f"**{expectation}**"), lake.rows_behind(docs_id, expectation).drop("_row_hash").limit(3).toPandas()
    )

# %% [markdown]
# ## A new expectation
# Written with GX's own classes, and tried on the published table. A name in `meta` is what messages, `--accept` and `ops/failures`
# call it by.

# %%
lake.need("tracks")
short_titles = gxe.ExpectColumnValueLengthsToBeBetween(
    column="name", min_value=1, max_value=12, severity="warning",
    notes="A title of more than 12 characters does not fit the display.", meta={"name": "short_titles"},
)  # fmt: skip
alone = {"expectations": [short_titles.configuration.to_json_dict()]}
trial = try_suite(lake.source, "tracks", lake.published("tracks"), alone, check.checked_at)
pd.DataFrame(trial.findings)[["name", "severity", "success", "said"]]

# %% [markdown]
# ## Into the suite
# Here into a copy, so that running this notebook changes nothing. With `expectations = REPO / "expectations"` it would be the real
# one, and `git diff` shows the new entry alone.

# %%
expectations = Path(tempfile.mkdtemp()) / "expectations"
shutil.copytree(REPO / "expectations", expectations)
suite = with_expectation(expectations, lake.source, "tracks", short_titles)
file = write_suite(expectations, lake.source, "tracks", suite)
Markdown(f"`{lake.source}/{file.name}` has {len(suite['expectations'])} expectations now.")

# %% [markdown]
# ## In the docs
# What the page of the table will say of the new entry. For the page itself, with the whole suite and what the source YAML declares:
# `./spark-submit.sh sanity-check`, which checks what the last run merged by the suites as they are then.

# %%
added = {"expectations": suite["expectations"][-1:]}
try_suite(lake.source, "tracks", lake.published("tracks"), added, check.checked_at)

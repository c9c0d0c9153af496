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
# # What changed
#
# The lake keeps the versions of its tables, so you can compare two runs and read an earlier publication again. `docs/history.md`
# has the same as plain SQL. Personal values are masked: you see that one changed, and not what it was.

# %%
import altair as alt
import pandas as pd
from IPython.display import Markdown, display
from pyspark.sql import functions as F

from lib.lake import open_lake
from notebooks.tooling import look

look.use()
lake = open_lake()
lake.need()  # where nothing is published yet, it ends here with a sentence
publications = pd.DataFrame(lake.publications)
look.table(publications[["publication_id", "run_id", "published_at", "replaces", "restores"]].tail(10))

# %% [markdown]
# Each publication replaced the previous one; the last one is current. The rest of this page compares the runs of the last two,
# from the earlier run to the later one. After a rollback the earlier run is the current one. With one publication alone, nothing
# differs.

# %%
order = [run.run_id for run in lake.runs]
two = sorted(lake.publications[-2:], key=lambda one: order.index(one.run_id))
before, after = two[0], two[-1]
Markdown(f"From run **{before.run_id}** to run **{after.run_id}**.")

# %% [markdown]
# ## What changed between two runs
# One row per key that differs, counted by what happened to it.

# %%
silver = [name for name, entry in after.tables.items() if entry.path.startswith("silver/")]
changes = {name: lake.changes(name, before.run_id, after.run_id).cache() for name in silver}
counts = pd.concat(
    [
        frame.groupBy("_change").count().withColumn("table", F.lit(name)).limit(10).toPandas()
        for name, frame in changes.items()
    ]
)
counts = counts.sort_values(["table", "_change"])[["table", "_change", "count"]]
look.table(counts)

# %%
alt.Chart(counts).mark_bar().encode(
    alt.X("count:Q", title="rows"), alt.Y("table:N"), alt.Color("_change:N", title="what happened")
)

# %%
Markdown(f"{counts['count'].sum():,} rows differ between the two runs.")

# %% [markdown]
# ## In which columns
# Of the rows that were updated, the columns that differ.

# %%
for name, frame in changes.items():
    columns = frame.where("_change = 'updated'").select(F.explode("_columns").alias("column")).groupBy("column").count()
    display(Markdown(f"**{name}**"), look.table(columns.orderBy("column").limit(100).toPandas()))

# %% [markdown]
# ## One row's life
# One row that was updated, from the table with the most updates, and every version in which it changed. Where no row was updated,
# one that was inserted or deleted.

# %%
updated = counts.sort_values("count").sort_values("_change", key=lambda change: change == "updated", kind="stable")
table = updated.table.iloc[-1] if len(updated) else silver[0]
key = changes[table].drop("_change", "_columns", "before", "after").columns
rows = changes[table].orderBy(F.col("_change") != "updated", *key).select(*key).limit(1).toPandas().to_dict("records")
Markdown(f"The row of **{table}** is {rows[0]}." if rows else "No row changed, so there is none to follow.")

# %%
for row in rows:
    life = lake.row_history(table, row).select("version", "run_id", "at", "_change", "row.*")
    display(look.table(life.drop("_run_id", "_first_seen_at", "_changed_at").limit(50).toPandas()))

# %% [markdown]
# ## The change feed
# Delta's own record of what the runs wrote, for programs that follow a table: a row before (`update_preimage`) and after
# (`update_postimage`) each change, and each row that was inserted.

# %%
feed = lake.change_feed(table, before.run_id, after.run_id)
written = feed.groupBy("_commit_version", "_change_type").count().orderBy("_commit_version", "_change_type")
look.table(written.limit(100).toPandas())

# %%
shown = [c for c in feed.columns if c[0] != "_"]
feed = feed.orderBy(*key, "_commit_version", F.desc("_change_type"))  # before, then after
look.table(feed.select("_commit_version", "_change_type", *shown).limit(6).toPandas())

# %% [markdown]
# ## The previous publication
# `as_of` gives a table as readers saw it at a time: here the time of the previous publication.

# %%
previous = lake.publications[-2:][0]
sizes = pd.DataFrame(
    [
        {
            "table": name,
            "live rows then": lake.as_of(name, previous.published_at).count(),
            "live rows now": lake.published(name).count(),
        }
        for name in lake.publication.tables
        if name in previous.tables
    ]
)
look.table(sizes)

# %%
Markdown(
    f"The publication of {previous.published_at:%Y-%m-%d %H:%M:%S} UTC can be read as it was; "
    "`./spark-submit.sh sanity-check --rollback` would make it current again."
    if len(lake.publications) > 1
    else "There is no previous publication."
)

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
# # The same tables without Spark
#
# `read_masked` gives the live rows of a published table as Arrow, personal values masked. pandas, Polars and DuckDB take that.
# This is the short way, and no JVM starts.
#
# `published.json` is for those who open the tables themselves: `version` is what is published, and `live` is the SQL condition of
# the rows that the source has not deleted. **Personal values are not masked there.**

# %%
import altair as alt
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from IPython.display import Markdown, display

from lib.lake import read_masked, read_published
from notebooks.tooling import look

look.use()
lake, published = read_published()
look.table(pd.DataFrame(published["tables"]).T.reset_index(names="table"))

# %% [markdown]
# ## As Arrow
# One table after another; a table without a column that you name is an error. Here the first column is enough.

# %%
tables = {
    name: DeltaTable(f"{lake}/{entry['path']}", version=entry["version"]) for name, entry in published["tables"].items()
}
first = {name: table.schema().fields[0].name for name, table in tables.items()}
arrow = {name: read_masked(name, columns=[first[name]]) for name in tables}
by_arrow = {name: table.num_rows for name, table in arrow.items()}
by_pandas = {name: len(table.to_pandas()) for name, table in arrow.items()}

# %% [markdown]
# ## deltalake
# `QueryBuilder` answers SQL on a table that you open yourself.

# %%
query = QueryBuilder()
for name, table in tables.items():
    query.register(name, table)
live = {name: entry["live"] for name, entry in published["tables"].items()}
counts = {name: f'SELECT count(*) AS n FROM "{name}" WHERE {live[name]}' for name in tables}
by_deltalake = {name: pa.table(query.execute(sql))["n"][0].as_py() for name, sql in counts.items()}

# %% [markdown]
# ## Polars
# `scan_delta` reads only what the query needs. Polars finds no file where the path has a space or an accent (its issue 20944):
# use `read_masked` there.

# %%
by_polars = {}
for name, table in tables.items():
    rows = pl.from_arrow(arrow[name]).lazy()
    if "%" not in table.table_uri:
        rows = pl.scan_delta(table).filter(pl.sql_expr(live[name]))
    by_polars[name] = rows.select(pl.len()).collect().item()

# %% [markdown]
# ## DuckDB
# It finds an Arrow table by its name in Python, and needs no extension for that.

# %%
by_duckdb = {}
for name in tables:
    rows = arrow[name]
    by_duckdb[name] = duckdb.sql("SELECT count(*) FROM rows").fetchall()[0][0]

# %% [markdown]
# ## pandas, straight from gold
# Tables of gold have no deletion vectors, so `to_pandas` and Arrow datasets read them as they are. (A table that an earlier
# version made has them until its next change.) For tables of silver, `read_masked` does: `read_masked("tracks").to_pandas()`.

# %%
gold = {
    name: table for name, table in tables.items() if "deletionVectors" not in (table.protocol().reader_features or ())
}
by_file = {name: len(table.to_pandas(columns=[first[name]])) for name, table in gold.items()}
files = pd.DataFrame({"table": by_file.keys(), "rows by to_pandas": by_file.values()})
display(look.table(files) if by_file else Markdown("No table of gold is without deletion vectors here."))

# %% [markdown]
# ## The same counts
# The live rows that each engine finds.

# %%
counts = pd.DataFrame(
    {"Arrow": by_arrow, "pandas": by_pandas, "deltalake": by_deltalake, "Polars": by_polars, "DuckDB": by_duckdb}
)
look.table(counts.reset_index(names="table"))

# %%
differ = counts[counts.nunique(axis=1) > 1].index.tolist()
Markdown(f"They differ for {', '.join(differ)}." if differ else "All five agree on every table.")

# %% [markdown]
# ## A question to one of them
# Plays by day, by DuckDB over Arrow, if the source has plays.

# %%
plays = pd.DataFrame({"day": [], "plays": []})
if "listens" in tables:
    listens = read_masked("listens", columns=["listened_at"])
    plays = duckdb.sql(
        "SELECT listened_at::DATE AS day, count(*) AS plays FROM listens GROUP BY 1 ORDER BY 1 LIMIT 1000"
    ).df()
alt.Chart(plays).mark_line().encode(alt.X("day:T", axis=alt.Axis(format="%b %d")), alt.Y("plays:Q"))

# %%
Markdown(f"{plays.plays.sum():,.0f} plays on {len(plays):,} days.")

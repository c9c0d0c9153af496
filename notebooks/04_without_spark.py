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
# `published.json` says which version of each table is published. With that, any engine that knows Delta reads what `open_lake`
# shows, and no JVM starts. **Nothing is masked for those who open the tables themselves**: they choose their columns, and here none
# is personal. `read_masked` gives a table as Arrow, masked as by `open_lake`: all three engines take it.

# %%
import altair as alt
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from IPython.display import Markdown

from lib.lake import read_masked, read_published

alt.renderers.enable("svg")
lake, published = read_published()
pd.DataFrame(published["tables"]).T

# %% [markdown]
# ## deltalake
# Each table at its published version. `QueryBuilder` knows deletion vectors, which `to_pandas` and `to_pyarrow_table` refuse.

# %%
tables = {
    name: DeltaTable(f"{lake}/{entry['path']}", version=entry["version"]) for name, entry in published["tables"].items()
}
query = QueryBuilder()
for name, table in tables.items():
    query.register(name, table)
by_deltalake = {name: pa.table(query.execute(f'SELECT count(*) AS n FROM "{name}"'))["n"][0].as_py() for name in tables}

# %% [markdown]
# ## Polars
# A lazy scan: of a count no column is read. Where the path has a space or an accent, Polars finds no file (its issue 20944), and
# gets Arrow batches instead.

# %%
by_polars = {}
for name, table in tables.items():
    if "%" in table.table_uri:
        first = table.schema().fields[0].name
        batches = pa.RecordBatchReader.from_stream(query.execute(f'SELECT "{first}" IS NULL AS is_null FROM "{name}"'))
        by_polars[name] = sum(pl.from_arrow(batch).height for batch in batches)
    else:
        by_polars[name] = pl.scan_delta(table).select(pl.len()).collect().item()

# %% [markdown]
# ## DuckDB
# It gets the rows as Arrow batches, so that it needs no extension; here one column of each table.

# %%
by_duckdb = {}
for name, table in tables.items():
    first = table.schema().fields[0].name
    batches = pa.RecordBatchReader.from_stream(query.execute(f'SELECT "{first}" IS NULL AS is_null FROM "{name}"'))
    by_duckdb[name] = duckdb.sql("SELECT count(*) FROM batches").fetchall()[0][0]

# %% [markdown]
# ## The same counts
# Four ways to the same number: what was published, and what each engine finds.

# %%
counts = pd.DataFrame(
    {
        "published": {name: entry["rows"] for name, entry in published["tables"].items()},
        "deltalake": by_deltalake,
        "Polars": by_polars,
        "DuckDB": by_duckdb,
    }
)
counts

# %%
differ = counts[counts.nunique(axis=1) > 1].index.tolist()
Markdown(f"They differ for {', '.join(differ)}." if differ else "All four agree on every table.")

# %% [markdown]
# ## A question to one of them
# Plays by day, by DuckDB over Arrow, where the source has plays.

# %%
plays = pd.DataFrame({"day": [], "plays": []})
if "listens" in tables:
    listens = read_masked("listens", columns=["listened_at"])
    plays = duckdb.sql(
        "SELECT listened_at::DATE AS day, count(*) AS plays FROM listens GROUP BY 1 ORDER BY 1 LIMIT 1000"
    ).df()
alt.Chart(plays).mark_line().encode(alt.X("day:T"), alt.Y("plays:Q"))

# %%
Markdown(f"{plays.plays.sum():,.0f} plays on {len(plays):,} days.")

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
# # Recommendations
#
# Each user has two lists of tracks: `discover` has tracks that they never played, `again` tracks that they did. This page says
# which model makes each list, how that was decided, and what is in the lists. No user is named: you choose one by their position.
# `docs/recommendations.md` says what the numbers mean. No JVM starts.

# %%
import json

import altair as alt
import duckdb
import pandas as pd
import pyarrow.compute as pc
from deltalake import DeltaTable
from IPython.display import Markdown, display

from lib.config.derivations import DISCOVER, LISTS
from lib.errors import LakeError
from lib.lake import read_masked, read_published
from lib.lake.decisions import all_decisions, serving
from lib.lake.model_numbers import numbers_of
from lib.lake.there import lake_there
from lib.recommend.neighbours import neighbours
from notebooks.tooling import look

look.use()
lake, published = read_published()
layout = lake_there(lake)
decisions = all_decisions(layout)
tables = published["tables"]
has_lists = "tracks" in tables and tables.get("recommendations", {"rows": 0})["rows"] > 0
no_lists = "No lists of tracks are published here. If the source YAML has a block `recommend:`, `build-recommendations` makes them."
Markdown(f"{tables['recommendations']['rows']:,} rows are published." if has_lists else no_lists)

# %% [markdown]
# ## Who serves each list
# The model that was promoted last, unless it was rolled back. Without one, rules make the list.

# %%
champions = {name: serving(layout, decisions, name) for name in LISTS}
Markdown(
    "\n".join(
        f"- **{name}**: model {one.model_version} ({one.kind}), promoted on {one.decided_at:%Y-%m-%d %H:%M} UTC."
        if one
        else f"- **{name}**: rules, as no model is promoted. `retrain-model` trains one."
        for name, one in champions.items()
    )
)

# %% [markdown]
# ## How that was decided
# The last decision on each list, and its reasons.

# %%
last = {one.list: one for one in decisions}
reasons = [
    f"- **{name}**, {one.decided_at:%Y-%m-%d %H:%M} UTC: {one.verdict}. {' '.join(one.because)}"
    for name, one in last.items()
]
Markdown("\n".join(reasons) or "Nothing was decided here yet: no model was trained.")

# %% [markdown]
# NDCG@10 of the last five trainings: higher is better. A point is the mean over users, a line its confidence interval. All models
# of one training were measured on the same users.

# %%
measured = pd.DataFrame(
    [
        {"list": one.list, "trained": f"{one.decided_at:%Y-%m-%d %H:%M}", "model": name, **metrics["ndcg_at_10"]}
        for one in decisions
        for name, metrics in json.loads(one.metrics or "{}").items()
    ],
    columns=["list", "trained", "model", "mean", "low", "high", "users", "level"],
)
display(Markdown("No model was measured here yet.") if measured.empty else look.table(measured))

# %%
newest = measured[measured.trained.isin(measured.trained.unique()[-5:])]
newest = newest.assign(of=newest.list.str.cat(newest.model, sep=": "))
base = alt.Chart(newest).encode(
    alt.Y("of:N", title="list and model"), alt.YOffset("trained:O"), alt.Color("trained:N", title="trained (UTC)")
)
intervals = base.mark_rule().encode(alt.X("low:Q", title="NDCG@10"), alt.X2("high:Q"))
points = base.mark_point(filled=True).encode(alt.X("mean:Q"))
if not newest.empty:
    display(intervals + points)

# %% [markdown]
# ## The lists of one user
# `because` names the user's own tracks that gave most of the score. `fallback` is the rule that gave the row; a dash means the
# model did.

# %%
position = 0  # of the user, by number: any from 0 on
titles = {}
if "tracks" in tables:
    tracks = read_masked("tracks", columns=["id", "name", "artist"], with_deleted=True).to_pandas()
    titles = dict(zip(tracks.id, tracks.name + " (" + tracks.artist + ")", strict=True))
if has_lists:
    entry = tables["recommendations"]
    # Each source names the columns of the user and the track by itself: they are the first and the fourth.
    names = [one.name for one in DeltaTable(f"{lake}/{entry['path']}", version=entry["version"]).schema().fields]
    # The user's number, which may be personal, only chooses rows.
    lists = read_masked("recommendations", unmasked=names[:1]).rename_columns(
        ["user", *names[1:3], "track", *names[4:]]
    )
    users = lists["user"].unique().sort()
    rows = lists.filter(pc.field("user") == users[position]).to_pandas().sort_values("rank")
    rows["track"] = [titles.get(one, "(not there)") for one in rows.track]
    rows["because"] = [
        "; ".join(titles.get(one, "(not there)") for one in (own if own is not None else ())) for own in rows.because
    ]
    for name in LISTS:
        shown = look.table(rows[rows.list == name][["rank", "track", "score", "because", "fallback"]])
        display(Markdown(f"**{name}** of user {position + 1:,} of {len(users):,}"), shown)
else:
    display(Markdown(no_lists))

# %% [markdown]
# ## What is near a track
# By the model that makes `discover`. EASE: how much a play of the track adds to the score of the other one. ALS: the cosine
# between the two. Only tracks above 0 are listed.

# %%
place = 0  # of the track among those of the model: any from 0 on
promoted = champions[DISCOVER]
if promoted:
    try:
        numbers = numbers_of(layout, promoted)
        near = neighbours(numbers, promoted.kind, place)
        found = pd.DataFrame(
            [(titles.get(one, "(not there)"), value) for one, value in near], columns=["track", "near"]
        )
        chosen = titles.get(numbers.items[place].as_py(), "(not there)")
        display(Markdown(f"**{chosen}**, track {place + 1:,} of {len(numbers.items):,}"), look.table(found))
    except LakeError as error:
        display(Markdown(f"The model's numbers cannot be used: {error}."))
else:
    display(Markdown(f"No model serves `{DISCOVER}`, so there is nothing to compare tracks by."))

# %% [markdown]
# ## Where the rows come from
# The share of each list that the model gave, and the share that a rule filled in.

# %%
if has_lists:
    shares = duckdb.sql("""
        SELECT list, model_version, coalesce(fallback, 'the model') AS "given by", count(*) AS "rows"
        FROM lists GROUP BY 1, 2, 3 ORDER BY 1 DESC, 4 DESC
    """).df()
    shares["share"] = (shares["rows"] / shares.groupby("list")["rows"].transform("sum")).map("{:.1%}".format)
    display(look.table(shares))
else:
    display(Markdown(no_lists))

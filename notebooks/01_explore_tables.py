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
# # What is in the lake
#
# The published tables: those that passed their checks together. Personal values are masked (`***`); who needs one asks for it by
# name, as in `lake.published("users", unmasked=["email"])`. All times are UTC.

# %%
import altair as alt
import pandas as pd
from IPython.display import Markdown, display

from lib.lake import open_lake

alt.renderers.enable("svg")
lake = open_lake()
tables = lake.published()  # DataFrames by name; each is also a view for SQL
pd.DataFrame(lake.inventory)

# %% [markdown]
# `rows` counts the rows that were deleted from the source too (`_deleted_at` says when). `newest_at` is the newest time in the
# rows that the last run took, and says how fresh the source is (a derived table has none). `checked_at` is the start of the run
# that was published.

# %%
Markdown(f"Source **{lake.source}**, published on {lake.publication.published_at:%Y-%m-%d %H:%M} UTC.")

# %% [markdown]
# ## Three rows of each table
# Any three. Columns that begin with `_` are Pagelake's own, and are left out here.

# %%
for name, frame in tables.items():
    display(Markdown(f"**{name}**"), frame[[c for c in frame.columns if c[0] != "_"]].limit(3).toPandas())

# %% [markdown]
# # The music
# ## Joins done right
# A play points at a track by its number. An inner join would drop the plays whose track is not there without a word. So the plays
# are counted first, by what they point at: a row of the table, one that was deleted, one in quarantine (the source has it, and it
# cannot be taken), or none at all: an orphan.

# %%
lake.need("tracks", "users", "listen_history", "listens")
lake.record("quarantine").createOrReplaceTempView("quarantine")
plays = lake.spark.sql("SELECT track_id, count(*) AS plays FROM listens GROUP BY track_id")
# Quarantine holds no key, only its hash, which is made with the lake's secret.
plays.withColumn("key_hash", lake.key_hash("tracks", {"id": plays.track_id})).createOrReplaceTempView("plays")
pointers = lake.spark.sql("""
    WITH held AS (SELECT DISTINCT key_hash FROM quarantine WHERE table = 'tracks' AND resolved_by IS NULL)
    SELECT CASE WHEN tracks._deleted_at IS NOT NULL THEN 'deleted' WHEN tracks.id IS NOT NULL THEN 'there'
        WHEN held.key_hash IS NOT NULL THEN 'in quarantine' ELSE 'orphan' END AS track, sum(plays) AS plays, count(*) AS tracks
    FROM plays LEFT JOIN tracks ON tracks.id = plays.track_id
    LEFT JOIN held ON held.key_hash = plays.key_hash
    GROUP BY 1 ORDER BY plays DESC
""")
pointers.limit(10).toPandas()

# %% [markdown]
# ## When people listen
# The darker a cell, the more tracks are played in that hour of the week.

# %%
week = lake.spark.sql("""
    SELECT weekday(listened_at) + 1 AS day, hour(listened_at) AS hour, count(*) AS plays FROM listens GROUP BY ALL ORDER BY ALL
""")
week = week.limit(200).toPandas()
alt.Chart(week).mark_rect().encode(
    alt.X("hour:O", title="hour (UTC)"), alt.Y("day:O", title="day (1 is Monday)"), alt.Color("plays:Q")
)

# %%
by_hour = week.groupby("hour").plays.sum().reindex(range(24), fill_value=0)
by_day = week.groupby("day").plays.sum()
Markdown(
    f"Most is played between {by_hour.idxmax()}:00 and {by_hour.idxmax() + 1}:00, least between {by_hour.idxmin()}:00 and "
    f"{by_hour.idxmin() + 1}:00. Of all plays, {by_day.loc[6:].sum() / by_day.sum():.0%} are on a Saturday or Sunday."
)

# %% [markdown]
# ## Top tracks, artists and genres
# Plays whose track is not in the table stay in: as `(not there)`; those of a track without a genre as `(no genre)`.

# %%
top = lake.spark.sql("""
    WITH plays AS (SELECT track_id, count(*) AS plays FROM listens GROUP BY track_id)
    SELECT track_id, coalesce(name, '(not there)') AS name, coalesce(artist, '(not there)') AS artist, plays
    FROM plays LEFT JOIN tracks ON id = track_id ORDER BY plays DESC, track_id
""")
top.limit(10).toPandas()

# %%
artists = lake.spark.sql("""
    SELECT coalesce(artist, '(not there)') AS artist, count(*) AS plays
    FROM listens LEFT JOIN tracks ON id = track_id GROUP BY 1 ORDER BY plays DESC, artist
""")
artists = artists.limit(15).toPandas()
alt.Chart(artists).mark_bar().encode(alt.X("plays:Q"), alt.Y("artist:N", sort=None))

# %%
genres = lake.spark.sql("""
    SELECT coalesce(genres, if(id IS NULL, '(not there)', '(no genre)')) AS genre, count(*) AS plays
    FROM listens LEFT JOIN tracks ON id = track_id GROUP BY 1 ORDER BY plays DESC, genre
""")
genres = genres.limit(30).toPandas()
alt.Chart(genres).mark_bar().encode(alt.X("plays:Q"), alt.Y("genre:N", sort=None))

# %%
Markdown(
    f"**{artists.artist[0]}** is played most ({artists.plays[0]:,} plays), and of the genres **{genres.genre[0]}** "
    f"({genres.plays[0] / genres.plays.sum():.0%} of the plays shown)."
)

# %% [markdown]
# ## The long tail
# The curve says which share of all plays goes to the tracks that are played most. The nearer it bends to the upper left corner, the
# fewer tracks make up most of what is heard. Tracks that nobody plays are counted too.

# %%
tail = lake.spark.sql("""
    WITH plays AS (
        SELECT id, count(track_id) AS plays FROM tracks LEFT JOIN listens ON track_id = id WHERE _deleted_at IS NULL GROUP BY id
    )
    SELECT plays, count(*) AS tracks FROM plays GROUP BY plays ORDER BY plays DESC
""")
tail = tail.limit(10_000).toPandas()
tail["share_of_tracks"] = tail.tracks.cumsum() / tail.tracks.sum()
tail["share_of_plays"] = (tail.plays * tail.tracks).cumsum() / (tail.plays * tail.tracks).sum()
alt.Chart(tail).mark_line(point=True).encode(
    alt.X("share_of_tracks:Q", axis=alt.Axis(format="%")), alt.Y("share_of_plays:Q", axis=alt.Axis(format="%"))
)

# %%
half = tail[tail.share_of_plays >= 0.5].iloc[0]
unheard = int(tail[tail.plays == 0].tracks.sum())
Markdown(f"{half.share_of_tracks:.0%} of the tracks have half of the plays. Never played: {unheard:,}.")

# %% [markdown]
# ## How long a session is

# %%
lengths = lake.spark.sql("""
    SELECT size(items) AS tracks, count(*) AS sessions FROM listen_history WHERE _deleted_at IS NULL GROUP BY 1 ORDER BY 1
""")
lengths = lengths.limit(1_000).toPandas()
alt.Chart(lengths).mark_bar().encode(alt.X("tracks:Q", title="tracks in a session"), alt.Y("sessions:Q"))

# %%
mean = (lengths.tracks * lengths.sessions).sum() / lengths.sessions.sum()
Markdown(f"{lengths.sessions.sum():,} sessions; {mean:.1f} tracks in one on average, {lengths.tracks.max()} at most.")

# %% [markdown]
# ## Users by activity
# How many users had how many sessions. Those at 0 are known to the source, and never listened.

# %%
activity = lake.spark.sql("""
    WITH users AS (SELECT id FROM users WHERE _deleted_at IS NULL),
    sessions AS (SELECT user_id, count(*) AS sessions FROM listen_history WHERE _deleted_at IS NULL GROUP BY user_id)
    SELECT coalesce(sessions, 0) AS sessions, count(id) AS users, count_if(id IS NULL) AS unknown
    FROM users FULL JOIN sessions ON user_id = id GROUP BY 1 ORDER BY 1
""")
activity = activity.limit(10_000).toPandas()
bins = alt.Bin(maxbins=30, extent=[0, int(activity.sessions.max()) + 1])  # the most active have a bar of their own
alt.Chart(activity).mark_bar().encode(alt.X("sessions:Q", bin=bins), alt.Y("sum(users):Q", title="users"))

# %%
quiet = int(activity[activity.sessions == 0].users.sum())
Markdown(
    f"Users: {activity.users.sum():,}, of them without a session: {quiet:,}. With sessions, but without a live row in the table "
    f"(deleted, in quarantine or orphaned), and not counted as users: {activity.unknown.sum():,}."
)

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
# The published tables passed their checks together. They come without the rows that the source has deleted;
# `lake.published("tracks", with_deleted=True)` shows those too. Personal values are masked (`***`);
# `lake.published("users", unmasked=["email"])` shows one column. All times are UTC.

# %%
import altair as alt
import pandas as pd
from IPython.display import Markdown, display

from lib.lake import open_lake
from notebooks.tooling import look

look.use()
lake = open_lake()
tables = lake.published()  # DataFrames by name; each is also a view for SQL
look.table(pd.DataFrame(lake.inventory))

# %% [markdown]
# `rows` counts deleted rows too; the live rows, which you read, are counted below. `newest_at` is the newest time in the rows
# that the last run took: how fresh the source is. A derived table has none. `checked_at` is the start of the run that was
# published.

# %%
Markdown(f"Source **{lake.source}**, published on {lake.publication.published_at:%Y-%m-%d %H:%M} UTC.")

# %%
look.table(pd.DataFrame([{"table": name, "live rows": frame.count()} for name, frame in tables.items()]))

# %% [markdown]
# ## Three rows of each table
# Any three. Columns that begin with `_` are Pagelake's own, and are left out here.

# %%
for name, frame in tables.items():
    rows = frame[[c for c in frame.columns if c[0] != "_"]].limit(3).toPandas()
    display(Markdown(f"**{name}**"), look.table(rows))

# %% [markdown]
# # The music
# ## Joins done right
# A play names a track by its id. `JOIN tracks` silently drops the plays whose track has no live row. So count the plays first, by
# what became of their track: it is `live`, or `deleted`, or `in quarantine` (the source has it, but its row breaks the contract),
# or no row has that id (`orphan`). Then use a `LEFT JOIN`. It keeps every play. The view `every_track` also has the deleted
# tracks, whose titles are still known.

# %%
lake.need("tracks", "users", "listen_history", "listens")
lake.published("tracks", with_deleted=True).createOrReplaceTempView("every_track")
lake.record("quarantine").createOrReplaceTempView("quarantine")
plays = lake.spark.sql("SELECT track_id, count(*) AS plays FROM listens GROUP BY track_id")
# Quarantine holds the hash of a key, made with the lake's secret, and not the key.
plays.withColumn("key_hash", lake.key_hash("tracks", {"id": plays.track_id})).createOrReplaceTempView("plays")
pointers = lake.spark.sql("""
    WITH held AS (SELECT DISTINCT key_hash FROM quarantine WHERE table = 'tracks' AND resolved_by IS NULL)
    SELECT CASE WHEN _deleted_at IS NOT NULL THEN 'deleted' WHEN id IS NOT NULL THEN 'live'
        WHEN held.key_hash IS NOT NULL THEN 'in quarantine' ELSE 'orphan' END AS track, sum(plays) AS plays, count(*) AS tracks
    FROM plays LEFT JOIN every_track ON id = plays.track_id
    LEFT JOIN held ON held.key_hash = plays.key_hash
    GROUP BY 1 ORDER BY plays DESC
""")
pointers = pointers.limit(10).toPandas()
look.table(pointers)

# %%
dropped = int(pointers[pointers.track != "live"].plays.sum())
Markdown(f"`JOIN tracks` would drop {dropped:,} of {pointers.plays.sum():,} plays.")

# %% [markdown]
# ## When people listen
# The darker a cell, the more tracks are played in that hour of the week.

# %%
week = lake.spark.sql("""
    SELECT weekday(listened_at) + 1 AS day, hour(listened_at) AS hour, count(*) AS plays FROM listens GROUP BY ALL ORDER BY ALL
""")
week = week.limit(200).toPandas()
alt.Chart(week).mark_rect().encode(
    alt.X("hour:O", title="hour (UTC)", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
    alt.Y("day:O", title="day (1 is Monday)"),
    alt.Color("plays:Q"),
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
# Every play counts. Where no row has the track, it says `(not there)`; where the track has no genre, `(no genre)`.

# %%
top = lake.spark.sql("""
    WITH plays AS (SELECT track_id, count(*) AS plays FROM listens GROUP BY track_id)
    SELECT track_id, coalesce(name, '(not there)') AS name, coalesce(artist, '(not there)') AS artist, plays
    FROM plays LEFT JOIN every_track ON id = track_id ORDER BY plays DESC, track_id
""")
look.table(top.limit(10).toPandas())

# %%
artists = lake.spark.sql("""
    SELECT coalesce(artist, '(not there)') AS artist, count(*) AS plays
    FROM listens LEFT JOIN every_track ON id = track_id GROUP BY 1 ORDER BY plays DESC, artist
""")
artists = artists.limit(15).toPandas()
alt.Chart(artists).mark_bar().encode(alt.X("plays:Q"), alt.Y("artist:N", sort=None))

# %%
genres = lake.spark.sql("""
    SELECT coalesce(genres, if(id IS NULL, '(not there)', '(no genre)')) AS genre, count(*) AS plays
    FROM listens LEFT JOIN every_track ON id = track_id GROUP BY 1 ORDER BY plays DESC, genre
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
# How few tracks make up most of the plays? Start with the most played track and go right: the curve is the share of all plays so
# far. The closer it is to the upper left corner, the fewer tracks do. Live tracks only; those that nobody played count too.

# %%
tail = lake.spark.sql("""
    WITH plays AS (
        SELECT id, count(track_id) AS plays FROM tracks LEFT JOIN listens ON track_id = id GROUP BY id
    )
    SELECT plays, count(*) AS tracks FROM plays GROUP BY plays ORDER BY plays DESC
""")
tail = tail.limit(10_000).toPandas()
tail["share_of_tracks"] = tail.tracks.cumsum() / tail.tracks.sum()
tail["share_of_plays"] = (tail.plays * tail.tracks).cumsum() / (tail.plays * tail.tracks).sum()
alt.Chart(tail).mark_line(point=True).encode(
    alt.X("share_of_tracks:Q", title="share of tracks", axis=alt.Axis(format="%")),
    alt.Y("share_of_plays:Q", title="share of plays", axis=alt.Axis(format="%")),
)

# %%
half = tail[tail.share_of_plays >= 0.5].iloc[0]
unheard = int(tail[tail.plays == 0].tracks.sum())
Markdown(f"{half.share_of_tracks:.0%} of the tracks have half of the plays. Never played: {unheard:,}.")

# %% [markdown]
# ## How long a session is

# %%
lengths = lake.spark.sql("""
    SELECT size(items) AS tracks, count(*) AS sessions FROM listen_history GROUP BY 1 ORDER BY 1
""")
lengths = lengths.limit(1_000).toPandas()
alt.Chart(lengths).mark_bar().encode(
    alt.X("tracks:O", title="tracks in a session", axis=alt.Axis(labelAngle=0, labelOverlap=True)), alt.Y("sessions:Q")
)

# %%
mean = (lengths.tracks * lengths.sessions).sum() / lengths.sessions.sum()
Markdown(f"{lengths.sessions.sum():,} sessions; {mean:.1f} tracks in one on average, {lengths.tracks.max()} at most.")

# %% [markdown]
# ## Users by activity
# How many users had how many sessions. Those at 0 never listened.

# %%
activity = lake.spark.sql("""
    WITH sessions AS (SELECT user_id, count(*) AS sessions FROM listen_history GROUP BY user_id)
    SELECT coalesce(sessions, 0) AS sessions, count(id) AS users, count_if(id IS NULL) AS unknown
    FROM users FULL JOIN sessions ON user_id = id GROUP BY 1 ORDER BY 1
""")
activity = activity.limit(10_000).toPandas()
bins = alt.Bin(maxbins=30, extent=[0, int(activity.sessions.max()) + 1])  # the most active have a bar of their own
alt.Chart(activity).mark_bar().encode(
    alt.X("sessions:Q", bin=bins, title="sessions of a user"), alt.Y("sum(users):Q", title="users")
)

# %%
quiet = int(activity[activity.sessions == 0].users.sum())
Markdown(
    f"Users: {activity.users.sum():,}, of them without a session: {quiet:,}. With sessions, but without a live row in the table "
    f"(deleted, in quarantine or orphaned), and not counted as users: {activity.unknown.sum():,}."
)

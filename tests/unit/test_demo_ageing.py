import pytest

from demo import Catalog, DemoSettings, Faults, build

SIZES = {"tracks": 300, "users": 400, "sessions": 500}


def day(number: int, **settings: object) -> Catalog:
    return build(DemoSettings(day=number, **{**SIZES, **settings}))


@pytest.fixture(scope="module")
def days() -> list[Catalog]:
    return [day(number) for number in range(4)]


def by_id(catalog: Catalog, table: str) -> dict[int, dict[str, object]]:
    return {row["id"]: row for row in catalog.rows[table]}


def test_day_0_changes_nothing(days: list[Catalog]) -> None:
    assert days[0].changes == {
        "new_sessions": [], "changed_users": [], "removed_tracks": [], "new_tracks": [], "new_users": [],
    }  # fmt: skip


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_day_says_what_it_changed(days: list[Catalog], number: int) -> None:
    before, after = days[number - 1], days[number]
    changes = after.changes
    old_users, new_users = by_id(before, "users"), by_id(after, "users")
    old_tracks, new_tracks = by_id(before, "tracks"), by_id(after, "tracks")

    assert [key for key in new_users if key not in old_users] == changes["new_users"]
    assert [key for key in old_users if key not in new_users] == []
    assert [key for key in old_users if new_users[key] != old_users[key]] == changes["changed_users"]
    assert [key for key in new_tracks if key not in old_tracks] == changes["new_tracks"]
    assert [key for key in old_tracks if key not in new_tracks] == changes["removed_tracks"]
    assert all(new_tracks[key] == row for key, row in old_tracks.items() if key in new_tracks)
    # 1% of 500 sessions, 0.5% of 400 users, and one each.
    assert [len(value) for value in changes.values()] == [5, 2, 1, 1, 1]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_new_sessions_are_appended_and_dated_on_that_day(days: list[Catalog], number: int) -> None:
    before, after = days[number - 1].rows["listen_history"], days[number].rows["listen_history"]
    assert after[: len(before)] == before
    new = after[len(before) :]
    assert [(row["user_id"], row["created_at"]) for row in new] == days[number].changes["new_sessions"]
    # Day 0 ends as 2026 begins, so day 1 is 1 January.
    assert {row["created_at"][:10] for row in new} == {f"2026-01-0{number}"}


def test_a_changed_user_is_updated_on_that_day_in_email_or_favourites(days: list[Catalog]) -> None:
    before, after = by_id(days[0], "users"), by_id(days[1], "users")
    for user in days[1].changes["changed_users"]:
        differing = {column for column in after[user] if after[user][column] != before[user][column]}
        assert "updated_at" in differing
        assert differing - {"updated_at"} in ({"email"}, {"favorite_genres"}, {"email", "favorite_genres"})
        assert str(after[user]["updated_at"]).startswith("2026-01-01T")


def test_the_number_of_tracks_stays_while_they_come_and_go(days: list[Catalog]) -> None:
    assert [catalog.expected["tracks"]["served"] for catalog in days] == [301] * 4
    assert [catalog.expected["users"]["served"] for catalog in days] == [400, 401, 402, 403]
    assert [catalog.expected["listen_history"]["served"] for catalog in days] == [500, 505, 510, 515]


def test_old_sessions_still_point_at_a_removed_track() -> None:
    with_one_track = build(DemoSettings(tracks=1, users=2, sessions=10, day=1))
    [removed] = with_one_track.changes["removed_tracks"]
    assert all(set(row["items"]) == {removed} for row in with_one_track.rows["listen_history"])
    assert [row["id"] for row in with_one_track.rows["tracks"]] == with_one_track.changes["new_tracks"]


def test_blemishes_stay_where_they_are_for_a_year() -> None:
    def blemished(catalog: Catalog) -> tuple[object, ...]:
        tracks, users = catalog.rows["tracks"], catalog.rows["users"]
        seen: dict[int, int] = {}
        twice = [(seen[row["id"]], at) for at, row in enumerate(tracks) if seen.setdefault(row["id"], at) != at]
        return (
            twice,
            [(at, row) for at, row in enumerate(tracks) if row["name"] is None],
            [(at, row) for at, row in enumerate(users) if row["email"] is None],
            {row["id"] for row in tracks + users if row["updated_at"] < row["created_at"]},
        )

    sizes = {"tracks": 120, "users": 30, "sessions": 20}
    first = blemished(build(DemoSettings(**sizes)))
    # 365 removals from 120 tracks: an unprotected row would not survive them.
    assert blemished(build(DemoSettings(day=365, **sizes))) == first
    assert first[0] == [(0, 100)]


def test_a_day_makes_the_same_changes_with_and_without_faults(days: list[Catalog]) -> None:
    spoiled = day(2, faults=Faults(orphans=5, duplicates=5, nulls=50))
    assert spoiled.changes == days[2].changes
    # The orphans are older than everything else.
    assert spoiled.rows["listen_history"][5:] == days[2].rows["listen_history"]


def test_orphans_are_the_same_rows_every_day() -> None:
    faults = Faults(orphans=3)
    assert day(0, faults=faults).rows["listen_history"][:3] == day(3, faults=faults).rows["listen_history"][:3]


def test_small_tables_age_by_at_least_one_row() -> None:
    catalog = build(DemoSettings(tracks=5, users=3, sessions=10, day=1))
    assert [len(value) for value in catalog.changes.values()] == [1, 1, 1, 1, 1]


def test_without_sessions_there_are_none_on_later_days() -> None:
    catalog = build(DemoSettings(tracks=5, users=3, sessions=0, day=2))
    assert catalog.rows["listen_history"] == []
    assert len(catalog.changes["new_users"]) == 1

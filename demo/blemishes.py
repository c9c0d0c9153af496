"""Rows that are wrong on purpose. They are made on day 0, and no later day moves, heals or removes them."""

from demo.clock import DAY, HISTORY_DAYS, SECOND
from demo.listening import session
from demo.settings import BLEMISHED_FROM
from demo.world import HIGHEST_ID, Row, World, rng_for

_PAGE = 100
_TWICE = 0
_NAMELESS = 1
_MAILLESS = 0
_EARLY_SHARE = 0.01


def blemish(world: World) -> None:
    """Take a track's name and a user's email, and date about 1% of updates before the row's creation.

    Rows without a value are at the top, so that removed tracks below do not shift them to other pages.
    """
    rng = rng_for(world.settings, 4)
    for rows in (world.tracks, world.users):
        if len(rows) >= BLEMISHED_FROM:
            for row in rng.sample(rows[2:], max(1, round(len(rows) * _EARLY_SHARE))):
                row["created_at"], row["updated_at"] = row["updated_at"], row["created_at"]
                world.fixed.add(row["id"])
    if len(world.tracks) >= BLEMISHED_FROM:
        world.tracks[_NAMELESS]["name"] = None
        world.fixed |= {world.tracks[_NAMELESS]["id"], world.tracks[_TWICE]["id"]}
    if len(world.users) >= BLEMISHED_FROM:
        world.users[_MAILLESS]["email"] = None
        world.fixed.add(world.users[_MAILLESS]["id"])


def play_the_nameless(world: World) -> None:
    """Let the first session refer to the track that has no name."""
    if world.settings.blemishes and len(world.tracks) >= BLEMISHED_FROM and world.sessions:
        world.sessions[0]["items"][0] = world.tracks[_NAMELESS]["id"]


def orphans(world: World) -> list[Row]:
    """The `orphans` fault: sessions older than all others, so that they are the same rows on every day."""
    rows = []
    for place in range(world.settings.faults.orphans):
        nobody = nothing = HIGHEST_ID + 1 + place
        moment = -(HISTORY_DAYS + 1) * DAY + place * SECOND
        user = world.users[place % len(world.users)]["id"]
        track = world.tracks[place % len(world.tracks)]["id"]
        if place % 2 == 0:
            rows.append(session(nobody, [track], moment))
        else:
            rows.append(session(user, [track, nothing], moment))
    return rows


def served_tracks(world: World) -> list[Row]:
    """The tracks as served: one of them twice on pages that differ, then the copies of the `duplicates` fault."""
    rows = list(world.tracks)
    if world.settings.blemishes and len(rows) >= _PAGE:
        # Days do not change the number of tracks, so this place is the same on every day.
        rows.insert(max(_PAGE, len(rows) // 2), rows[_TWICE])
    good = [place for place, row in enumerate(rows) if row["name"] is not None]
    # Copies go after the last row: whatever is on a full page before is on another page.
    before = [place for place in good if place < len(rows) - len(rows) % _PAGE] or good
    return rows + [rows[before[place * 37 % len(before)]] for place in range(world.settings.faults.duplicates)]


def served_users(world: World) -> list[Row]:
    """The users as served: the `nulls` fault takes the email of the first so many that have one.

    It is done here and not on day 0, so that a day's changes are the same with and without the fault.
    """
    left = world.settings.faults.nulls
    rows = []
    for user in world.users:
        if left and user["email"] is not None:
            left -= 1
            rows.append({**user, "email": None})
        else:
            rows.append(user)
    return rows

"""The words that made-up tracks, artists and people are composed of."""

import random

GENRES = (
    "Rock", "Pop", "Jazz", "Hip-Hop", "Electronic", "Classical", "Folk", "Metal", "Reggae", "Blues", "Soul", "Punk",
)  # fmt: skip

_FIRST_NAMES = (
    "Ada", "Bruno", "Carla", "Dario", "Elena", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Katia", "Liam", "Maya",
    "Noël", "Olga", "Pablo", "Quentin", "Rosa", "Søren", "Tara", "Ugo", "Vera", "Wanda", "Xavier", "Yara", "Zoë",
)  # fmt: skip
_LAST_NAMES = (
    "Alder", "Birk", "Castell", "Dunmore", "Estevez", "Falk", "Grieve", "Holm", "Ibarra", "Jansen", "Kestrel", "Lund",
    "Marchetti", "Nakano", "O'Dell", "Peralta", "Quill", "Renard", "Sandoval", "Thorne", "Ueda", "Vasquez", "Weaver",
)  # fmt: skip
GENDERS = ("Female", "Male", "Non-binary", "Genderqueer", "Agender")
_NICKNAMES = ("otter", "maple", "comet", "pixel", "harbor", "juniper", "cricket", "ember", "lotus", "marble", "nimbus")
_MAIL_HOSTS = ("example.org", "example.com", "example.net")

_MOODS = (
    "Silver", "Hollow", "Slow", "Electric", "Paper", "Midnight", "Golden", "Broken", "Quiet", "Crimson", "Distant",
    "Frozen", "Velvet", "Wild", "Second", "Painted", "Restless", "Northern", "Burning", "Early", "Little", "Empty",
)  # fmt: skip
_THINGS = (
    "Harbour", "Lantern", "River", "Window", "Garden", "Signal", "Mirror", "Train", "Orchard", "Feather", "Summer",
    "Avenue", "Echo", "Café", "Satellite", "Winter", "Letter", "Horizon", "Carousel", "Shadow", "Bridge", "Island",
)  # fmt: skip
_HEADS = ("Ka", "Mo", "Vel", "Tir", "Lu", "Dra", "San", "Ori", "Be", "Jun", "Pha", "Ne", "Ras", "Cal", "Wyn", "Zu")
_MIDDLES = ("lin", "ru", "da", "vo", "mi", "ten", "sa", "lo", "quo", "ber", "na", "shi")
_TAILS = ("ra", "vo", "dra", "nix", "lo", "meth", "sun", "dor", "kai", "tte", "rell", "mond")


def title(rng: random.Random) -> str:
    """A name for a track or an album, such as "Silver Harbour"; not unique."""
    return f"{rng.choice(_MOODS)} {rng.choice(_THINGS)}"


def artist(rng: random.Random) -> str:
    """A name for an artist, such as "Kalinra" or "The Velmidors"; not unique."""
    name = rng.choice(_HEADS) + rng.choice(_MIDDLES) + rng.choice(_TAILS)
    shape = rng.random()
    if shape < 0.2:
        return f"The {name}s"
    return f"{rng.choice(_FIRST_NAMES)} {name}" if shape < 0.5 else name


def person(rng: random.Random) -> tuple[str, str]:
    """First and last name of a listener or a songwriter; not unique."""
    return rng.choice(_FIRST_NAMES), rng.choice(_LAST_NAMES)


def email(rng: random.Random, user_id: int) -> str:
    """An address that no mail server answers for, unique among users because it holds their id."""
    return f"{rng.choice(_NICKNAMES)}.{rng.choice(_NICKNAMES)}{user_id}@{rng.choice(_MAIL_HOSTS)}"

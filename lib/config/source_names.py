"""Names that come from the source, as far as a message may show them: a key of JSON can be data too."""

from __future__ import annotations

import re

# As people name columns: `first_name`, `first-name`, `@type`, `@odata.count`, `größe`. An e-mail address, a person's full
# name, a date and the number of a card do not look like that.
_NAME = re.compile(r"[@$]?[^\W\d][\w-]{0,59}|[@$][^\W\d][\w.-]{0,58}")
_MOST_DIGITS = 4


def is_name(key: str) -> bool:
    """Whether a key looks like the name of a column, and not like a value."""
    return _NAME.fullmatch(key) is not None and sum(character.isdigit() for character in key) <= _MOST_DIGITS

"""The styles of pagination: how a page is asked for, and what follows it. One class a style."""

from lib.source.paging.addressed import Offsets, PageNumbers, Ranges
from lib.source.paging.hints import SLICES
from lib.source.paging.style import Paging, Params, Position, Told, Values, in_body, in_query
from lib.source.paging.styles import STYLES, paging_of
from lib.source.paging.walked import AllAtOnce, Cursors, Keysets, LinkHeaders, NextUrls

__all__ = [
    "SLICES",
    "STYLES",
    "AllAtOnce",
    "Cursors",
    "Keysets",
    "LinkHeaders",
    "NextUrls",
    "Offsets",
    "PageNumbers",
    "Paging",
    "Params",
    "Position",
    "Ranges",
    "Told",
    "Values",
    "in_body",
    "in_query",
    "paging_of",
]

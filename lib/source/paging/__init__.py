"""The styles of pagination: how a page is asked for, and what follows it. One class a style."""

from lib.source.paging.addressed import Offsets, PageNumbers
from lib.source.paging.style import Paging, Params, Position
from lib.source.paging.styles import STYLES, paging_of
from lib.source.paging.walked import Cursors

__all__ = ["STYLES", "Cursors", "Offsets", "PageNumbers", "Paging", "Params", "Position", "paging_of"]

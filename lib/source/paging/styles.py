"""The styles by their names in a source YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.source.paging.addressed import Offsets, PageNumbers, Ranges
from lib.source.paging.style import Paging
from lib.source.paging.walked import AllAtOnce, Cursors, Keysets, LinkHeaders, NextUrls

if TYPE_CHECKING:
    from lib.config.pagination import Pagination

_ALL: tuple[type[Paging], ...] = (PageNumbers, Offsets, NextUrls, LinkHeaders, Cursors, Keysets, Ranges, AllAtOnce)
STYLES: dict[str, type[Paging]] = {style.style: style for style in _ALL}


def paging_of(settings: Pagination) -> Paging:
    """What executors need of `api.pagination`: a class of this package has its settings as fields, under their names."""
    return STYLES[settings.style](**settings.model_dump(exclude={"style"}))

"""What docs/configuration.md says of each style of pagination is what the settings take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from lib.config.pagination import STYLES as SETTINGS
from lib.config.pagination import Pagination
from lib.source.paging import STYLES, Position, paging_of

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
SECTION = PAGE[PAGE.index("### `api.pagination`") : PAGE.index("### `api.limits`")]
SHOWN: list[dict[str, Any]] = [
    yaml.safe_load(line)["pagination"] for line in re.findall(r"^ {4}(pagination: .*)$", SECTION, re.M)
]
# The table of keys has four columns, that of requests three.
KEYS: dict[str, str] = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \| [^|]+ \|$", SECTION, re.M))


def test_every_style_has_an_example() -> None:
    assert [one["style"] for one in SHOWN] == [
        "page", "offset", "range", "next_url", "link_header", "cursor", "keyset", "none"
    ]  # fmt: skip
    assert set(SETTINGS) == set(STYLES) == {one["style"] for one in SHOWN}


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown["style"])
def test_an_example_is_taken_and_reaches_the_class_of_its_style(shown: dict[str, Any]) -> None:
    paging = paging_of(TypeAdapter(Pagination).validate_python(shown))
    assert {name: getattr(paging, name) for name in shown} == shown


@pytest.mark.parametrize("style", [style for style in SETTINGS if style not in ("range", "none")])
def test_a_source_that_takes_no_size_is_asked_for_none(style: str) -> None:
    more = {"keyset": {"by": "id"}}.get(style, {})
    settings = TypeAdapter(Pagination).validate_python({"style": style, "size_param": None, **more})
    asked = [name for name, _ in paging_of(settings).params(Position(2, given=10))]
    assert asked == {"page": ["page"], "offset": ["offset"]}.get(style, [])
    assert list(settings.parameters) == {
        "page": ["page"], "offset": ["offset"], "cursor": ["cursor"], "keyset": ["after"]
    }.get(style, [])  # fmt: skip


@pytest.mark.parametrize("style", SETTINGS)
def test_the_table_has_the_keys_of_each_style_and_no_others(style: str) -> None:
    def has(styles: str) -> bool:
        return (style in re.findall(r"`(\w+)`", styles)) != styles.startswith("all")

    assert {key for key, styles in KEYS.items() if has(styles)} == set(SETTINGS[style].model_fields) - {"style"}

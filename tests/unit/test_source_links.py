"""The `Link` header of RFC 8288: which address it names as the next page, and what cannot be read."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import SourceError
from lib.source.links import next_link

PAGES = {
    '<https://api.example/t?page=2>; rel="next"': "https://api.example/t?page=2",
    "</t?page=2>; rel=next": "/t?page=2",
    "<?page=2>;rel=next": "?page=2",
    '<a>; rel="prev", <b>; rel="next", <c>; rel="last"': "b",
    '<a>; rel="first",<b>;rel="next"': "b",
    # Relation types are separated by spaces, and of any case, as are names of parameters.
    '<a>; rel="last next"': "a",
    '<a>; rel="https://example.org/rels/x  NEXT"': "a",
    "<a>; REL=Next": "a",
    # Some write apostrophes, which are no quotes there.
    "<a>; rel='next'": "a",
    # Only the first rel of a link counts.
    '<a>; rel="prev"; rel="next"': None,
    # A quoted parameter may hold whatever ends a link elsewhere.
    r'<a>; title="x, <b>; rel=\"next\""; rel="prev"': None,
    '<a>; title="x, y; z"; rel="next"': "a",
    r'<a>; title="\\"; rel="next"': "a",
    # So may a target.
    "<t?in=a,b;c>; rel=next": "t?in=a,b;c",
    # Spaces, no value, no parameter at all, and commas too many.
    "<a> ; rel = next": "a",
    "<a>; rel=\tnext ; crossorigin": "a",
    "<a>; crossorigin; rel=next": "a",
    "<a>;rel=next;": "a",
    "<a>, , <b>; rel=next,": "b",
    "<a>; type=text/html; hreflang*=UTF-8'en'x; rel=next": "a",
    "<style.css>; rel=preload; as=style": None,
    '<a>; rel="nextish prefetch"': None,
    '<a>; rel=""': None,
    # The same page twice is one page.
    "<a>; rel=next, <a>; rel=next": "a",
    "<>; rel=next": "",
    "": None,
    " , ": None,
    '<a>; anchor="/other"; rel="up"': None,
}


@pytest.mark.parametrize("header", PAGES)
def test_the_next_page_is_the_target_of_the_link_whose_relation_is_next(header: str) -> None:
    assert next_link(header) == PAGES[header]


@pytest.mark.parametrize(
    "header", ["next", "<a", "<a>; rel=next, b", "<a> rel=next", '<a>; rel="next', "<a>; rel=next>", "<<a>>; rel=next"]
)
def test_a_header_that_cannot_be_read_is_an_error_and_not_the_end(header: str) -> None:
    with pytest.raises(SourceError, match=r"^the Link header cannot be read$"):
        next_link(header)


def test_two_next_pages_are_an_error() -> None:
    with pytest.raises(SourceError, match=r"^the Link header names more than one next page$"):
        next_link("<a>; rel=next, <b>; rel=next")


def test_a_next_page_of_another_address_is_an_error() -> None:
    message = r"^the Link header names a next page of another address than the one that was asked \(anchor\)$"
    with pytest.raises(SourceError, match=message):
        next_link('<a>; rel=next; anchor="/other"')


targets = st.text(st.characters(codec="latin-1", exclude_characters="<>"), max_size=20)
names = st.text("abcdefgxyz*-", min_size=1, max_size=8).filter(lambda name: name not in ("rel", "anchor"))
texts = st.text(st.characters(codec="latin-1"), max_size=20)
spaces = st.sampled_from(("", " ", "\t", "  "))


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def links(draw: st.DrawFn, relation: st.SearchStrategy[str]) -> tuple[str, str]:
    """A target, and a link to it as RFC 8288 lets it be written."""
    target = draw(targets)
    relations = f"{draw(spaces)} ".join([*draw(st.lists(st.sampled_from(("prev", "last", "x:next")))), draw(relation)])
    parameters = [(name, quoted(text)) for name, text in draw(st.lists(st.tuples(names, texts), max_size=3))]
    parameters.insert(draw(st.integers(0, len(parameters))), (draw(st.sampled_from(("rel", "REL"))), f'"{relations}"'))
    written = "".join(f"{draw(spaces)};{draw(spaces)}{name}{draw(spaces)}={value}" for name, value in parameters)
    return target, f"<{target}>{written}{draw(spaces)}"


@given(
    before=st.lists(links(st.sampled_from(("prev", "first"))), max_size=3),
    following=links(st.sampled_from(("next", "Next", "NEXT"))),
    behind=st.lists(links(st.sampled_from(("up", "last"))), max_size=3),
    comma=st.sampled_from((",", ", ", " ,\t", ",,")),
)
def test_it_is_found_among_any_others(
    before: list[tuple[str, str]], following: tuple[str, str], behind: list[tuple[str, str]], comma: str
) -> None:
    header = comma.join(text for _, text in (*before, following, *behind))
    assert next_link(header) == following[0]
    assert next_link(comma.join(text for _, text in (*before, *behind))) is None


@given(st.text('<>;,"\\= \tarelnxt', max_size=40))
def test_any_text_is_read_or_an_error(header: str) -> None:
    found = None
    with suppress(SourceError):
        found = next_link(header)
    assert found is None or f"<{found}>" in header

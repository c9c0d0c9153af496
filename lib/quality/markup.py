"""One page of Great Expectations' data docs, written again from its elements, with nothing in it that loads or runs.

GX writes values of the data into its pages as they are. So no text passes through raw: what is on the lists below is
written anew with its attributes escaped, and everything else is shown as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from html import escape
from html.parser import HTMLParser

from lib.quality import embedded
from lib.quality.counts import Counts

_Attributes = list[tuple[str, str | None]]

# fmt: off
_ELEMENTS = frozenset({
    "html", "head", "title", "body", "nav", "div", "span", "p", "a", "ol", "ul", "li", "h1", "h2", "h3", "h4", "h5",
    "h6", "strong", "b", "em", "i", "small", "code", "pre", "blockquote", "hr", "br", "label", "input", "button",
    "table", "thead", "tbody", "tr", "th", "td",
})
_ATTRIBUTES = frozenset({
    "class", "id", "role", "style", "title", "lang", "type", "name", "checked", "autocomplete", "colspan",
    "rowspan", "hidden", "data-search", "data-sortable", "data-icon-size", "data-pagination",
})
# fmt: on
_TOGGLES = frozenset({"table", "tab", "collapse", "buttons"})
_LOADING = {"src", "href", "data", "srcset", "action", "poster", "background", "content"}
_FOREIGN = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?[\\/]{2}", re.IGNORECASE)
_LOCAL_HREF = re.compile(r"(?![\\/]{2})[^:\\\s]*(?:[/#?][^\\\s]*)?")
# A newsletter, and tutorials to click on: whole, as GX writes them, so that nothing of the data is taken for one.
_FOOTERS = re.compile(
    r"<footer>\s*<p>Stay current on everything GX with our newsletter <a [^<>]*>Subscribe</a></p>\s*</footer>"
    r'|<footer [^<>]*id="ge-cta-footer"[^<>]*>.*?</footer>',
    re.DOTALL,
)
_LOGO = "https://great-expectations-web-assets.s3.us-east-2.amazonaws.com/logo-long.png"
_CLICKS = {
    "showAllValidations()": ("data-show", "all"),
    "hideSucceededValidations()": ("data-show", "failed"),
}
_CLEAR = re.compile(r"clearTableFilters\('([\w-]+)'\)")
# Drawn, not taken from an icon font: a browser may refuse a font from another folder of file:// pages.
_ICONS = {
    "fa-check-circle": ("Passed", "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0zM7 11.7 3.7 8.4l1.2-1.2L7 9.3l4.4-4.4 1.2 1.2z"),
    "fa-times": (
        "Failed",
        "M2 0h12a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H2a2 2 0 0 1-2-2V2a2 2 0 0 1 2-2z"
        "m2.6 3.4L3.4 4.6 6.8 8l-3.4 3.4 1.2 1.2L8 9.2l3.4 3.4 1.2-1.2L9.2 8l3.4-3.4-1.2-1.2L8 6.8z",
    ),
    "fa-exclamation-circle": ("Warning", "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0zM7.1 3.5v5.6h1.8V3.5zm0 7.2v1.8h1.8v-1.8z"),
    "fa-exclamation-triangle": ("Could not check", "M8 0l8 15.5H0zM7.2 5.5v5h1.6v-5zm0 6.2v1.6h1.6v-1.6z"),
}


@dataclass
class Page:
    """What goes into a page besides GX's own content.

    `assets` maps a foreign URL to the file that stands for it, or to "" where none does; `counts` is as in `embedded.Table`.
    """

    head: str
    top: str
    end: str
    assets: Mapping[str, str]
    with_scripts: bool
    counts: Mapping[str, Counts] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def rewrite(text: str, page: Page) -> str:
    """The page, made of listed elements only. `page.unknown` gets each loading reference that is on no list."""
    return _run(_FOOTERS.sub("", text), page, in_body=False)


def clean_fragment(text: str, page: Page) -> str:
    """A piece of a page's body, in the same way."""
    return _run(text, page, in_body=True)


def _run(text: str, page: Page, *, in_body: bool) -> str:
    rewriter = _Rewriter(page, in_body=in_body)
    rewriter.feed(text)
    rewriter.close()
    return rewriter.result()


class _Rewriter(HTMLParser):
    def __init__(self, page: Page, *, in_body: bool) -> None:
        super().__init__(convert_charrefs=True)
        self._page = page
        self._in_body = in_body
        self._titled = False
        self._out: list[str] = []
        self._raw: tuple[str, str] | None = None  # the start tag of a script or style that is being read, and its name
        self._raw_text: list[str] = []

    def result(self) -> str:
        """What was read, written again. A script that never ended is shown as text."""
        if self._raw is not None:
            self._text(self._raw[0] + "".join(self._raw_text))
        return "".join(self._out)

    def handle_starttag(self, tag: str, attrs: _Attributes) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "script" and "src" in values and not self._in_body:
            self._load(tag, values["src"])
            self._raw, self._raw_text = ("", tag), []
        elif tag in {"script", "style"}:
            self._note_foreign(tag, values)
            self._raw, self._raw_text = (self.get_starttag_text() or f"<{tag}>", tag), []
        elif tag == "link" and not self._in_body:
            self._load(tag, values.get("href", ""))
        elif tag == "meta" and not self._in_body:
            return
        elif tag == "img" and values.get("src", "").startswith(_LOGO):
            self._out.append("Data docs of this run")
        elif tag == "title" and (self._in_body or self._titled):
            return
        elif tag in _ELEMENTS:
            self._element(tag, values)
        else:
            self._note_foreign(tag, values)
            self._text(self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attrs: _Attributes) -> None:
        self.handle_starttag(tag, attrs)
        if tag in {"script", "style"}:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._raw is not None and tag == self._raw[1]:
            raw, self._raw = self._raw, None
            self._finish_raw(raw[0], tag, "".join(self._raw_text))
        elif tag == "title":
            self._out.append("" if self._in_body or self._titled else "</title>")
            self._titled = True
        elif tag == "body":
            self._out.append(f"{self._page.end}</body>")
        elif tag in _ELEMENTS:
            self._out.append(f"</{tag}>")
        elif tag not in {"link", "meta", "img"}:
            self._text(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._raw is not None:
            self._raw_text.append(data)
        else:
            self._text(data)

    def handle_comment(self, data: str) -> None:
        self._text(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        if self._out or self._in_body:
            self._text(f"<!{decl}>")
        else:
            self._out.append("<!DOCTYPE html>")

    def unknown_decl(self, data: str) -> None:
        self._text(f"<![{data}]>")

    def handle_pi(self, data: str) -> None:
        self._text(f"<?{data}>")

    def _text(self, text: str) -> None:
        self._out.append(escape(text, quote=False))

    def _element(self, tag: str, values: dict[str, str]) -> None:
        if tag == "input" and values.get("type") != "radio":
            self._text(self.get_starttag_text() or "")
        elif tag == "i" and (icon := _ICONS.keys() & values.get("class", "").split()):
            self._icon(icon.pop(), values)
        else:
            self._out.append(f"<{tag}{_written(values)}>")
        if tag == "head":
            self._out.append(self._page.head)
        elif tag == "body":
            self._in_body = True
            self._out.append(self._page.top)

    def _icon(self, name: str, values: dict[str, str]) -> None:
        words, path = _ICONS[name]
        values["class"] = " ".join(each for each in values["class"].split() if each not in {"fas", name})
        label = "" if "aria-hidden" in values else f' role="img" aria-label="{words}"'
        self._out.append(
            f'<i{_written(values)}{label}><svg width="1em" height="1em" viewBox="0 0 16 16" fill="currentColor" '
            f'fill-rule="evenodd" aria-hidden="true"><path d="{path}"/></svg>'
        )

    def _load(self, tag: str, url: str) -> None:
        """Write the asset that stands for a foreign URL, or nothing."""
        asset = self._page.assets.get(url)
        if asset is None:
            self._note_foreign(tag, {"src": url})
        elif asset and tag == "script":
            self._out.append(f'<script src="{escape(asset)}"></script>')
        elif asset:
            self._out.append(f'<link rel="stylesheet" href="{escape(asset)}">')

    def _note_foreign(self, tag: str, values: Mapping[str, str]) -> None:
        for name in sorted(_LOADING & values.keys()):
            if _FOREIGN.search(values[name]):
                self._page.unknown.append(f"<{tag} {name}={values[name]}>")

    def _finish_raw(self, start: str, tag: str, text: str) -> None:
        if not start:
            return
        if tag == "style" and not self._in_body:
            self._out.append(f"<style>{embedded.local_css(text)}</style>")
            return
        found = embedded.recognise(text) if tag == "script" else None
        if found is None:
            self._text(f"{start}{text}</{tag}>")
        elif found.table is not None:
            clean = partial(clean_fragment, page=self._page)
            self._out.append(found.table.written(clean, scripts=self._page.with_scripts, counts=self._page.counts))
        elif found.graph is not None:
            self._out.append(found.graph.written(scripts=self._page.with_scripts))


def _written(values: Mapping[str, str]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in _kept(values))


def _kept(values: Mapping[str, str]) -> list[tuple[str, str]]:
    kept: list[tuple[str, str]] = []
    for name, value in values.items():
        if name == "href":
            if _LOCAL_HREF.fullmatch(value):
                kept.append((name, value))
        elif name == "onclick":
            clear = _CLEAR.fullmatch(value)
            if value in _CLICKS:
                kept.append(_CLICKS[value])
            elif clear:
                kept.append(("data-clear", clear[1]))
        elif name == "style":
            if not re.search(r"url\s*\(|image|position|@|\\|/\*", value, re.IGNORECASE):
                kept.append((name, value))
        elif name == "data-toggle":
            if value in _TOGGLES:
                kept.append((name, value))
        elif name in _ATTRIBUTES or re.fullmatch(r"aria-[a-z]+", name):
            kept.append((name, value))
    return kept

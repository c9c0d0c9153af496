"""How the pages of GX's data docs are written: by our templates, put before GX's, with what comes from the data as text.

Jinja escapes what is put into any of them. Sentences, to which GX gives markup, and notes, which may have some, go through nh3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import nh3
from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, PackageLoader, pass_context
from markupsafe import Markup, escape

from lib.quality import docs as pages
from lib.quality.docs import Docs, policy, text_of
from lib.quality.docs_renderer import ICONS
from lib.quality.inert import inert
from lib.quality.validate import MOST_KEYS, Findings

_TRACEBACK = "Show exception traceback..."
# fmt: off
_TAGS = {
    "a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre",
    "small", "span", "strong", "ul",
}
# fmt: on
_LOCAL_HREF = re.compile(r"(?![\\/]{2})[^:\\\s]*(?:[/#?][^\\\s]*)?")
# docs.css draws them.
_ICONS = {
    "fa-check-circle": "Passed",
    "fa-times": "Failed",
    "fa-exclamation-circle": "Warning",
    "fa-exclamation-triangle": "Could not check",
}
# GX's filters whose markup has nothing of the data in it.
_MARKUP = ("render_styling", "render_styling_from_string_template", "attributes_dict_to_html_string")


class OwnPages(DefaultJinjaPageView):
    """GX's view with our templates, for the pages of one run and their index. Names and arguments are GX's."""

    def __init__(self, docs: Docs, findings: Findings) -> None:
        super().__init__()
        script = text_of("docs.js")
        assert self.env.loader is not None
        self.env.loader = ChoiceLoader([PackageLoader("lib.quality"), self.env.loader])
        self.env.autoescape = True
        own = {
            "docs": docs,
            "findings": findings,
            "most_keys": MOST_KEYS,
            "pages": pages,
            "icons": ICONS,
        }
        safe = {"policy": Markup(policy(script)), "script": Markup(script), "style": Markup(text_of("docs.css"))}
        self.env.globals |= own | safe
        for name in _MARKUP:
            self.env.filters[name] = _marked(self.env.filters[name])

    @pass_context
    def render_content_block(
        self,
        jinja_context: Any,
        content_block: Any,
        index: Any = None,
        content_block_id: Any = None,
        render_to_markdown: bool = False,  # noqa: FBT001, FBT002 - the signature is GX's
    ) -> Markup:
        """A block by the template of its type, a string as text, a list one after the other; no traceback, as it has paths."""
        if isinstance(content_block, list):
            shown = Markup()
            for number, one in enumerate(content_block):
                own_id = content_block_id and f"{content_block_id}-{number}"
                shown += self.render_content_block(jinja_context, one, number, own_id)
            return shown
        if not isinstance(content_block, dict) or "content_block_type" not in content_block:
            return escape("" if content_block is None else content_block)
        if content_block.get("collapse_toggle_link") == _TRACEBACK:
            return Markup()
        block = super().render_content_block(jinja_context, content_block, index, content_block_id, render_to_markdown)
        return Markup(block)

    def render_string_template(self, template: Any) -> Markup:
        """A sentence with its parameters: an exception is its message, and an icon has a name for those who do not see it."""
        if not isinstance(template, dict):
            return escape(template)
        shown = deepcopy(template)
        shown["template"] = str(escape(shown.get("template", ""))).replace("&lt;br&gt;", "\n")
        # Strings are what GX escapes.
        params = {name: _text(value) for name, value in (shown.get("params") or {}).items()}
        if "exception_message" in params:
            params["exception_message"] = inert(params["exception_message"])
        shown["params"] = params
        if "tooltip" in shown:
            title = str(escape(shown.pop("tooltip")["content"]))
            shown.setdefault("styling", {}).setdefault("attributes", {})["title"] = title
        for own in (shown.get("styling") or {}).get("params", {}).values():
            for icon in _ICONS.keys() & set(own.get("classes", ())):
                own["attributes"] = {"role": "img", "aria-label": _ICONS[icon], **own.get("attributes", {})}
        return _clean(super().render_string_template(shown))

    def render_markdown(self, markdown: str) -> Markup:
        """The notes of a suite."""
        return _clean(super().render_markdown(markdown))


def _text(value: Any) -> str:
    """A value for people: a list with commas, and what is known only at the check by its name."""
    if isinstance(value, list | tuple | set):
        return ", ".join(map(str, value))
    if isinstance(value, Mapping) and set(value) == {"$PARAMETER"}:
        return str(value["$PARAMETER"]).replace("_", " ")
    return str(value)


def _clean(html: str) -> Markup:
    """Markup without what loads, runs or leads away from the site."""
    return Markup(
        nh3.clean(
            html,
            tags=_TAGS,
            attributes={"*": {"class", "id", "role", "style", "title"}, "a": {"href"}},
            attribute_filter=lambda _, name, value: value if name != "href" or _LOCAL_HREF.fullmatch(value) else None,
            generic_attribute_prefixes={"aria-", "data-"},
            link_rel=None,
        )
    )


def _marked(written: Any) -> Any:
    """The same filter of GX, whose text is markup, for what has a styling; nothing for a text."""
    return lambda given, *args, **kwargs: Markup(written(given, *args, **kwargs) if isinstance(given, dict) else "")

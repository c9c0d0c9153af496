"""How GX shows what it rendered: as GX does, but a value of the data is text and never markup, and an exception is its message."""

from __future__ import annotations

from html import escape
from typing import Any

from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import pass_context

from lib.quality.inert import inert

_TRACEBACK = "Show exception traceback..."


class TextOnlyPageView(DefaultJinjaPageView):
    """GX escapes the parameters of its sentences, but writes the cells of its tables as they come: from the data.

    Of an expectation that could not be checked it writes the exception with its traceback: paths, and perhaps values.
    """

    @pass_context
    def render_content_block(
        self,
        jinja_context: Any,
        content_block: Any,
        index: Any = None,
        content_block_id: Any = None,
        render_to_markdown: bool = False,  # noqa: FBT001, FBT002 - the signature is GX's
    ) -> Any:
        """The block as HTML, with plain strings escaped."""
        if isinstance(content_block, str):
            return escape(content_block, quote=False)
        if isinstance(content_block, list):
            content_block = [escape(each, quote=False) if isinstance(each, str) else each for each in content_block]
        if isinstance(content_block, dict):
            if content_block.get("collapse_toggle_link") == _TRACEBACK:
                return ""
            content_block = _without_inside(content_block)
        return super().render_content_block(
            jinja_context, content_block, index, content_block_id, render_to_markdown=render_to_markdown
        )


def _without_inside(block: dict[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = block.get("string_template") or {}
    params: dict[str, Any] = template.get("params") or {}
    if "exception_message" not in params:
        return block
    shown = {**params, "exception_message": inert(str(params["exception_message"]))}
    return {**block, "string_template": {**template, "params": shown}}

"""How GX shows what it rendered: as GX does, except that a value of the data is text and never markup."""

from __future__ import annotations

from html import escape
from typing import Any

from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import pass_context


class TextOnlyPageView(DefaultJinjaPageView):
    """GX escapes the parameters of its sentences, but writes the cells of its tables as they come: from the data."""

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
        return super().render_content_block(
            jinja_context, content_block, index, content_block_id, render_to_markdown=render_to_markdown
        )

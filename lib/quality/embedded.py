"""The inline scripts of GX's pages: tables and graphs, whose data is read out, and functions that `docs.js` replaces.

The data comes as Python literals, which is why it can be read without running anything; it goes out as JSON blocks.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from lib.quality.counts import Counts

_TABLE = re.compile(
    r"\s*\$\('#(?P<id>[\w-]+)'\)\.bootstrapTable\(\s*Object\.assign\(\s*\{\s*columns: (?P<columns>\[[^\n]*\]),\s*"
    r"data: (?P<data>\[[^\n]*\]),\s*toolbar: '#[\w-]+'\s*\},\s*(?P<options>\{[^\n]*\})\s*\)\s*\);.*",
    re.DOTALL,
)
_GRAPH = re.compile(
    r"\s*//[^\n]*\n\s*vlSpec = (?P<spec>\{[^\n]*\});\s*//[^\n]*\n\s*vegaEmbed\('#(?P<id>[\w-]+)', vlSpec, .*",
    re.DOTALL,
)
# The scripts that `docs.js` replaces, and those that no reader needs (walkthrough, advertisement), by how they begin.
_REPLACED = re.compile(
    r"\s*(?:function showAllValidations\(\)|function rowStyleLinks\(row, index\)|"
    r"try \{\s*if \(localStorage\.getItem\('ge-walkthrough-modal-dismissed'\)|"
    r"if \(sessionStorage\.getItem\(\"showCta\"\))"
)
_CSS_LOADS = re.compile(r"@import[^;]*;|url\(\s*(?!['\"]?data:)[^)]*\)", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """A table that GX fills by script."""

    table_id: str
    columns: Sequence[Mapping[str, Any]]
    rows: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any]

    def written(self, clean: Callable[[str], str], *, scripts: bool, counts: Mapping[str, Counts]) -> str:
        """A JSON block for `docs.js`, and the table for those without scripts; without `scripts`, that table alone.

        `counts` are those of the lake's tables, by name: GX knows no warnings, and shows them as failures.
        """
        cleaned = [{name: _cleaned(name, value, clean) for name, value in row.items()} for row in self.rows]
        rows = [_linked(_counted(row, counts.get(str(row.get("asset_name"))))) for row in cleaned]
        plain = self._plain(rows)
        if not scripts:
            return plain
        content = {"columns": self.columns, "data": rows, "options": self.options}
        return f"{json_block(content, 'data-table', self.table_id)}<noscript>{plain}</noscript>"

    def _plain(self, rows: Sequence[Mapping[str, Any]]) -> str:
        names = [str(column.get("field", "")) for column in self.columns]
        head = "".join(f'<th scope="col">{escape(str(column.get("title", "")))}</th>' for column in self.columns)
        body = "".join("<tr>" + "".join(f"<td>{row.get(name, '')}</td>" for name in names) + "</tr>" for row in rows)
        return f'<table class="plain-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


@dataclass(frozen=True)
class Graph:
    """A Vega-Lite graph. None where its specification cannot be read."""

    graph_id: str
    spec: Mapping[str, Any] | None

    def written(self, *, scripts: bool) -> str:
        """A JSON block for `docs.js`, or a sentence where nothing will draw it."""
        if self.spec is None:
            return "<p>This graph cannot be shown.</p>"
        if not scripts:
            return "<p>A graph would be here; it needs the scripts that Node gets at set-up.</p>"
        # It names a version of Vega-Lite, which complains where it is another one. It is not loaded.
        spec = {key: value for key, value in self.spec.items() if key != "$schema"}
        return json_block(spec, "data-graph", self.graph_id)


@dataclass(frozen=True)
class Found:
    """A script that was recognised. Both fields None: it is left out, for `docs.js` does what it did."""

    table: Table | None = None
    graph: Graph | None = None


def recognise(script: str) -> Found | None:
    """What an inline script of GX is there for, or None if it is none of GX's."""
    if _REPLACED.match(script):
        return Found()
    match = _TABLE.fullmatch(script)
    if match:
        parts = [_literal(match[name]) for name in ("columns", "data", "options")]
        if None in parts:
            return None
        return Found(table=Table(match["id"], *parts))
    match = _GRAPH.fullmatch(script)
    return Found(graph=Graph(match["id"], _literal(match["spec"]))) if match else None


def json_block(content: object, attribute: str, name: str) -> str:
    """Data for a script of the page. No `<` is left in it, so that it cannot end early."""
    text = json.dumps(content, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", " ").replace("\u2029", " ")
    return f'<script type="application/json" {attribute}="{escape(name)}">{text}</script>'


def local_css(text: str) -> str:
    """A style sheet that loads nothing."""
    return _CSS_LOADS.sub("none", text)


def _literal(text: str) -> Any:
    try:
        value = ast.literal_eval(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return value


def _cleaned(name: str, value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value) if not name.startswith("_") else value
    return value if isinstance(value, int | float) or value is None else escape(str(value))


def _counted(row: dict[str, Any], counts: Counts | None) -> dict[str, Any]:
    """Put the counts beside GX's mark, and for warnings alone in its place."""
    if counts is not None and "validation_success" in row:
        mark = row["validation_success"]
        if counts.shape == "open":
            # The column's filter looks for its words in the cell's markup.
            mark = "<span hidden>Warnings only</span>"
            row["_validation_success_text"] = "Warnings only"
        row["validation_success"] = f'{mark} <span class="site-{counts.shape}">{escape(counts.short)}</span>'
    return row


def _linked(row: dict[str, Any]) -> dict[str, Any]:
    """GX makes a row lead to its page by script alone: a link serves the keyboard, and readers without scripts."""
    target = row.get("_table_row_link_path")
    field = next((name for name in ("run_name", "expectation_suite_name") if name in row), None)
    if isinstance(target, str) and field is not None and "<" not in str(row[field]):
        row[field] = f'<a href="{escape(target)}">{row[field]}</a>'
    return row

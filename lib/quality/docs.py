"""Great Expectations' data docs of one run, made so that they can be read without any other host.

GX's pages load their scripts, styles, fonts and logo from eight hosts, and the logo's URL carries an id. Here each of
these references becomes a file of the site's own `assets/`, or nothing; a content security policy keeps the browser to
that.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from lib.errors import LakeError
from lib.lake import storage
from lib.lake.site_folder import STAGING
from lib.lake.storage import Address
from lib.quality.counts import Counts
from lib.quality.markup import Page, rewrite

log = logging.getLogger(__name__)

# What GX 1.24's pages load, and the file of the assets that stands for it. scripts/site_assets.sh fetches these files.
ASSETS: Mapping[str, str] = {
    "https://unpkg.com/bootstrap-table@1.19.1/dist/bootstrap-table.min.css": "css/bootstrap-table.min.css",
    "https://maxcdn.bootstrapcdn.com/bootstrap/4.3.1/css/bootstrap.min.css": "css/bootstrap.min.css",
    "https://unpkg.com/bootstrap-table@1.19.0/dist/extensions/filter-control/bootstrap-table-filter-control.css": (
        "css/bootstrap-table-filter-control.min.css"
    ),
    "https://unpkg.com/bootstrap-table@1.19.0/dist/extensions/filter-control/bootstrap-table-filter-control.min.css": (
        "css/bootstrap-table-filter-control.min.css"
    ),
    "https://cdnjs.cloudflare.com/ajax/libs/bootstrap-datepicker/1.9.0/css/bootstrap-datepicker.min.css": (
        "css/bootstrap-datepicker.min.css"
    ),
    "https://cdn.jsdelivr.net/npm/@forevolve/bootstrap-dark@1.1.0/dist/css/bootstrap-prefers-dark.css": (
        "css/bootstrap-prefers-dark.min.css"
    ),
    "https://cdnjs.cloudflare.com/ajax/libs/font-awesome/6.6.0/css/all.min.css": "css/all.min.css",
    "https://cdn.jsdelivr.net/npm/vega@5": "js/vega.min.js",
    "https://cdn.jsdelivr.net/npm/vega-lite@5": "js/vega-lite.min.js",
    "https://cdn.jsdelivr.net/npm/vega-embed@6": "js/vega-embed.min.js",
    "https://code.jquery.com/jquery-3.7.1.min.js": "js/jquery.min.js",
    "https://cdnjs.cloudflare.com/ajax/libs/popper.js/1.12.9/umd/popper.min.js": "js/popper.min.js",
    "https://stackpath.bootstrapcdn.com/bootstrap/4.3.1/js/bootstrap.min.js": "js/bootstrap.min.js",
    "https://unpkg.com/bootstrap-table@1.19.1/dist/bootstrap-table.min.js": "js/bootstrap-table.min.js",
    "https://unpkg.com/bootstrap-table@1.19.1/dist/extensions/filter-control/bootstrap-table-filter-control.min.js": (
        "js/bootstrap-table-filter-control.min.js"
    ),
    "https://cdnjs.cloudflare.com/ajax/libs/bootstrap-datepicker/1.9.0/js/bootstrap-datepicker.min.js": (
        "js/bootstrap-datepicker.min.js"
    ),
}
PLAIN_NOTE = "This page looks plainer than it could, because Node was not there at set-up. Only graphs are left out."
# A run's docs are in site/runs/<docs_id>/: so far is it from their folder to the site's.
_UP_TO_SITE = 2


@dataclass(frozen=True)
class Checked:
    """What came of a run's checks, by table; and what did not pass, the worst first.

    Of each of the latter: its kind, what it says, and the query that gives the rows, "" where there is none.
    """

    counts: Mapping[str, Counts]
    not_passed: Sequence[tuple[str, str, str]]


def site_config(folder: Path) -> dict[str, Any]:
    """GX's configuration of a docs site in `folder`, for `context.add_data_docs_site`. Data is shown as text."""
    view = {"module_name": "lib.quality.docs_view", "class_name": "TextOnlyPageView"}
    ours = "lib.quality.docs_renderer"
    results = {
        "module_name": ours,
        "class_name": "CountedResults",
        "column_section_renderer": {
            "class_name": "ValidationResultsColumnSectionRenderer",
            "table_renderer": {"module_name": ours, "class_name": "WarningsApart"},
        },
    }
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "site_section_builders": {
            "expectations": {"view": dict(view)},
            "validations": {"view": dict(view), "renderer": results},
            "profiling": {"view": dict(view)},
        },
    }


def make_self_contained(
    folder: Path,
    assets: Path | None,
    assets_href: str,
    *,
    checked: Checked | None = None,
    alone: bool = False,
) -> bool:
    """Write every page of a run's docs anew so that nothing in it leaves for another host, nor runs a script but ours.

    `folder` will be moved to `site/runs/<docs_id>`; `assets_href` is what `copy_assets` gave. Where `assets` is None
    the pages say at their top that they are plain, and need no script. What was `checked` is shown at the top of each page
    where not all of it passed, and beside each table of the index.
    Pages that are to stand `alone` say nothing at their top, and do not lead to the site.

    Returns:
        False where a page loaded something that is not in `ASSETS`. It was dropped, and a warning in the log names it.
    """
    unknown: dict[str, None] = {}
    for path in sorted(folder.rglob("*.html")):
        depth = len(path.relative_to(folder).parts) - 1
        root = "../" * (depth + _UP_TO_SITE)
        text = path.read_text("utf-8")
        page = _page(root, assets, assets_href, checked, with_graphs="vegaEmbed(" in text, alone=alone)
        path.write_text(rewrite(text, page), "utf-8")
        unknown.update(dict.fromkeys(page.unknown))
    # Fonts, tutorials' pictures and templates of style sheets, 4 MB a run, that no page refers to.
    shutil.rmtree(folder / "static", ignore_errors=True)
    if unknown:
        log.warning("the data docs load something unknown, which was dropped", extra={"references": sorted(unknown)})
    return not unknown


def copy_assets(assets: Path, site: Address) -> str:
    """Put the shared assets into the site, once for each content, and say where they are: `assets/<hash>`.

    Raises:
        LakeError: a file that the pages need is not there.
    """
    missing = sorted(name for name in set(ASSETS.values()) if not (assets / name).is_file())
    if missing:
        message = f"{assets}: files of the docs are missing ({', '.join(missing)}); delete it and run the set-up again"
        raise LakeError(message)
    names = sorted(path for path in assets.rglob("*") if path.is_file() and not path.name.startswith("."))
    digest = hashlib.sha256()
    for path in names:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(assets).as_posix()}\0{len(content)}\0".encode() + content)
    href = f"assets/{digest.hexdigest()[:12]}"
    target = site / href
    if storage.is_folder(target):
        return href
    staged = storage.work_folder(site / STAGING, "assets-")
    for path in names:
        copy = staged / path.relative_to(assets)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    try:
        storage.move_in(staged, target)
    except OSError:
        shutil.rmtree(staged)
        if not storage.is_folder(target):  # another run that put the same files there is as good
            raise
    return href


def _not_passed(checked: Checked) -> str:
    if not checked.not_passed:
        return ""
    lines = "".join(
        f"<li><strong>{escape(kind)}</strong> {escape(said)}{f'<br><code>{escape(query)}</code>' if query else ''}</li>"
        for kind, said, query in checked.not_passed
    )
    count = escape(str(Counts.total(checked.counts.values())))
    hint = "the rows concerned are in the lake's <code>ops/failures</code>, by key"
    return f'<details class="site-failed" open><summary>{count}; {hint}</summary><ul>{lines}</ul></details>'


def _page(
    root: str,
    assets: Path | None,
    assets_href: str,
    checked: Checked | None,
    *,
    with_graphs: bool,
    alone: bool,
) -> Page:
    script = _text("docs.js")
    style = _text("docs.css")
    known = dict.fromkeys(ASSETS, "")
    if assets is not None:
        known = {url: f"{root}{assets_href}/{name}" for url, name in ASSETS.items()}
    if not with_graphs:
        known |= {url: "" for url, name in ASSETS.items() if name.startswith("js/vega")}
    note = ""
    if assets is None:
        style += _text("plain.css")
        note = "" if alone else f'<p class="site-note">{PLAIN_NOTE}</p>'
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy(script)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
    )
    links = f'<a href="{root}index.html">What is published</a><a href="{root}runs.html">Every run</a>'
    bar = "" if alone else f'<p class="site-bar">{links}</p>'
    return Page(
        head=head,
        top=f"<style>{style}</style>{note}{bar}{_not_passed(checked) if checked else ''}",
        end=f"<script>{script}</script>" if assets else "",
        assets=known,
        with_scripts=assets is not None,
        counts=checked.counts if checked else {},
    )


def policy(script: str) -> str:
    """What a browser may load: files of the site. This is the one inline script that it may run."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _text(name: str) -> str:
    return (files("lib.quality") / "templates" / name).read_text("utf-8")

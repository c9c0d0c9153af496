"""Great Expectations' data docs of one run, made so that they can be read without any other host.

GX's own pages load scripts, styles, fonts and a logo from eight hosts. Ours (`templates/page.j2`) load files of the site's own
`assets/`, or nothing; a content security policy keeps the browser to that.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from lib.errors import LakeError
from lib.lake import storage
from lib.lake.site_folder import STAGING
from lib.lake.storage import Address
from lib.quality.names import failures_command

if TYPE_CHECKING:
    from great_expectations.data_context import EphemeralDataContext

    from lib.quality.validate import Findings

# What draws graphs and charts, in this order. scripts/site_assets.sh fetches these files.
GRAPH_SCRIPTS = ("js/vega.min.js", "js/vega-lite.min.js", "js/vega-embed.min.js")


@dataclass(frozen=True)
class Docs:
    """Where the pages of one check of a run are written, and how they look.

    `folder` will be moved to `site/runs/<docs_id>`. `assets_href` is what `copy_assets` gave; where there are no assets ("") the
    pages have a sentence in place of each graph. Pages that are to stand `alone` say nothing at their top, and do not lead to the
    site. `lake` is the address of the lake, for the command that lists the rows.
    """

    docs_id: str
    folder: Path
    title: str
    assets_href: str = ""
    alone: bool = False
    lake: str = ""

    @property
    def command(self) -> str:
        """What lists the rows that failed in this check."""
        return failures_command(self.docs_id, lake=self.lake)


def write_docs(context: EphemeralDataContext, docs: Docs, findings: Findings) -> None:
    """Write a page for each suite of the context and for each of its results, and the index of them.

    What was found is shown at the top of each page where not all of it passed, and beside each table of the index.
    """
    from great_expectations.render.renderer.site_builder import SiteBuilder

    view = {"module_name": "lib.quality.docs_view", "class_name": "OwnPages", "docs": docs, "findings": findings}
    ours = "lib.quality.docs_renderer"
    results = {
        "module_name": ours,
        "class_name": "CountedResults",
        "column_section_renderer": {
            "class_name": "ValidationResultsColumnSectionRenderer",
            "table_renderer": {"module_name": ours, "class_name": "ResultRows"},
        },
    }
    suites = {
        "class_name": "ExpectationSuitePageRenderer",
        "column_section_renderer": {
            "class_name": "ExpectationSuiteColumnSectionRenderer",
            "bullet_list_renderer": {"module_name": ours, "class_name": "SevereSentences"},
        },
    }
    # By hand: a site of the context's configuration has every `$` in it taken for the name of a setting.
    builder = SiteBuilder(
        context,
        {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.folder)},
        site_name=docs.title,
        show_how_to_buttons=False,
        site_index_builder={"class_name": "DefaultSiteIndexBuilder", "view": view},
        site_section_builders={
            "expectations": {"view": view, "renderer": suites},
            # GX takes a run with "profiling" in its name for another kind, unless any name will do.
            "validations": {"view": view, "renderer": results, "run_name_filter": {"matches_regex": "."}},
            "profiling": "none",
        },
    )
    # Not its `build`, which adds fonts, pictures and style sheets, 4 MB, that no page refers to.
    for section in builder.site_section_builders.values():
        section.build()
    builder.site_index_builder.build()


def copy_assets(assets: Path, site: Address) -> str:
    """Put the shared assets into the site, once for each content, and say where they are: `assets/<hash>`.

    Raises:
        LakeError: a file that the pages need is not there.
    """
    missing = sorted(name for name in GRAPH_SCRIPTS if not (assets / name).is_file())
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


def policy(script: str) -> str:
    """What a browser may load: files of the site. This is the one inline script that it may run."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'"
    )


@cache
def text_of(name: str) -> str:
    """A script or a style sheet of ours."""
    return (files("lib.quality") / "templates" / name).read_text("utf-8")

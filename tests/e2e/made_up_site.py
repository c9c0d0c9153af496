"""A site of made-up data, with markup in all that a page may show: docs of a check that failed, runs, models, an index."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lib.config import load_source
from lib.lake import site_folder as site
from lib.lake.layout import lake_at
from lib.quality import docs
from lib.quality.counts import Counts
from lib.quality.validate import Finding, Findings
from lib.reporting.model_cards import write_cards
from lib.reporting.pages import IndexPage, RunLine, Site, TableLine, render_index, render_runs
from tests.made_up_models import made_up
from tests.on_disk import at

ROOT = Path(__file__).parents[2]
LAKE = "/srv/a lake"
DOCS_ID = "2026-03-05T01:30:00Z nightly#1"
EVIL = "<script>alert(1)</script>"
IMAGE = '"><img src=https://foreign.example/x.png onerror=alert(2)>'
AT = datetime(2026, 3, 5, 1, 30, tzinfo=UTC)
# What came of the checks. Names and messages may hold what was written in a suite.
FAILED = (
    Finding(f"users.known {IMAGE}", "users", "is_known", "", "critical", success=False, said=EVIL),
    Finding("visits.unique", "visits", "is_unique", "", "warning", success=False, said="2 of 2 rows"),
)
PASSED = tuple(
    Finding(f"{table}.{number}", table, "passes", "", "critical", success=True, said="")
    for number, table in enumerate(("tracks", "tracks", "users", "visits"))
)
FINDINGS = Findings((*FAILED, *PASSED), {"tracks": 2, "users": 3, "visits": 2})


def checked_by_gx() -> Any:
    """GX with a suite that passes, one that fails on markup in the data, and one that only warns. Pandas will do here.

    It keeps examples of what it finds, so that the data comes as raw as it can.
    """
    import great_expectations as gx
    import great_expectations.expectations as gxe
    import pandas as pd
    from great_expectations.core.run_identifier import RunIdentifier

    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_pandas("lake")
    distribution = {"values": ["x", "y"], "weights": [0.5, 0.5]}
    samples = {
        "tracks": ({"id": [1, 2]}, [gxe.ExpectColumnValuesToBeUnique(column="id")]),
        "users": (
            {"name": [EVIL, IMAGE, "b"], "gender": ["x", "y", EVIL]},
            [
                gxe.ExpectColumnValuesToBeInSet(column="name", value_set=["b"]),
                gxe.ExpectColumnValuesToNotBeNull(
                    column="name", notes=f"Ask {EVIL} and ![us](https://foreign.example/x.png)"
                ),
                gxe.ExpectColumnKLDivergenceToBeLessThan(column="gender", threshold=0.1, partition_object=distribution),
                gxe.ExpectColumnMeanToBeBetween(column="nowhere", min_value=1),
            ],
        ),
        "visits": ({"id": [1, 1]}, [gxe.ExpectColumnValuesToBeUnique(column="id", severity="warning")]),
    }
    for table, (data, expectations) in samples.items():
        suite = context.suites.add(gx.ExpectationSuite(name=f"demo.{table}", expectations=expectations))
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("whole")
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=f"demo.{table}", data=batch, suite=suite)
        )
        definition.run(
            batch_parameters={"dataframe": pd.DataFrame(data)},
            result_format="SUMMARY",
            run_id=RunIdentifier(run_name="2026-03-05T01:30:00Z profiling", run_time=AT),
        )
    return context


def make_site(folder: Path, context: Any, assets: Path | None) -> Path:
    folder = folder / "lake" / "site"
    href = docs.copy_assets(assets, at(folder)) if assets else ""
    staged = site.staging_folder(at(folder), DOCS_ID)
    docs.write_docs(context, docs.Docs(DOCS_ID, staged, "demo", href, lake=LAKE), FINDINGS)
    site.publish_run_docs(staged, at(folder), DOCS_ID)
    docs_href = f"runs/{quote(DOCS_ID, safe='')}/index.html"
    line = TableLine("users", 3, 1, 1, 3, 0, 0, 3, 0, 0, "counted", Counts(1, 0, 0, 1), docs_href)
    page = IndexPage("demo", "p1", "r1", AT, docs_href, (line,), (), (EVIL,), has_models=True)
    site.write_page(at(folder), "index.html", render_index(page))
    run = RunLine("r1", DOCS_ID, AT, "checks failed", Counts(1, 0, 0, 1), 3, EVIL)
    site.write_page(at(folder), "runs.html", render_runs("demo", [run], has_models=True, lake=LAKE))
    layout = lake_at(str(folder.parent))
    made_up(layout)
    write_cards(Site(load_source("demo", conf_dir=ROOT / "conf", env={}), layout, assets))
    return folder

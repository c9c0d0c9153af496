"""`build-recommendations`: lists for every user by the champion models, checked and published with what they are made from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
from pyspark.sql import functions as F

from jobs.steps.options import Job, lake_only_options, open_job
from jobs.steps.publish import check_and_publish, start
from lib.config import Recommend, derivations_of
from lib.config.derivations import RECOMMENDATIONS
from lib.console import say
from lib.failpoints import reached
from lib.gold.derive import bases_of, record_of
from lib.gold.recommendations import merge_lists
from lib.lake import publications, tables
from lib.lake.decisions import all_decisions
from lib.lake.layout import remove_rebuilds
from lib.lake.lock import writing
from lib.lake.opening import check_columns, kept_with_record
from lib.lake.publications import Publication
from lib.lake.results import changed
from lib.lake.runs import Run, record_recommend, run_of
from lib.lake.states import RunState
from lib.lake.there import published_there
from lib.recommend.build import build_lists
from lib.recommend.list_numbers import lists_before, numbers_of
from lib.recommend.training_set import opened
from lib.reporting.lists import Found, lists_observed
from lib.reporting.models import say_lists
from lib.reporting.site import heal_site

NAME = "build-recommendations"
ADVICE = "see why these lists fail; the next full-ingest publishes those that are current"


@click.command(
    NAME,
    help="Make gold/recommendations from the current publication, by the models that retrain-model promoted; check it, and publish "
    "it together with the tables that it was made from. Before a model is promoted, the lists come from what is popular and from "
    "own plays.",
)
@click.option(
    "--if-declared",
    is_flag=True,
    help="Do nothing, and exit with 0, if the source has no block recommend. For schedulers that copy any source.",
)
@lake_only_options
def command(*, if_declared: bool, **options: Any) -> None:
    """The command line of the job."""
    job = open_job(**options)
    if if_declared and job.source.recommend is None:
        say([f"Nothing to do: source {job.source.source} has no block recommend:."])
        return
    settings = job.source.recommended()
    check_columns(job.layout, published_there(job.layout), derivations_of(job.source)[RECOMMENDATIONS].bases)
    # It copies nothing, so it is no run: what is told of runs, and of those that failed, stays as it is.
    with writing(job.layout, f"{NAME} of {published_there(job.layout).publication_id}", job.now):
        remove_rebuilds(job.layout)
        publications.heal(job.layout)
        heal_site(job.site)
        publication = published_there(job.layout)
        run = run_of(job.layout, publication)
        with lists_observed(job.watch, run, NAME, job.now) as found:
            build(job, publication, run, settings, found)
    say_lists(job.layout, published_there(job.layout))


def build(job: Job, publication: Publication, published: Run, settings: Recommend, found: Found) -> None:
    """Score every user, merge the lists, check all tables with them, publish: a later check of the run that is published."""
    record_recommend(job.layout, published, job.source.public()["recommend"])
    run = replace(published, state=RunState.MERGED, tables=kept_with_record(publication, published))
    spark, suites = start(job, NAME, run, sum(table.rows for table in publication.tables.values()))
    declared = derivations_of(job.source)[RECOMMENDATIONS]
    bases = bases_of(job.layout, run, declared.bases)
    frames = {base.name: tables.at_version(spark, base.path, base.version) for base in bases}
    decisions = all_decisions(job.layout)
    before = lists_before(spark, job.layout, declared, run)
    with opened(spark, job.source, settings, frames, publication.published_at) as training_set:
        with job.steps.step("score") as step:
            built = build_lists(training_set, job.layout, decisions, job.now)
            found.unusable = built.passed_over
            merged = merge_lists(spark, job.layout, job.source, built.lists, bases)
            run.tables[declared.name] = record_of(job.layout, declared, merged, bases)
            run.tables[declared.name].newest_at = training_set.last_play
            step.result = changed([run.tables[declared.name]])
            reached("lists merged")
        for sentence in found.unusable:
            job.steps.note(sentence)
        with job.steps.step("measure") as step:
            now = tables.at_version(spark, job.layout.gold(declared.name), merged.version)
            since = frames[settings.plays.table].where(F.col(settings.plays.at) <= F.lit(publication.published_at))
            found.numbers = numbers_of(training_set, now, since, before, decisions, built.serving, job.now)
            coverage = [f"{name} {share:.0%}" for name, share in found.numbers.coverage.items()]
            step.result = f"coverage: {', '.join(coverage)}"
    carried = next(iter(publication.accepted), None)
    try:
        check_and_publish(spark, job, run, suites, carried=carried, advice=ADVICE)
    finally:
        # Also where the copy of the site failed after that.
        if run.state == RunState.PUBLISHED:
            published.tables[declared.name] = run.tables[declared.name]
            published.save(job.layout)
            found.is_published = True

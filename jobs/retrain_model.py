"""`retrain-model`: train candidates on what is published, measure them beside baselines and champions, promote what is better."""

from __future__ import annotations

from typing import Any

import click

from jobs.steps.options import Job, lake_only_options, open_job
from lib.config import derivations_of, new_run_id
from lib.config.derivations import RECOMMENDATIONS, are_items_personal
from lib.console import number_of
from lib.errors import ConfigError
from lib.failpoints import reached
from lib.lake.decisions import Decision, all_decisions
from lib.lake.lock import training
from lib.lake.named import check_lake
from lib.lake.opening import check_columns
from lib.lake.read import at_version
from lib.lake.there import published_there
from lib.recommend.build import tables_read
from lib.recommend.need import last_training, reasons
from lib.recommend.retrain import Training, keep, last_profile, roll_back, train
from lib.recommend.training_set import opened
from lib.reporting.lists import fallen_since
from lib.reporting.model_cards import write_cards
from lib.reporting.models import say_decisions, say_need, say_outcomes, track
from lib.session import start_session

NAME = "retrain-model"


@click.command(
    NAME,
    help="Train a model for each list of recommendations on the current publication, measure it on the last days beside the "
    "baselines and the champion, and promote it if it is better. ops/models keeps each decision, and why it was made.",
)
@click.option(
    "--if-needed",
    is_flag=True,
    help="Train only if the last training is too old, or the plays have grown or changed much since then; say which.",
)
@click.option("--dry-run", is_flag=True, help="Train and measure, and say what would be decided; write nothing.")
@click.option(
    "--rollback", is_flag=True, help="Undo the last promotion: the champion before it serves again. Nothing is trained."
)
@lake_only_options
def command(*, if_needed: bool, dry_run: bool, rollback: bool, **options: Any) -> None:
    """The command line of the job."""
    for name, is_given in (("--dry-run", dry_run), ("--if-needed", if_needed)):
        if rollback and is_given:
            message = f"--rollback trains nothing, so {name} has no meaning beside it"
            raise ConfigError(message)
    job = open_job(**options)
    job.source.recommended()
    check_lake(job.layout)
    version = new_run_id(job.now)
    if not rollback:
        check_columns(job.layout, published_there(job.layout), derivations_of(job.source)[RECOMMENDATIONS].bases)
    with training(job.layout, version, job.now):
        decisions = (
            roll_back(job.layout, version) if rollback else retrain(job, version, is_dry=dry_run, if_needed=if_needed)
        )
        if decisions:
            # A run may write these pages at the same time: each is replaced as a whole, and the next run writes what it finds.
            write_cards(job.site)
    if not dry_run:
        track(job.source, job.layout)
    if decisions:
        say_decisions(job.layout, decisions)


def retrain(job: Job, version: str, *, is_dry: bool, if_needed: bool) -> list[Decision]:
    """Train, measure, decide. Returns what was recorded: nothing where no training is needed, or none is wanted."""
    publication, settings = published_there(job.layout), job.source.recommended()
    tables = [publication.tables[name] for name in tables_read(settings)]
    with job.steps.step("start Spark"):
        spark = start_session(
            f"pagelake {NAME} {version}", job.runtime, rows=sum(one.rows for one in tables), halts=True
        )
    frames = {one.table: at_version(spark, job.layout, one.path, one.version) for one in tables}
    with opened(spark, job.source, settings, frames, publication.published_at) as training_set:
        decisions, fired = all_decisions(job.layout), list[str]()
        with job.steps.step("look at the plays") as step:
            profile = last_profile(training_set)
            step.result = number_of(0 if profile is None else profile.plays, "play")
        if if_needed:
            last = last_training(decisions)
            fallen = fallen_since(job.layout, last)
            fired = reasons(last, profile, job.now, settings.retrain, fallen)
            say_need(fired)
            if not fired:
                return []
        with job.steps.step("train and measure") as step:
            outcomes = train(training_set, decisions)
            better = sum(one.promoted for one in outcomes)
            step.result = f"{better} of {number_of(len(outcomes), 'candidate')} better"
        reached("trained")
        if is_dry:
            say_outcomes(outcomes)
            return []
        made = Training(version, publication, profile, tuple(fired), names_items=not are_items_personal(job.source))
        with job.steps.step("decide") as step:
            decisions = keep(training_set, job.layout, made, outcomes)
            step.result = f"{number_of(better, 'model')} promoted"
    say_outcomes(outcomes)
    return decisions

"""The DAG `full_ingest`: every night, from the API to published tables."""

import os

from airflow.sdk import CronTriggerTimetable
from pagelake_command import RUN_ID
from pagelake_jobs import PagelakeJob, PublishingJob, pagelake_dag

ABOUT = """
Copies every table of a source into its lake (`full_ingest`), then checks what was merged and publishes it if it passes
(`sanity_check`). Each task is one job, and starts Spark once. A second try goes on where the first stopped.

What to do when a task fails is in `docs/airflow.md`.
"""

with pagelake_dag(
    "full_ingest",
    schedule=CronTriggerTimetable(os.environ.get("PAGELAKE_AIRFLOW_CRON", "0 3 * * *"), timezone="UTC"),
    description="From the API to published tables, every night",
    doc_md=ABOUT,
):
    ingest = PagelakeJob(task_id="full_ingest", job="full-ingest", options=["--no-check", "--resume-or-start", RUN_ID])
    check = PublishingJob(task_id="sanity_check", job="sanity-check", options=["--run-id", RUN_ID])
    ingest >> check

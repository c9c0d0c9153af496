"""The DAG `retrain_model`: looks every day whether a training is needed, which it is every week at least."""

import os

from airflow.sdk import CronTriggerTimetable
from pagelake_jobs import LAKE, SOURCE, PagelakeJob, pagelake_dag

ABOUT = """
Trains a model for each list of recommendations if one is needed, and promotes it if it is better (`retrain_model`). One is needed
after a week (`recommend.retrain.max_age_days` of the source YAML), or sooner if plays are many more or look otherwise. The next
lists are made by what was promoted.
"""

with pagelake_dag(
    "retrain_model",
    schedule=CronTriggerTimetable(os.environ.get("PAGELAKE_AIRFLOW_RETRAIN_CRON", "0 5 * * *"), timezone="UTC"),
    params={"source": SOURCE, "lake": LAKE},
    description="A model for the recommendations, every week and by need",
    doc_md=ABOUT,
):
    # It only reads what is published, and has a lock of its own: no run waits for it.
    retrain = PagelakeJob(task_id="retrain_model", job="retrain-model", options=["--if-needed"], pool="default_pool")

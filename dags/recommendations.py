"""The DAG `recommendations`: lists for every user, whenever something is published."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowSkipException
from pagelake_command import lakes_of
from pagelake_jobs import LAKE, PUBLISHED, SOURCE, TASK_SETTINGS, CheckingJob, pagelake_dag
from pagelake_record import task_callback

ABOUT = """
Makes `gold/recommendations` of what was published, checks it and publishes it (`build_recommendations`, one for each lake that was
published since the last run). A source whose YAML has no block `recommend:` is skipped. Triggered by hand, it does so for the
lake of its parameters.
"""


class ListsJob(CheckingJob):
    """The job that makes the lists, skipped where there are none to make."""

    def ended(self, context: Any, status: int, said: dict[str, str]) -> dict[str, str]:
        """What the exit status means.

        Raises:
            AirflowSkipException: the job ended well and published nothing.
        """
        result = super().ended(context, status, said)
        if "tables" not in result:
            raise AirflowSkipException("the source has no recommendations (the line above says why)")
        return result


def lakes(*, params: Any, triggering_asset_events: Any) -> list[dict[str, Any]]:
    """The lakes to make lists for: those that were published, or that of the parameters."""
    extras = [event.extra for events in triggering_asset_events.values() for event in events]
    return lakes_of(params, extras)


# A run may be about several lakes, so that only the tasks know where their end is to be recorded.
with pagelake_dag(
    "recommendations",
    schedule=[PUBLISHED],
    params={"source": SOURCE, "lake": LAKE},
    on_success_callback=None,
    on_failure_callback=None,
    description="Lists of recommendations, whenever something is published",
    doc_md=ABOUT,
):
    build = ListsJob.partial(
        task_id="build_recommendations",
        job="build-recommendations",
        options=["--if-declared"],
        map_index_template="{{ params.source }}",
        on_skipped_callback=task_callback("success"),  # or an alert of a failure before would stay for good
        **TASK_SETTINGS,
    ).expand(params=task(lakes)())

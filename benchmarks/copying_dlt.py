"""The part of `benchmarks.copying` that runs dlt, in an environment that has it: URL FOLDER.

dlt's own REST source with its page-number paginator, merged by key into Delta tables in a folder, as its documentation shows it.
The array of a session becomes a table of its own (dlt's default), much as Pagelake derives `listens`.
"""

from __future__ import annotations

import sys

import dlt
from dlt.sources.rest_api import rest_api_source

_KEYS = {"tracks": ["id"], "users": ["id"], "listen_history": ["user_id", "created_at"]}


def main(url: str, folder: str) -> None:
    """Copy the three tables."""
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "paginator": {"type": "page_number", "base_page": 1, "page_param": "page", "total_path": "pages"},
            },
            "resource_defaults": {
                "write_disposition": "merge",
                "table_format": "delta",
                "endpoint": {"params": {"size": 100}, "data_selector": "items"},
            },
            "resources": [
                {"name": name, "primary_key": key, "endpoint": {"path": name}} for name, key in _KEYS.items()
            ],
        }
    )
    pipeline = dlt.pipeline(
        "demo",
        destination=dlt.destinations.filesystem(f"file://{folder}"),
        dataset_name="demo",
        pipelines_dir=f"{folder}/state",
    )
    pipeline.run(source)


if __name__ == "__main__":
    main(*sys.argv[1:])

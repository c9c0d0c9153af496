"""What `index.html` says of a check, kept beside the check's docs: it can be shown again when its tables are current again."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from lib.lake import storage
from lib.lake.storage import Address
from lib.quality.counts import Counts
from lib.reporting.pages import IndexPage, TableLine

NAME = "index.json"


def keep_page(docs: Path, page: IndexPage) -> None:
    """Write the page's data beside docs in the making. Who accepted what, and rollbacks, are in the publications instead."""
    kept = {
        name: value
        for name, value in asdict(page).items()
        if name not in ("accepted", "restored", "previous", "has_models", "has_notebooks", "latest")
    }
    (docs / NAME).write_text(json.dumps(kept, indent=1, default=datetime.isoformat) + "\n", "utf-8")


def kept_page(docs: Address) -> IndexPage | None:
    """The page whose data was kept with these docs, or None where they are no longer there."""
    if not storage.is_file(docs / NAME):
        return None
    kept: dict[str, Any] = json.loads(storage.read_text(docs / NAME))
    kept["published_at"] = datetime.fromisoformat(kept["published_at"])
    # JSON knows lists only.
    for line in kept["tables"]:
        line["counts"] = line["counts"] and Counts(**line["counts"])
        line["missing"] = line.get("missing") and _tuples(line["missing"])
        line["newest_at"] = datetime.fromisoformat(line["newest_at"]) if line.get("newest_at") else None
    kept["tables"] = tuple(TableLine(**line) for line in kept["tables"])
    kept["rejected_reasons"] = _tuples(kept["rejected_reasons"])
    kept["notes"] = tuple(kept["notes"])
    return IndexPage(**kept)


def _tuples(rows: list[list[Any]]) -> tuple[Any, ...]:
    return tuple(map(tuple, rows))

"""`sanity-check --rollback` as a process, killed at each of its steps: readers see one publication, whole, at any time."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from lib.lake import publications
from lib.lake.checks import all_checks
from lib.lake.layout import Layout, lake_at
from lib.reporting.mirror import mirror
from lib.reporting.pages import publication_of
from lib.reporting.site import heal_site
from tests.e2e.jobs_and_lakes import ROOT
from tests.on_disk import on_disk
from tests.published_lake import PublishedLake

pytestmark = pytest.mark.e2e

OLD, NEW = "third", "second.rollback1"
# Version n of the table has n + 1 rows.
VERSION = {OLD: 2, NEW: 1}


@dataclass(frozen=True)
class Start:
    """A start of the job, and the steps that it came to."""

    status: int
    said: str
    steps: list[str]


def roll_back(root: Path, die_at: int = 0) -> Start:
    """Start a rollback. Three checks' docs were kept; it keeps those that it needs, and brings a copy of the site up to date."""
    log = root.parent / "steps"
    site = ["--set", "site.keep_runs=1", "--set", f"site.publish_to={copy_of(root).as_uri()}"]
    job = ["sanity-check", "--rollback", "--lake", str(root), *site]
    done = subprocess.run(
        [sys.executable, "-m", "tests.dies_at_step", str(die_at), str(log), str(root), *job],
        cwd=ROOT,
        # No Java is to be had: nothing here may need one.
        env={**os.environ, "PATH": "/nowhere", "JAVA_HOME": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Start(done.returncode, done.stdout + done.stderr, log.read_text("utf-8").splitlines())


def copy_of(root: Path) -> Path:
    return root.parent / "copy of the site"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> PublishedLake:
    """Three publications, each with docs."""
    lake = PublishedLake(tmp_path_factory.mktemp("published"))
    for name in ("first", "second", "third"):
        lake.published(name)
        (on_disk(lake.layout.site) / "runs" / name / "index.html").write_text(f"the docs of {name}", "utf-8")
    mirror(lake.layout.site, copy_of(on_disk(lake.layout.root)).as_uri())
    return lake


@dataclass(frozen=True)
class Seen:
    """Which publication each place names; None where index.html is not whole, or has a link that leads nowhere."""

    current: str
    told: str
    shown: str | None


def seen(layout: Layout) -> Seen:
    """What readers see. The table that published.json names is read, all of it."""
    known = publications.current(layout)
    assert known is not None
    told = PublishedLake.told_by(layout)
    table = told["tables"]["tracks"]
    held = DeltaTable(str(on_disk(layout.root) / table["path"]), version=table["version"]).to_pyarrow_table()
    version = VERSION[told["publication_id"]]
    assert (table["version"], held) == (version, pa.table({"id": list(range(version + 1))}))
    html = (on_disk(layout.site) / "index.html").read_text("utf-8")
    links = [on_disk(layout.site) / link for link in re.findall(r'href="([^"#]+)"', html) if ":" not in link]
    assert links
    is_whole = html.rstrip().endswith("</html>") and all(link.is_file() for link in links)
    return Seen(known.publication_id, told["publication_id"], publication_of(html) if is_whole else None)


def test_a_rollback_killed_at_each_of_its_steps_leaves_one_publication_whole_and_the_next_start_ends_it(
    lake: PublishedLake, tmp_path: Path
) -> None:
    def fresh(name: str) -> Path:
        shutil.copytree(on_disk(lake.layout.root).parent, tmp_path / name)
        return tmp_path / name / lake.layout.root.name

    whole = roll_back(fresh("whole"))
    assert whole.status == 0, whole.said
    # Of a row of files that are removed one after the other, one will do.
    kinds = [step.partition(" ")[0] if "remov" in step else step for step in whole.steps]
    places = [n for n, kind in enumerate(kinds, start=1) if n == 1 or kind != kinds[n - 2]]
    found = []
    for place in places:
        root = fresh(f"killed {place}")
        killed = roll_back(root, place)
        assert killed.status == -signal.SIGKILL, killed.said
        assert len(killed.steps) == place - 1
        then = seen(lake_at(str(root)))
        found.append(then)
        assert then.shown is not None

        # Any job that comes next sees to it that all places name the same.
        healed = tmp_path / f"healed {place}"
        shutil.copytree(root, healed)
        lake.job.layout = lake_at(str(healed))
        publications.heal(lake.job.layout)
        heal_site(lake.job.site)
        assert seen(lake.job.layout) == Seen(then.current, then.current, then.current)

        # A second start ends what was begun, and goes no further back.
        again = roll_back(root)
        assert again.status == 0, again.said
        assert f"Publication second is current again, in place of {OLD}." in again.said
        assert seen(lake_at(str(root))) == Seen(NEW, NEW, NEW)
        assert [check.docs_id for check in all_checks(lake_at(str(root)))] == [NEW, "third", "second", "first"]
        site = root / "site"
        assert sorted(path.name for path in (site / "runs").iterdir()) == ["first", "second"]
        assert files(copy_of(root)) == files(site)
        shutil.rmtree(root.parent)
        shutil.rmtree(healed)
    # Each state between the old publication and the new one was met, in their order.
    states = [Seen(OLD, OLD, OLD), Seen(NEW, OLD, OLD), Seen(NEW, NEW, OLD), Seen(NEW, NEW, NEW)]
    assert list(dict.fromkeys(found)) == states


def files(folder: Path) -> dict[str, bytes]:
    """Every file below that is not hidden, as a copy of the site has it."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {str(path): (folder / path).read_bytes() for path in paths if not path.parts[0].startswith(".")}

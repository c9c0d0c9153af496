"""scripts/site_assets.sh with a stand-in for npm: what it leaves behind, whatever happens."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "site_assets.sh"
# Makes every file that the script asks for, or fails, as a variable says.
NPM = """#!/bin/bash
echo npm >> "$NPM_CALLS"
if [ -n "$NPM_FAILS" ]; then echo "no network" >&2; exit 1; fi
[ "$1" = ci ] && [ "$2" = --ignore-scripts ] || exit 9
for file in $NPM_FILES; do mkdir -p "node_modules/$(dirname "$file")"; echo "$file" > "node_modules/$file"; done
mkdir -p node_modules/vega/src && echo unused > node_modules/vega/src/unused.js
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with what the script needs, and a stand-in for Node."""
    folder = tmp_path / "tools"
    folder.mkdir()
    used = ("bash", "cat", "cksum", "cp", "mkdir", "mktemp", "rm", "mv", "find", "dirname", "basename", "tail", "chmod")
    for name in used:
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    for name, text in (("node", "#!/bin/bash\n"), ("npm", NPM)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def run(tools: Path, target: Path, **env: str) -> subprocess.CompletedProcess[str]:
    wanted = SCRIPT.read_text("utf-8").split("files='")[1].split("'")[0]
    names = " ".join(line.split()[0] for line in wanted.strip().splitlines())
    calls = str(tools.parent / "calls")
    return subprocess.run(
        [str(SCRIPT), str(target)],
        env={"PATH": str(tools), "NPM_CALLS": calls, "NPM_FILES": names, "NPM_FAILS": "", **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_the_files_that_pages_need_are_copied(tools: Path, tmp_path: Path) -> None:
    target = tmp_path / "a folder" / "assets"
    done = run(tools, target)
    assert (done.returncode, done.stderr) == (0, "")
    assert (target / "js" / "vega.min.js").read_text() == "vega/build/vega.min.js\n"
    assert len([path for path in target.rglob("*") if path.is_file()]) == 4
    assert os.listdir(target.parent) == ["assets"]


def test_a_second_call_does_nothing(tools: Path, tmp_path: Path) -> None:
    run(tools, tmp_path / "assets")
    run(tools, tmp_path / "assets")
    assert (tmp_path / "calls").read_text() == "npm\n"


def test_an_unfinished_or_older_folder_is_replaced(tools: Path, tmp_path: Path) -> None:
    target = tmp_path / "assets"
    target.mkdir()
    (target / "old.js").write_text("old")
    run(tools, target)
    assert not (target / "old.js").exists()
    assert (target / ".stamp").exists()


@pytest.mark.parametrize("missing", ["node", "npm"])
def test_without_node_it_says_so_and_makes_nothing(tools: Path, tmp_path: Path, missing: str) -> None:
    (tools / missing).unlink()
    done = run(tools, tmp_path / "assets")
    assert done.returncode == 0
    assert "charts and graphs will be left out" in done.stderr
    assert not (tmp_path / "assets").exists()


def test_where_npm_fails_it_says_why_and_makes_nothing(tools: Path, tmp_path: Path) -> None:
    done = run(tools, tmp_path / "assets", NPM_FAILS="yes")
    assert done.returncode == 0
    assert "no network" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["calls", "tools"]


def test_a_package_without_the_file_is_told_and_makes_nothing(tools: Path, tmp_path: Path) -> None:
    done = run(tools, tmp_path / "assets", NPM_FILES="vega/build/vega.min.js")
    assert done.returncode == 0
    assert "has no such file" in done.stderr
    assert not (tmp_path / "assets").exists()

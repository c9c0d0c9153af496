"""docs/scheduling.md and conf/systemd: the lines of the page and of the unit, run as cron and systemd would run them."""

from __future__ import annotations

import configparser
import os
import pwd
import re
import shlex
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.fastapi_service import Service
from tests.e2e.jobs_and_lakes import ROOT, SMALL, Ended, Lake, missing

pytestmark = pytest.mark.e2e

PAGE = (ROOT / "docs" / "scheduling.md").read_text("utf-8")
UNITS = ROOT / "conf" / "systemd"
CLONE = "/srv/pagelake"
MOOVITAMIX = (ROOT / "conf" / "sources" / "moovitamix.yml").read_text("utf-8")
SOURCE = (ROOT / "conf" / "sources" / "demo.yml").read_text("utf-8")
# What systemd gives a service of the system without `Environment=`, but for its user's own.
SYSTEMD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def unit(name: str) -> configparser.ConfigParser:
    read = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    read.optionxform = str  # keeps capitals
    read.read_string((UNITS / name).read_text("utf-8"))
    return read


def cron_lines() -> list[str]:
    """The commands of the page's crontab, as cron hands them to the shell: a `%` would have to be escaped in it."""
    found = re.findall(r"^    (?:[0-9*/,-]+ ){5} *(\S.*)$", PAGE, re.MULTILINE)
    assert not any("%" in line for line in found)
    return list(found)


def bare(command: list[str], home: Path, path: str, **more: str) -> Ended:
    """Run a command with an environment that has next to nothing, in the user's home."""
    env = {"HOME": str(home), "PATH": path, "SHELL": "/bin/sh", **more}
    done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=500, check=False)
    return Ended(done.returncode, done.stdout, done.stderr, 0)


def of_mine(line: str, source: Path) -> str:
    """The line for this clone and for a small source of the test's."""
    assert CLONE in line
    assert "--source demo" in line
    small = f"--source {shlex.quote(str(source))} --lake {shlex.quote(str(source.parent / 'lake'))}"
    return line.replace(CLONE, shlex.quote(str(ROOT))).replace("--source demo", small)


def small_source(folder: Path) -> Path:
    """The demo with little data, as a file of its own."""
    text = SOURCE
    for name, value in SMALL.items():
        text, n = re.subn(rf"^(\s+{name}:) \S+", rf"\1 {value}", text, flags=re.MULTILINE)
        assert n == 1, name
    file = folder / "small.yml"
    file.write_text(text, "utf-8")
    return file


def analyze(*arguments: str) -> tuple[int, str]:
    found = shutil.which("systemd-analyze")
    if found is None:
        missing("systemd-analyze (Debian's package systemd)")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def tonight() -> str:
    return f"nightly-{datetime.now(UTC):%Y-%m-%d}"


def test_the_night_of_the_crontab_is_published_once_and_the_watch_beside_it_finds_it_well(tmp_path: Path) -> None:
    night, training, watch = cron_lines()
    assert "retrain-model --if-needed --source demo" in training
    source = small_source(tmp_path)
    days = {tonight()}
    for _ in range(2):
        ended = bare(["/bin/sh", "-c", of_mine(night, source)], tmp_path, "/usr/bin:/bin")
        log = (tmp_path / "pagelake-nightly.log").read_text("utf-8")
        assert (ended.status, ended.out, ended.err) == (0, "", ""), log
    days.add(tonight())
    lake = Lake.seen(tmp_path / "lake")
    [run] = lake.rows("ops/runs")
    assert (run["run_id"] in days, run["state"], run["exit_status"]) == (True, "published", 0)
    assert lake.published["run_id"] == run["run_id"]
    assert log.count(f"Run {run['run_id']} is published.") == 2
    ended = bare(["/bin/sh", "-c", of_mine(watch, source)], tmp_path, "/usr/bin:/bin")
    assert (ended.status, ended.out) == (0, "")
    assert "alert [critical]" not in ended.err


def as_systemd(source: Path) -> tuple[list[str], dict[str, str]]:
    """The command of the service and what it has in its environment, as systemd reads them."""
    settings = unit("pagelake.service")["Service"]
    line = of_mine(settings["ExecStart"], source)
    assert not {"%", "$", ";"} & set(settings["ExecStart"]), "systemd would have read these"
    name, _, value = settings["Environment"].partition("=")
    return shlex.split(line), {name: value, "USER": pwd.getpwuid(os.getuid()).pw_name}


def test_the_service_goes_on_where_its_first_try_stopped(tmp_path: Path, service: Service) -> None:
    source = tmp_path / "music.yml"
    served = MOOVITAMIX.replace("http://127.0.0.1:8000", service.url)
    assert "attempts: 6," in served
    source.write_text(served.replace("attempts: 6,", "attempts: 1,"), "utf-8")
    command, env = as_systemd(source)
    service.down = {"users"}
    days = {tonight()}
    first = bare(command, tmp_path, SYSTEMD_PATH, **env)
    # One try, as systemd makes the next one.
    assert first.status == 4, first.err
    assert "the next one begins" not in first.err
    service.down = set()
    asked = len(service.requests)
    second = bare(command, tmp_path, SYSTEMD_PATH, **env)
    days.add(tonight())
    assert second.status == 0, second.err
    [run] = Lake.seen(tmp_path / "lake").rows("ops/runs")
    assert (run["run_id"] in days, run["state"]) == (True, "published")
    # 3 pages of 100 sessions had landed: only the first one was looked at again, when the plan was made.
    assert service.requests[:asked].count("/listen_history") >= 3
    assert service.requests[asked:].count("/listen_history") <= 2


def test_systemd_finds_nothing_wrong_with_the_units_and_knows_the_next_night(tmp_path: Path) -> None:
    clone = tmp_path / "clone"  # without the space that the path of this one may have
    clone.symlink_to(ROOT)
    for name in ("pagelake.service", "pagelake.timer"):
        text = (UNITS / name).read_text("utf-8").replace(CLONE, str(clone))
        (tmp_path / name).write_text(text, "utf-8")
    units = [str(tmp_path / name) for name in ("pagelake.service", "pagelake.timer")]
    assert analyze("verify", *units) == (0, "")
    (tmp_path / "pagelake.service").write_text("[Service]\nExecStart=/bin/true\nNoSuchKey=1\n", "utf-8")
    assert "NoSuchKey" in analyze("verify", units[0])[1]
    calendar = unit("pagelake.timer")["Timer"]["OnCalendar"]
    assert f"systemd-analyze calendar '{calendar}'" in PAGE
    status, said = analyze("calendar", "--base-time=2026-11-25 12:00:00 UTC", "--iterations=2", calendar)
    assert status == 0
    assert re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", said) == ["2026-11-26 02:15:00", "2026-11-27 02:15:00"]


def test_the_page_says_what_the_units_do() -> None:
    settings = unit("pagelake.service")
    assert f"`RestartPreventExitStatus={settings['Service']['RestartPreventExitStatus']}`" in PAGE
    assert settings["Service"]["Restart"] == "on-failure"
    # 1 start and 3 more, 10 minutes apart and with an hour each, are within the 12 hours in which they are counted.
    assert (settings["Unit"]["StartLimitBurst"], settings["Unit"]["StartLimitIntervalSec"]) == ("4", "12h")
    assert settings["Service"]["RestartSec"] == "10min"
    mine = [line for line in (UNITS / "pagelake.service").read_text("utf-8").splitlines() if CLONE in line]
    assert len(mine) == 3
    assert "the folder of the clone (in three lines" in PAGE

"""`python -m notebooks.tooling`, without a kernel: what it starts, and when it changes the pages."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import NotebookNode

from lib.config import REPO
from lib.errors import PagelakeError
from notebooks.tooling import __main__ as job
from notebooks.tooling import lab
from notebooks.tooling.run import FOLDER, page_of

NAMES = ["01_explore_tables", "02_time_travel", "03_quality", "04_without_spark", "05_recommendations"]


def notebook(text: str) -> NotebookNode:
    outputs = [nbformat.v4.new_output("stream", name=name, text=f"{text} on {name}") for name in ("stdout", "stderr")]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=outputs)])


class Runner:
    """Stands in for the kernels; fails at the notebook that is named."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.env: Mapping[str, str] = {}
        self.profile: list[Path] = []
        self.fails = ""

    def __call__(self, path: Path, env: Mapping[str, str]) -> NotebookNode:
        self.ran.append(path.stem)
        self.env, self.profile = env, list(Path(env["IPYTHONDIR"]).iterdir())
        if path.stem == self.fails:
            message = f"{path.name} failed"
            raise PagelakeError(message)
        return notebook(f"{path.stem} has run")


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    runner = Runner()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("notebooks.tooling.run.run_notebook", runner)
    monkeypatch.setattr(job, "read_published", lambda _: (str(tmp_path / "lake"), {"publication_id": "p-1"}))
    return runner


def started(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["notebooks", *words])
    return job.main()


def test_pages_change_once_all_have_run(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "lake" / "site" / "notebooks"
    assert started(monkeypatch, "html", "--lake", "lake", "--executed", "kept") == 0
    assert runner.ran == NAMES
    assert sorted(path.name for path in folder.iterdir()) == [*(f"{name}.html" for name in NAMES), "index.html"]
    assert [f"{name} has run on stdout" in (folder / f"{name}.html").read_text("utf-8") for name in NAMES] == [
        True
    ] * len(NAMES)
    assert "publication p-1" in (folder / "index.html").read_text("utf-8")
    assert sorted(path.stem for path in (tmp_path / "kept").iterdir()) == NAMES
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    runner.fails = "03_quality"
    capsys.readouterr()
    assert started(monkeypatch, "html", "--lake", "lake") == 1
    assert capsys.readouterr().err.splitlines()[-1] == "03_quality.ipynb failed"
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_pages_are_all_of_one_publication(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = iter(["p-1", "p-2"])
    monkeypatch.setattr(job, "read_published", lambda _: (str(tmp_path / "lake"), {"publication_id": next(ids)}))
    assert started(monkeypatch, "html", "--lake", "lake") == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "publication p-2 became current while the notebooks ran; no page was changed. Run them again"
    )
    assert not (tmp_path / "lake").exists()


def test_a_kernel_has_the_lake_the_spark_options_and_nobodys_profile(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--master 'local[1]' --conf spark.x='a b' pyspark-shell")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "mine"))
    assert started(monkeypatch, "html", "--lake", "lake") == 0
    # The kernel works in the folder of the notebooks.
    assert runner.env["PAGELAKE_LAKE"] == str(tmp_path / "lake")
    assert shlex.split(runner.env["PYSPARK_SUBMIT_ARGS"])[-5:] == [
        *("--master", "local[1]", "--conf", "spark.x=a b"),
        "pyspark-shell",
    ]
    assert runner.env["PYSPARK_SUBMIT_ARGS"].count("pyspark-shell") == 1
    assert runner.env["PYSPARK_PYTHON"] == sys.executable
    assert runner.env["IPYTHONDIR"] != str(tmp_path / "mine")
    assert runner.profile == []


@pytest.mark.parametrize("user", [0, 1000])
def test_jupyterlab_listens_here_alone_and_asks_no_other_host(
    user: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job, "lake_there", lambda _: None)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    became: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda *what: became.append(what))
    assert started(monkeypatch, "open", "--lake", "lake", "--", "--port", "1234") == 0
    [(program, words, env)] = became
    assert (program, words[1:3], words[-2:]) == (sys.executable, ["-m", "jupyterlab"], ["--port", "1234"])
    assert {
        "--ServerApp.ip=127.0.0.1",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        "--KernelManager.transport_encryption=auto",
    } <= set(words)
    assert ("--allow-root" in words) == (user == 0)
    assert env["PAGELAKE_LAKE"] == str(tmp_path / "lake")


def test_an_option_of_the_user_stands_in_place_of_ours() -> None:
    # JupyterLab refuses one that is given twice.
    for given in (["--ServerApp.root_dir=mine"], ["--ServerApp.root_dir", "mine"]):
        words = lab.command(given)
        assert [word for word in words if word.startswith("--ServerApp.root_dir")] == given[:1]
        assert "--ServerApp.ip=127.0.0.1" in words
    for short in (["--ip=::1"], ["--ip", "::1"]):
        words = lab.command(short)
        assert [word for word in words if "ip=" in word or word == "--ip"] == short[:1]
        assert f"--ServerApp.root_dir={FOLDER}" in words


def test_what_a_person_has_told_jupyter_of_stays_beside_ours() -> None:
    ours = str(REPO / "conf" / "jupyter")
    found = lab.environment({"JUPYTER_PATH": "mine", "HOME": "here"})
    assert found == {"JUPYTER_PATH": f"{ours}:mine", "JUPYTER_CONFIG_PATH": ours, "HOME": "here"}


def test_a_mistake_in_the_words_is_status_2(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(monkeypatch, "html") == 2
    assert started(monkeypatch, "html", "--lake", "lake", "--nothing") == 2
    assert runner.ran == []


def test_a_page_has_its_name_and_not_what_was_said_on_stderr() -> None:
    given = notebook("text")
    page = BeautifulSoup(page_of(given, "05_more"), "html.parser")
    assert page.title.get_text() == "05_more"
    assert "text on stdout" in page.get_text()
    assert "text on stderr" not in page.get_text()
    assert len(given.cells[0].outputs) == 2

"""The set-up as a person meets it: spark-submit.sh in a copied tree, in a folder with a space in its name.

Everything is real but what would take minutes: the packages come from one small wheel that stands for pyspark (its
`spark-submit` writes one jar), and a Java is a script that says its version.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
JAR = b"not really a jar"
# Says what it was started with; stands where the real jobs are.
JOB = """
import json, os, signal, sys, time
if "wait" in sys.argv:
    print("ready", flush=True)
    time.sleep(30)
print(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "python": sys.executable, "env": dict(os.environ)}))
sys.exit(int(os.environ.get("END", "0")))
"""
SPARK_SUBMIT = """#!/usr/bin/env bash
for word; do case $word in spark.jars.ivy=*) ivy=${word#*=};; esac; done
printf '%s\\n' "$@" > "$SPARK_SUBMIT_WORDS"
case $* in *hadoop-aws*) jar=org.apache.hadoop_s3a.jar;; *) jar=io.delta_delta.jar;; esac
mkdir -p "$ivy/jars" && printf '%s' "${JAR:-not really a jar}" > "$ivy/jars/$jar"
"""


@dataclass(frozen=True)
class Tree:
    """A copy of the repository, and the environment to start it in."""

    root: Path
    env: dict[str, str]

    def start(self, *arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "spark-submit.sh", *arguments],
            cwd=cwd or self.root.parent,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def fake_java(home: Path, version: str) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        f"#!/bin/sh\necho '    java.home = {home}' >&2\necho 'openjdk version \"{version}\" 2026-01-01' >&2\n",
        encoding="utf-8",
    )
    java.chmod(0o755)
    return home


def write_wheel(folder: Path) -> None:
    """A package `pyspark` that is nothing but a spark-submit."""
    info = "pyspark-4.1.4.dist-info"
    files = {
        "pyspark/__init__.py": "",
        "pyspark/bin/spark-submit": SPARK_SUBMIT,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: pyspark\nVersion: 4.1.4\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    folder.mkdir()
    with zipfile.ZipFile(folder / "pyspark-4.1.4-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            wheel.writestr(entry, text)


def make_tree(tmp_path: Path) -> Tree:
    root = tmp_path / "a lake house"
    for name in ("scripts", "jobs", "conf"):
        (root / name).mkdir(parents=True)
    shutil.copy(ROOT / "spark-submit.sh", root)
    for file in (ROOT / "scripts").iterdir():
        if file.is_file():
            shutil.copy(file, root / "scripts")
    (root / "scripts" / "site_assets.sh").write_text('mkdir -p "$1"\n', encoding="utf-8")  # has tests of its own
    (root / "jobs" / "__main__.py").write_text(JOB, encoding="utf-8")
    (root / "requirements.txt").write_text("pyspark==4.1.4\n", encoding="utf-8")
    for part in ("dev", "notebooks"):
        (root / f"requirements-{part}.txt").write_text("-r requirements.txt\n", encoding="utf-8")
    digest = hashlib.sha256(JAR).hexdigest()
    (root / "conf" / "jars.sha256").write_text(f"{digest}  io.delta_delta.jar\n", encoding="utf-8")
    (root / "conf" / "jars-s3.sha256").write_text(f"{digest}  org.apache.hadoop_s3a.jar\n", encoding="utf-8")
    write_wheel(tmp_path / "wheels")
    kept = ("PATH", "HOME", "LANG")
    env = {name: os.environ[name] for name in kept if name in os.environ} | {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "wheels"),
        "JAVA_HOME": str(fake_java(tmp_path / "java 17", "17.0.12")),
        "PAGELAKE_PYTHON": sys.executable,
        "SPARK_SUBMIT_WORDS": str(tmp_path / "words"),
    }
    return Tree(root, env)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A tree that was never started."""
    return make_tree(tmp_path)


@pytest.fixture
def ready(tree: Tree, tmp_path: Path) -> Tree:
    """A tree that was set up, and where pip and Ivy can get nothing any more."""
    return set_up(tree, tmp_path)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """As `ready`, for tests that change nothing in it."""
    folder = tmp_path_factory.mktemp("untouched")
    return set_up(make_tree(folder), folder)


def set_up(tree: Tree, folder: Path) -> Tree:
    first = tree.start("a-job")
    assert first.returncode == 0, first.stderr
    shutil.rmtree(folder / "wheels")
    (folder / "words").unlink()
    return tree


def test_the_first_start_makes_everything_and_runs_the_job(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "jobs").mkdir(parents=True)
    (tmp_path / "elsewhere" / "jobs" / "__main__.py").write_text("raise SystemExit('not ours')", encoding="utf-8")
    done = tree.start("--master", "local[2]", "a-job", "--lake", "./x y", cwd=tmp_path / "elsewhere", TZ="Asia/Tokyo")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["argv"] == ["--master", "local[2]", "a-job", "--lake", "./x y"]
    assert said["cwd"] == str(tmp_path / "elsewhere")
    assert said["python"] == str(tree.root / ".venv" / "bin" / "python")
    expected = {
        "JAVA_HOME": str(tmp_path / "java 17"),
        "TZ": "UTC",
        "PYTHONPATH": str(tree.root),
        "SPARK_CONF_DIR": None,
        "GX_ANALYTICS_ENABLED": "False",
    }
    assert {name: said["env"].get(name) for name in expected} == expected
    assert (Path(said["env"]["SPARK_HOME"]) / "bin" / "spark-submit").exists()
    assert (tree.root / ".venv" / "jars" / "io.delta_delta.jar").read_bytes() == JAR


def test_the_second_start_does_nothing_and_needs_no_network(untouched: Tree) -> None:
    before = time.monotonic()
    again = untouched.start("a-job")
    assert (again.returncode, again.stderr) == (0, "")
    assert time.monotonic() - before < 2
    assert not Path(untouched.env["SPARK_SUBMIT_WORDS"]).exists()


# As the Makefile does it; the stamps say what is there then.
SOURCE = "source scripts/environment.sh {part} && ls -A .venv | grep ^[.]pagelake-setup | sort"


def source(tree: Tree, part: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-euo", "pipefail", "-c", SOURCE.format(part=part)]
    return subprocess.run(
        command, cwd=tree.root, env=tree.env, capture_output=True, text=True, timeout=120, check=False
    )


def test_what_notebooks_need_comes_when_it_is_asked_for_and_once(tree: Tree) -> None:
    first = tree.start("a-job")
    assert "what notebooks need" not in first.stderr
    asked = source(tree, "--notebooks")
    assert (asked.returncode, asked.stdout.split()) == (0, [".pagelake-setup", ".pagelake-setup-notebooks"]), (
        asked.stderr
    )
    assert asked.stderr == "Pagelake set-up: what notebooks need (some 3 minutes at the first time)\n"
    assert source(tree, "--notebooks").stderr == ""


def test_where_tests_can_run_notebooks_can(tree: Tree) -> None:
    (tree.root / "scripts" / "dev_tools.py").write_text("def get():\n    return []\n", encoding="utf-8")
    assert source(tree, "--dev").returncode == 0
    asked = source(tree, "--notebooks")
    assert (asked.stdout.split(), asked.stderr) == ([".pagelake-setup", ".pagelake-setup-dev"], "")


def test_a_lost_stamp_is_written_again_from_what_is_there(ready: Tree, tmp_path: Path) -> None:
    (ready.root / ".venv" / ".pagelake-setup").unlink()
    assert ready.start("a-job").returncode == 0
    assert (ready.root / ".venv" / ".pagelake-setup").exists()
    assert not (tmp_path / "words").exists()


def test_a_venv_that_is_a_link_to_that_of_another_folder_is_refused_and_not_emptied(
    ready: Tree, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (ready.root / ".venv").rename(other)
    (ready.root / ".venv").symlink_to(other)
    linked = Tree(ready.root.rename(tmp_path / "work tree"), ready.env)
    before = sorted(path.name for path in other.iterdir())
    done = linked.start("a-job")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        f".venv is a symbolic link to {other}, which was not made for this folder and would be emptied." in done.stderr
    )
    assert "Remove the link (rm .venv), and start again." in done.stderr
    assert sorted(path.name for path in other.iterdir()) == before


def test_a_half_made_venv_is_made_anew(ready: Tree, tmp_path: Path) -> None:
    venv = ready.root / ".venv"
    (venv / ".pagelake-setup").unlink()
    (venv / ".pagelake-unfinished").touch()
    (venv / "rest-of-a-broken-install").touch()
    write_wheel(tmp_path / "wheels")
    assert ready.start("a-job").returncode == 0
    assert not (venv / "rest-of-a-broken-install").exists()
    assert not (venv / ".pagelake-unfinished").exists()


def test_a_failed_set_up_says_so_and_the_next_start_goes_on(tree: Tree) -> None:
    failed = tree.start("a-job", PIP_FIND_LINKS="/nowhere")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "The next start goes on from here." in failed.stderr
    assert tree.start("a-job").returncode == 0


def test_a_moved_folder_is_made_anew(ready: Tree, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels")
    moved = Tree(ready.root.rename(tmp_path / "moved house"), ready.env)
    done = moved.start("a-job")
    assert "the folder was moved" in done.stderr
    assert json.loads(done.stdout)["python"] == str(moved.root / ".venv" / "bin" / "python")
    assert str(moved.root) in (moved.root / ".venv" / "pyvenv.cfg").read_text(encoding="utf-8")
    assert not (tmp_path / "words").exists()  # the jars were good, and are kept


def test_lost_jars_are_got_again_through_the_mirror_that_is_named(ready: Tree, tmp_path: Path) -> None:
    shutil.rmtree(ready.root / ".venv" / "jars")
    settings = tmp_path / "ivy settings.xml"
    assert ready.start("a-job", PAGELAKE_IVY_SETTINGS=str(settings)).returncode == 0
    words = (tmp_path / "words").read_text(encoding="utf-8").splitlines()
    assert f"spark.jars.ivySettings={settings}" in words
    assert "io.delta:delta-spark_4.1_2.13:4.4.0" in words


def test_a_jar_with_another_content_is_not_used(tree: Tree) -> None:
    done = tree.start("a-job", JAR="altered")
    assert done.returncode == 1
    assert "io.delta_delta.jar: another content" in done.stderr
    assert not (tree.root / ".venv" / "jars").exists()


def for_s3(tree: Tree, **env: str) -> subprocess.CompletedProcess[str]:
    """Ask for the jars of lakes in S3, as the first job with such a lake does."""
    return subprocess.run(
        [tree.root / ".venv" / "bin" / "python", "-E", "-S", tree.root / "scripts" / "setup.py", "--s3"],
        env={**tree.env, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_jars_of_a_store_are_got_when_they_are_asked_for_and_once(ready: Tree, tmp_path: Path) -> None:
    jar = ready.root / ".venv" / "jars-s3" / "org.apache.hadoop_s3a.jar"
    assert not jar.exists()
    done = for_s3(ready)
    assert (done.returncode, jar.read_bytes()) == (0, JAR)
    assert done.stderr == "Pagelake set-up: the jars for lakes at s3:// (once)\n"
    words = (tmp_path / "words").read_text(encoding="utf-8").splitlines()
    assert "org.apache.hadoop:hadoop-aws:3.4.2" in words[words.index("--packages") + 1]
    assert "software.amazon.awssdk:bundle" in words[words.index("--exclude-packages") + 1]
    (tmp_path / "words").unlink()
    assert for_s3(ready).stderr == ready.start("a-job").stderr == ""
    assert not (tmp_path / "words").exists()


def test_a_jar_of_a_store_with_another_content_is_not_used_and_jobs_elsewhere_go_on(ready: Tree) -> None:
    done = for_s3(ready, JAR="altered")
    assert done.returncode == 1
    assert "org.apache.hadoop_s3a.jar: another content" in done.stderr
    assert "not those of conf/jars-s3.sha256" in done.stderr
    assert not (ready.root / ".venv" / "jars-s3").exists()
    assert ready.start("a-job").returncode == 0


def test_two_starts_at_once_do_not_disturb_each_other(tree: Tree) -> None:
    command = [str(tree.root / "spark-submit.sh"), "a-job"]
    both = [
        subprocess.Popen(command, env=tree.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("waiting for it" in words for words in said) == [False, True]
    assert sum("Python packages" in words for words in said) == 1


def test_the_exit_status_and_signals_pass_through(untouched: Tree) -> None:
    assert untouched.start("a-job", END="4").returncode == 4
    command = [str(untouched.root / "spark-submit.sh"), "wait"]
    with subprocess.Popen(command, env=untouched.env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == -signal.SIGTERM


@pytest.mark.parametrize("version", ["25.0.3", "1.8.0_392", "11.0.2", "24"])
def test_a_java_that_spark_cannot_run_on_is_passed_over(untouched: Tree, tmp_path: Path, version: str) -> None:
    wrong = fake_java(tmp_path / "wrong", version)
    right = fake_java(tmp_path / "java 21", "21.0.2")
    (wrong / "release").write_text(f'JAVA_VERSION="{version}"\n', encoding="utf-8")
    path = f"{right / 'bin'}:{untouched.env['PATH']}"
    done = untouched.start("a-job", JAVA_HOME=str(wrong), PATH=path)
    assert json.loads(done.stdout)["env"]["JAVA_HOME"] == str(right)
    major = version.removeprefix("1.").split(".")[0]
    assert done.stderr == f"Java {major} (JAVA_HOME) is not used: Spark runs on 17 or 21.\n"


def test_a_python_that_will_not_do_is_named_with_status_2(tree: Tree) -> None:
    done = tree.start("a-job", PAGELAKE_PYTHON="/bin/false")
    assert done.returncode == 2
    assert "PAGELAKE_PYTHON=/bin/false" in done.stderr


# Runs what find_java does on a machine that has no Java, as this one is not.
NO_JAVA = """
import os, sys
import find_java
os.geteuid = lambda: int(os.environ["UID_OF_TEST"])
try:
    print(find_java.find_or_install((os.environ["PLACE"],))[0])
except find_java.NoJavaError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("uid", "known", "expected"),
    [
        ("0", "17", "java-got-by-apt openjdk-17-jre-headless"),
        ("0", "21", "java-got-by-apt openjdk-21-jre-headless"),
        ("1000", "21", "    sudo apt-get install -y openjdk-21-jre-headless"),
    ],
)
def test_where_there_is_no_java_debians_root_gets_one_and_others_get_the_command(
    tmp_path: Path, uid: str, known: str, expected: str
) -> None:
    (fake_java(tmp_path / "spare", known) / "release").write_text(f'JAVA_VERSION="{known}"\n', encoding="utf-8")
    tools = tmp_path / "tools"
    tools.mkdir()
    scripts = {
        "apt-cache": f"#!/bin/bash\n[[ $2 == openjdk-{known}-* ]]\n",
        "apt-get": "#!/bin/bash\n[[ $* == *install* ]] || exit 0\n"
        f'/bin/mv "{tmp_path}/spare" "{tmp_path}/java-got-by-apt ${{@: -1}}"\n',
    }
    for name, text in scripts.items():
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", NO_JAVA],
        cwd=ROOT / "scripts",
        env={"PATH": str(tools), "UID_OF_TEST": uid, "PLACE": str(tmp_path / "java-got-by-apt*"), "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    last_line = (done.stdout or done.stderr).splitlines()[-1]
    assert last_line.removeprefix(f"{tmp_path}/") == expected


# Gets what tests need as if on another machine: for some user, with or without systemd.
GET_TOOLS = """
import os
import dev_tools
os.geteuid = lambda: int(os.environ["UID_OF_TEST"])
dev_tools.SYSTEMD = os.environ["SYSTEMD"]
print(*dev_tools.get(), sep="\\n")
"""
APT_GET = """#!/bin/bash
[[ $* == *install* ]] || exit 0
echo "install ${@: -1}" >> "$SAID"
declare -A others=([prometheus]=promtool [systemd]=systemd-analyze)
for name in "${@: -1}" ${others["${@: -1}"]}; do
    /bin/cp "$0" "${0%/*}/$name"
done
"""
MISSING = [
    "There is no Chromium: the tests that look at pages are skipped.",
    "There is no Prometheus: the tests that look at metrics in it are skipped.",
    "There is no Pushgateway: the tests that send metrics to it are skipped.",
    "There is no systemd-analyze: the tests that read units of systemd are skipped.",
]


@dataclass(frozen=True)
class Machine:
    """A machine that has nothing but apt and systemctl, which write down what they are told."""

    folder: Path

    def get(self, *, uid: int, systemd: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        tools = self.folder / "tools"
        tools.mkdir(exist_ok=True)
        scripts = {
            "apt-get": APT_GET,
            "apt-cache": "#!/bin/bash\n",
            "systemctl": '#!/bin/bash\necho "systemctl $*" >> "$SAID"\n',
        }
        for name, text in scripts.items():
            (tools / name).write_text(text, encoding="utf-8")
            (tools / name).chmod(0o755)
        return subprocess.run(
            [sys.executable, "-c", GET_TOOLS],
            cwd=ROOT / "scripts",
            env={
                "PATH": str(tools),
                "PYTHONPATH": ".",
                "UID_OF_TEST": str(uid),
                "SYSTEMD": str(self.folder if systemd else self.folder / "nowhere"),
                "SAID": str(self.folder / "said"),
                **env,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def said(self) -> list[str]:
        said = self.folder / "said"
        return said.read_text(encoding="utf-8").splitlines() if said.exists() else []


def test_debians_root_gets_what_tests_need_once_and_no_service_is_left_running(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    done = machine.get(uid=0)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
    said = [
        "install chromium",
        "install prometheus",
        "systemctl disable --now prometheus",
        "install prometheus-pushgateway",
        "systemctl disable --now prometheus-pushgateway",
        "install systemd",
    ]
    assert machine.said == said
    assert machine.get(uid=0).returncode == 0
    assert machine.said == said


def test_without_systemd_there_is_no_service_to_stop(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.get(uid=0, systemd=False).returncode == 0
    assert machine.said == [
        f"install {name}" for name in ("chromium", "prometheus", "prometheus-pushgateway", "systemd")
    ]


def test_others_are_told_which_tests_are_skipped_and_on_ci_it_is_an_error(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.get(uid=1000).stdout.splitlines() == MISSING
    on_ci = machine.get(uid=1000, CI="true")
    assert on_ci.returncode == 1
    assert "There is no Chromium, and CI=true skips no test. Install one on this machine." in on_ci.stderr
    assert machine.said == []

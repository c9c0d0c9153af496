"""Makes all that Pagelake needs beside Python and Java: .venv, its packages, and the jars of Delta Lake.

Prints the Java home on stdout, and a line for each step on stderr. The stamp is written last, so that a set-up that was
cut off is gone on with at the next start. Uses the standard library alone: it runs before there is anything else.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator

import class_archive
import dev_tools
import find_java
import ready

# What Ivy is asked for, and what it leaves out: all that is among the jars of pyspark.
PACKAGES = {
    ready.BASE: ("io.delta:delta-spark_4.1_2.13:4.4.0", "com.*:*,commons-*:*,io.airlift:*,javax.*:*,org.*:*"),
    # The modules of Amazon's SDK that hadoop-aws uses, in the place of its bundle of 641 MB.
    "--s3": (
        ",".join(
            [
                "org.apache.hadoop:hadoop-aws:3.4.2",
                *(
                    f"software.amazon.awssdk:{name}:2.29.52"
                    for name in ("s3", "s3-transfer-manager", "sts", "apache-client", "netty-nio-client")
                ),
            ]
        ),
        "software.amazon.awssdk:bundle,org.slf4j:*,io.netty:*,commons-*:*,com.google.*:*,org.wildfly.openssl:*,org.apache.httpcomponents:*",
    ),
}
PYTHON = os.path.join(ready.VENV, "bin", "python")
SITE_ASSETS = os.path.join(ready.VENV, "site-assets")
ON_TOP = {
    ready.NOTEBOOKS: ("what notebooks need (some 3 minutes at the first time)", "requirements-notebooks.txt"),
    ready.DEV: ("what tests and linters need (a few minutes at the first time)", "requirements-dev.txt"),
}
# There while .venv is being changed. A set-up that finds it makes .venv anew.
UNFINISHED = os.path.join(ready.VENV, ".pagelake-unfinished")


class SetupError(Exception):
    """A step failed. The message says which, and what to do."""


def main(arguments: list[str]) -> int:
    """Do what is left to do."""
    wanted = ready.parts(arguments)
    try:
        java_home, passed_over = find_java.find_or_install()
        for line in passed_over:
            say(line)
        with lock() as held:
            if not ready.is_ready(ready.BASE):
                set_up(java_home, held)
            for part in wanted[1:]:
                if part in ready.STORES and not ready.is_ready(part):
                    say(f"Pagelake set-up: the jars for lakes at {part[2:]}:// (once)")
                    get_jars(java_home, held, part)
                elif not ready.is_ready(part):
                    what, requirements = ON_TOP[part]
                    say(f"Pagelake set-up: {what}")
                    install(requirements, held)
                    write_stamp(part)
        if ready.DEV in wanted:
            for line in dev_tools.get():
                say(line)
    except find_java.NoJavaError as error:
        say(str(error))
        return 2
    except (SetupError, RuntimeError, OSError) as error:
        say(f"{error}\nPagelake set-up stopped. The next start goes on from here.")
        return 1
    except KeyboardInterrupt:
        say("\nPagelake set-up stopped. The next start goes on from here.")
        return 130
    sys.stdout.write(f"{java_home}\n")
    return 0


def set_up(java_home: str, held: int) -> None:
    """Make .venv, or fix the one that is there, and get the jars."""
    keep = is_worth_keeping()
    if not keep and os.path.islink(ready.VENV):
        message = (
            f"{ready.VENV} is a symbolic link to {os.path.realpath(ready.VENV)}, which was not made for this folder and would be "
            "emptied. Remove the link (rm .venv), and start again."
        )
        raise SetupError(message)
    with contextlib.suppress(FileNotFoundError):
        os.remove(ready.stamp_file(ready.BASE))
    os.makedirs(ready.VENV, exist_ok=True)
    if not keep:
        say("Pagelake set-up: a Python environment in .venv")
        with open(UNFINISHED, "w", encoding="utf-8"):
            pass
        empty_venv()
        run([sys.executable, "-m", "venv", ready.VENV], held, "Python could not make .venv.")
    say("Pagelake set-up: Python packages (a few minutes at the first time)")
    with open(UNFINISHED, "w", encoding="utf-8"):
        install("requirements.txt", held)
    os.remove(UNFINISHED)
    if not jars_are_right(ready.JARS):
        say("Pagelake set-up: the jars of Delta Lake")
        get_jars(java_home, held, ready.BASE)
    say("Pagelake set-up: what the data docs look like")
    run(["bash", os.path.join(ready.ROOT, "scripts", "site_assets.sh"), SITE_ASSETS], held, "The docs' assets failed.")
    say("Pagelake set-up: a faster start of Spark (a trial run of a minute)")
    if why := class_archive.make(java_home, held):
        say(f"Pagelake set-up: no faster start: {why}")
    write_stamp(ready.BASE)
    say("Pagelake set-up: done")


def is_worth_keeping() -> bool:
    """Whether .venv can be brought up to date in place: whole, made here, and with the Python that runs this."""
    if os.path.exists(UNFINISHED) or not os.access(PYTHON, os.X_OK):
        return False
    for line in ready.read_stamp(ready.BASE).splitlines():
        if line.startswith("venv ") and line != f"venv {ready.VENV}":
            say("Pagelake set-up: the folder was moved, so .venv is built again")
            return False
    version = "import sys; print(*sys.version_info[:2], sep='.')"
    answer = subprocess.run([PYTHON, "-I", "-c", version], capture_output=True, text=True, check=False)
    return answer.stdout.strip() == f"{sys.version_info[0]}.{sys.version_info[1]}"


def empty_venv() -> None:
    """Remove all of .venv but the mark that it is unfinished, and the jars, which are good wherever they are."""
    for name in os.listdir(ready.VENV):
        path = os.path.join(ready.VENV, name)
        if path in (UNFINISHED, ready.JARS, *map(ready.jar_folder, ready.STORES)):
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


def install(requirements: str, held: int) -> None:
    """Bring the packages of .venv to what a requirements file says."""
    command = [PYTHON, "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "-r", os.path.join(ready.ROOT, requirements)]
    run(command, held, f"pip could not install what {requirements} says (its reason is above).")


def get_jars(java_home: str, held: int, part: str) -> None:
    """Let Spark's own Ivy find the jars of Delta, or of a kind of store, once, check them, and keep them beside the packages.

    From then on a start needs no Ivy and no network. Ivy works in a folder of its own: a repository in the home folder
    that holds half of an artifact would make it fail.
    """
    packages, in_pyspark = PACKAGES[part]
    spark_home = glob.glob(os.path.join(ready.VENV, "lib", "python3.*", "site-packages", "pyspark"))[0]
    with tempfile.TemporaryDirectory(dir=ready.VENV) as work:
        with open(os.path.join(work, "nothing.py"), "w", encoding="utf-8"):
            pass
        command = [os.path.join(spark_home, "bin", "spark-submit"), "--master", "local[1]"]
        command += ["--packages", packages, "--exclude-packages", in_pyspark]
        command += ["--conf", f"spark.jars.ivy={work}/ivy"]
        if settings := os.environ.get("PAGELAKE_IVY_SETTINGS"):
            command += ["--conf", f"spark.jars.ivySettings={os.path.abspath(settings)}"]
        command += ["--driver-java-options", " ".join(["-Duser.home=home", *proxy_options()]), "nothing.py"]
        environment = {
            **os.environ,
            "JAVA_HOME": java_home,
            "SPARK_HOME": spark_home,
            "SPARK_CONF_DIR": work,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": PYTHON,
            "PYSPARK_DRIVER_PYTHON": PYTHON,
        }
        done = subprocess.run(
            command,
            cwd=work,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=[held],
            check=False,
        )
        found = os.path.join(work, "ivy", "jars")
        if done.returncode != 0 or not os.path.isdir(found):
            said = "\n".join(done.stdout.splitlines()[-25:])
            raise SetupError(
                f"{said}\nSpark could not get {packages} (its reason is above). Where there is a mirror, name its Ivy "
                "settings file in PAGELAKE_IVY_SETTINGS."
            )
        folder = ready.jar_folder(part)
        if not jars_are_right(found, part, explain=True):
            message = (
                f"The jars that came are not those of conf/{os.path.basename(folder)}.sha256, so none is used. Ask who runs the "
                "mirror."
            )
            raise SetupError(message)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(found, folder)


def jars_are_right(folder: str, part: str = ready.BASE, *, explain: bool = False) -> bool:
    """Whether the folder holds the jars that conf/ lists for the part, bit for bit."""
    wrong = []
    for name, digest in ready.checksums(part).items():
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            wrong.append(f"{name}: missing")
            continue
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                wrong.append(f"{name}: another content")
    if explain and wrong:
        say("\n".join(wrong))
    return not wrong


def proxy_options() -> list[str]:
    """The proxy of the environment (`https_proxy`), in the words of Java, which does not read the environment."""
    options = []
    proxies = urllib.request.getproxies_environment()
    for scheme in ("http", "https"):
        address = urllib.parse.urlsplit(proxies.get(scheme, ""))
        if address.hostname:
            options += [f"-D{scheme}.proxyHost={address.hostname}", f"-D{scheme}.proxyPort={address.port or 3128}"]
    return options


@contextlib.contextmanager
def lock() -> Iterator[int]:
    """Let one set-up at a time work. The children hold the lock too: it lasts until the last of them has ended."""
    with open(f"{ready.VENV}.lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Pagelake set-up: another one is at work in this folder; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def write_stamp(part: str) -> None:
    """Say that all is done, atomically."""
    path = ready.stamp_file(part)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(ready.stamp(part))
    os.replace(f"{path}.new", path)


def run(command: list[str], held: int, complaint: str) -> None:
    """Run one step; what it prints goes to stderr, since stdout is for the Java home."""
    if subprocess.run(command, stdout=sys.stderr, pass_fds=[held], check=False).returncode != 0:
        raise SetupError(complaint)


def say(line: str) -> None:
    """Tell the person in front of the terminal."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

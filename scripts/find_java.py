"""Finds a Java that Spark runs on, and installs one where it may.

Spark 4.1 is made for Java 17 and 21. It does not start on 24 or newer, nor on anything before 17.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import sys

import apt

SUPPORTED = (17, 21)
APT_PACKAGES = ("openjdk-17-jre-headless", "openjdk-21-jre-headless")
# Where Linux distributions, macOS, Homebrew and SDKMAN! keep theirs.
PLACES = (
    "/usr/lib/jvm/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk@*/libexec/openjdk.jdk/Contents/Home",
    "/usr/local/opt/openjdk@*/libexec/openjdk.jdk/Contents/Home",
    "~/.sdkman/candidates/java/*",
)


class NoJavaError(Exception):
    """There is no Java to run on. The message has the one command to type."""


def version_of(home: str) -> tuple[int | None, str]:
    """The major version of the Java in a folder (None if there is none), and its true home.

    The file `release` says it at once; a `java` without one (a shim of jenv or asdf, say) is asked.
    """
    java = os.path.join(home, "bin", "java")
    if not os.access(java, os.X_OK):
        return None, home
    try:
        with open(os.path.join(home, "release"), encoding="utf-8") as file:
            said = file.read()
    except FileNotFoundError:
        said = _ask(java)
        true_home = re.search(r"java\.home = (.+)", said)
        home = true_home[1].strip() if true_home else home
    found = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', said)
    return (int(found[1]) if found else None), home


def find(places: tuple[str, ...] = PLACES) -> tuple[str | None, list[str]]:
    """The home of the first suitable Java (None if there is none), and a line for each that was passed over."""
    passed_over: list[str] = []
    seen: set[str] = set()
    for where, home in _candidates(places):
        if home in seen:
            continue
        seen.add(home)
        version, true_home = version_of(home)
        if version in SUPPORTED:
            return true_home, passed_over
        if version is not None:
            passed_over.append(f"Java {version} ({where}) is not used: Spark runs on 17 or 21.")
        elif where == "JAVA_HOME":
            passed_over.append(f"JAVA_HOME={home} is not used: there is no Java in it.")
    return None, passed_over


def find_or_install(places: tuple[str, ...] = PLACES) -> tuple[str, list[str]]:
    """As `find`, but gets a Java by apt where that can be done without asking anyone.

    Raises NoJavaError with the command to type elsewhere.
    """
    home, passed_over = find(places)
    if home is None and apt.may_install():
        apt.install("Java", *APT_PACKAGES)
        home, _ = find(places)
    if home is None:
        lines = [*passed_over, "Pagelake needs Java 17 or 21. Type this, then start again:", f"    {how_to_install()}"]
        raise NoJavaError("\n".join(lines))
    return home, passed_over


def how_to_install() -> str:
    """The one command that gets a Java on this system."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    if shutil.which("apt-get"):
        return f"{sudo}apt-get install -y {apt.first_known(*APT_PACKAGES)}"
    if shutil.which("dnf"):
        return f"{sudo}dnf install -y java-21-openjdk-headless"
    if sys.platform == "darwin":
        return "brew install openjdk@17"
    return "export JAVA_HOME=/path/to/a/java/17"


def _candidates(places: tuple[str, ...]) -> list[tuple[str, str]]:
    """Where a Java may be, best first: the user's choice, then the machine's, then any."""
    found = []
    if os.environ.get("JAVA_HOME"):
        found.append(("JAVA_HOME", os.path.realpath(os.environ["JAVA_HOME"])))
    on_path = shutil.which("java")
    # On a Mac /usr/bin/java is a stub that opens a dialogue where there is no Java.
    if on_path and not (sys.platform == "darwin" and on_path == "/usr/bin/java"):
        found.append((on_path, os.path.dirname(os.path.dirname(os.path.realpath(on_path)))))
    for place in places:
        found.extend((home, os.path.realpath(home)) for home in sorted(glob.glob(os.path.expanduser(place))))
    return found


def _ask(java: str) -> str:
    import subprocess  # costs 10 ms, and is needed only for a Java without a release file

    try:
        answer = subprocess.run(
            [java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout + answer.stderr

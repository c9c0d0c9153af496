"""Installs Debian packages, on Debian and Ubuntu, for root."""

from __future__ import annotations

import os
import shutil


def may_install() -> bool:
    """Whether packages can be installed here without asking anyone."""
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def first_known(*packages: str) -> str:
    """The first of the packages that this release has (the first of all, where apt's lists are empty)."""
    import subprocess  # the check before every start comes by this module, and has no use for a child process

    for package in packages:
        if subprocess.run(["apt-cache", "show", package], capture_output=True, check=False).returncode == 0:
            return package
    return packages[0]


def install(what: str, *packages: str) -> None:
    """Install the first of the packages that this release has. What apt says is shown only where it fails.

    Raises RuntimeError with the end of what apt said.
    """
    import subprocess
    import sys

    sys.stderr.write(f"Pagelake set-up: {what}, by apt\n")
    options = ["-qq", "-o", "DPkg::Lock::Timeout=300"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", *options, "update"], env=environment, capture_output=True, check=False)
    command = ["apt-get", *options, "install", "-y", "--no-install-recommends", first_known(*packages)]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        said = "\n".join(done.stdout.splitlines()[-15:])
        raise RuntimeError(f"{said}\n`{' '.join(command)}` failed. Fix that, then start again.")

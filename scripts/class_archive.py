"""A faster start of the JVM: the classes that a job loads, kept in an archive that the JVM maps instead of reading jars.

Java's class data sharing (JEP 350) writes the archive when a JVM ends, here that of a small ingest of the demo. It is no more
than a saving of time: without it, or with one of another Java, all works the same.
"""

from __future__ import annotations

import os
import subprocess
import tempfile

import ready

ARCHIVE = os.path.join(ready.VENV, "spark.jsa")
TRAINING_S = 300
SMALL = ("tracks=300", "users=60", "sessions=600")


def make(java_home: str, held: int) -> str | None:
    """Make the archive; return why it could not be made, or None."""
    with tempfile.TemporaryDirectory(dir=ready.VENV) as work:
        new = os.path.join(work, "spark.jsa")
        command = ["bash", os.path.join(ready.ROOT, "scripts", "run_job.sh")]
        command += ["--conf", f'spark.driver.extraJavaOptions="-XX:ArchiveClassesAtExit={new}" -XX:+UseSerialGC']
        command += ["full-ingest", "--lake", os.path.join(work, "lake")]
        for size in SMALL:
            command += ["--set", f"demo.{size}"]
        environment = {**os.environ, "JAVA_HOME": java_home, "PAGELAKE_VENV": ready.VENV}
        trained = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[held], cwd=work
        )
        try:
            # The JVM writes the archive after Python has ended: its output ends when both have.
            said, _ = trained.communicate(timeout=TRAINING_S)
        except subprocess.TimeoutExpired:
            trained.kill()
            return f"it was not done after {TRAINING_S} s"
        if trained.returncode != 0 or not os.path.exists(new):
            lines = said.decode("utf-8", errors="replace").strip().splitlines()
            return lines[-1] if lines else f"status {trained.returncode}"
        os.replace(new, ARCHIVE)
    return None

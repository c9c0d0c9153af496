"""One process that runs jobs one after the other. From the second on its JVM is warm, which makes each several times faster.

For tests that ask what a job does. What asks how a process starts, is stopped, is killed or ends takes `job` of jobs_and_lakes.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.e2e.jobs_and_lakes import ROOT, Ended

# Queries of a few rows are over sooner without Java written and compiled for each.
UNCOMPILED = ("--conf", "spark.sql.codegen.wholeStage=false", "--conf", "spark.sql.codegen.factoryMode=NO_CODEGEN")
# As spark-submit.sh does before it starts a job.
START = 'source scripts/environment.sh && exec "$PAGELAKE_VENV/bin/python" -m tests.e2e.warm_process'


class WarmProcess:
    """Takes the place of `./spark-submit.sh`, for as many jobs as one likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            ["bash", "-c", START], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def job(self, *arguments: str, cwd: Path = ROOT, **env: str) -> Ended:
        """One job, to its end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        started = time.monotonic()
        # The JVM goes on writing into the files of the job that started it: each job has its own.
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        asked = {"arguments": arguments, "env": env, "folder": str(folder), "cwd": str(cwd)}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        out, err = ((folder / name).read_text("utf-8") for name in ("out", "err"))
        assert answer, f"the process is gone: {out}\n{err}"
        return Ended(int(answer), out, err, time.monotonic() - started)

    def ingest(self, lake: Path, run_id: str, *options: str, **env: str) -> Ended:
        return self.job("full-ingest", "--lake", str(lake), "--run-id", run_id, *options, **env)

    def end(self) -> None:
        self.process.communicate(timeout=60)


def serve() -> None:
    """Run what is asked for, a line of JSON each, and answer with its exit status."""
    from jobs.__main__ import main

    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        for number, name in ((1, "out"), (2, "err")):
            with (Path(asked["folder"]) / name).open("w") as file:
                os.dup2(file.fileno(), number)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in asked["env"].items():
                patch.setenv(name, value)
            patch.chdir(asked["cwd"])
            status = main([*UNCOMPILED, *asked["arguments"]])
        sys.stdout.flush()
        sys.stderr.flush()
        answers.write(f"{status}\n")
        answers.flush()


if __name__ == "__main__":
    serve()

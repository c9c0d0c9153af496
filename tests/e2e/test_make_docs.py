"""`make docs`: the site of a lake, served on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

from tests.e2e.jobs_and_lakes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.quick]


def test_make_docs_serves_the_site_on_loopback_and_prints_its_address(tmp_path: Path) -> None:
    (tmp_path / "my lake" / "site").mkdir(parents=True)
    (tmp_path / "my lake" / "site" / "index.html").write_text("<p>what is published", "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Within another make, as `make test` is, it would say first which folder it enters.
    command = ["make", "--no-print-directory", "docs", f"LAKE={tmp_path / 'my lake'}", f"PORT={port}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            assert said == f"Docs: http://127.0.0.1:{port}/index.html\n"
            deadline = time.monotonic() + 30
            while True:
                try:
                    assert requests.get(said.split()[1], timeout=5).text == "<p>what is published"
                    break
                except requests.ConnectionError:
                    assert time.monotonic() < deadline, "nothing is served"
                    time.sleep(0.1)
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def test_make_docs_without_a_site_says_what_to_run(tmp_path: Path) -> None:
    ended = subprocess.run(
        ["make", "docs", f"LAKE={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode != 0
    assert f"{tmp_path}/site: no site here; run ./spark-submit.sh full-ingest first" in ended.stderr

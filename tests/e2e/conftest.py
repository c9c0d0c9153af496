"""The fixtures of end-to-end tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.fastapi_service import Service
from tests.e2e.jobs_and_lakes import ROOT, missing, served_rows
from tests.e2e.made_up_site import checked_by_gx
from tests.e2e.warm_process import WarmProcess
from tests.e2e.watched_page import ARGS, CHROMIUM, Watched


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        missing(f"{CHROMIUM} (Debian's package chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield chromium
        chromium.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    context = browser.new_context()
    page = context.new_page()
    found = Watched(page)
    context.route("**/*", found.route)
    page.on("dialog", found.dialog)
    page.on("console", found.console)
    page.on("response", found.response)
    page.on("pageerror", lambda error: found.noise.append(str(error)))
    page.on("requestfailed", lambda request: found.noise.append(f"failed: {request.url}"))
    yield found
    context.close()


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    held = ROOT / ".venv" / "site-assets"
    if (held / ".stamp").exists():
        return held
    if shutil.which("npm") is None:
        missing("npm (for the assets of the docs)")
    folder = tmp_path_factory.mktemp("assets") / "assets"
    subprocess.run([str(ROOT / "scripts" / "site_assets.sh"), str(folder)], check=True)
    if not folder.exists():
        missing("the npm registry (for the assets of the docs)")
    return folder


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands for the clone: every entry is a link to the real one, so that `lake/` is made there."""
    folder = tmp_path_factory.mktemp("clone") / "pagelake"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in (".git", "lake"):
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture(scope="module")
def context() -> Any:
    """GX with the results of three made-up tables."""
    return checked_by_gx()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    served = Service(served_rows())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        served.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(served.app(), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline, "uvicorn does not start"
            time.sleep(0.05)
        yield served
        server.should_exit = True
        thread.join(timeout=30)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProcess]:
    """Runs jobs in one process, for tests that do not ask how a process starts or ends."""
    process = WarmProcess(tmp_path_factory.mktemp("warm"))
    yield process
    process.end()


@pytest.fixture(scope="session")
def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port

"""A page in a real browser that can reach this machine alone, and what it wanted beside that."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from playwright.sync_api import ConsoleMessage, Dialog, Page, Response, Route

CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass
class Watched:
    """A page whose every way out is blocked and noted."""

    page: Page
    foreign: list[str] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def route(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        if url.scheme in {"file", "data", "blob"} or url.hostname == "127.0.0.1":
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def response(self, response: Response) -> None:
        if response.status >= 400:
            self.noise.append(f"{response.status} {response.url}")

    def console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.noise.append(message.text)

    def check(self) -> None:
        assert (self.foreign, self.dialogs, self.noise) == ([], [], [])


def pages_of(folder: Path) -> list[str]:
    return sorted(quote(path.relative_to(folder).as_posix()) for path in folder.rglob("*.html"))

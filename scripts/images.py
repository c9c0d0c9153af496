"""`make images`: the pictures of README.md in `docs/images`, made of a demo run in a terminal and of the site that it published.

The run's last screen becomes an SVG, the site's `index.html` a PNG, each in light and in dark. The folder of the clone is shown
as `/home/you/pagelake`, and seconds as they were on the machine that made the pictures.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pyte
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

REPO = Path(__file__).resolve().parents[1]
IMAGES = REPO / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
COMMAND = ("./spark-submit.sh", "full-ingest")
COLUMNS, LINES = 112, 60
_SHOWN_AS = "/home/you/pagelake"
# Colours that can be read on their ground (WCAG AA), in the order of ANSI: black, red, green, yellow, blue, magenta, cyan, white.
_LIGHT = TerminalTheme(
    (255, 255, 255),
    (31, 35, 40),
    [
        (31, 35, 40),
        (164, 14, 38),
        (17, 99, 41),
        (125, 78, 0),
        (9, 105, 218),
        (130, 80, 223),
        (27, 107, 118),
        (87, 96, 106),
    ],
)
_DARK = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    [
        (230, 237, 243),
        (255, 123, 114),
        (126, 231, 135),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (118, 227, 234),
        (177, 186, 196),
    ],
)
# As rich writes it, without its font from another host.
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: {char_height}px;
    line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def main() -> int:
    """Run the demo into a folder that is thrown away, and write the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake" / "demo"
        screen = run([*COMMAND, "--lake", str(lake)])
        lines = [shown(line, folder) for line in lines_of(screen)]
        for name, theme in (("light", _LIGHT), ("dark", _DARK)):
            (IMAGES / f"terminal-{name}.svg").write_text(as_svg(lines, theme), "utf-8")
        site_pictures(lake / "site" / "index.html")
    return 0


def run(command: list[str]) -> pyte.Screen:
    """What a terminal shows at the end of the command. Stops the script if it fails."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    with subprocess.Popen(command, cwd=REPO, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as job:
        os.close(theirs)
        try:
            while said := os.read(ours, 65536):
                stream.feed(said)
        except OSError:  # Linux says so when the last process has closed the terminal.
            pass
    if job.returncode:
        sys.exit("\n".join([*screen.display, f"{' '.join(command)} ended with {job.returncode}"]))
    return screen


def lines_of(screen: pyte.Screen) -> list[Text]:
    """The screen's lines with their colours, the command before them, without what is empty at the end."""
    lines = [Text("$ " + " ".join(COMMAND), Style(bold=True))]
    for y in range(screen.lines):
        line = Text()
        for x in range(screen.columns):
            cell = screen.buffer[y][x]
            colour = {"default": None, "brown": "yellow"}.get(cell.fg, cell.fg)
            line.append(cell.data, Style(color=colour, bold=cell.bold, italic=cell.italics))
        line.rstrip()
        lines.append(line)
    while not lines[-1].plain:
        lines.pop()
    return lines


def shown(line: Text, folder: str) -> Text:
    """The line without this machine's folders."""
    place = re.search(re.escape(folder), line.plain)
    return line if place is None else line[: place.start()] + Text(_SHOWN_AS) + line[place.end() :]


def as_svg(lines: list[Text], theme: TerminalTheme) -> str:
    """The lines as a picture."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, file=nowhere, width=COLUMNS, force_terminal=True, color_system="standard")
        for line in lines:
            console.print(line, soft_wrap=True, highlight=False)
    return console.export_svg(title="", theme=theme, code_format=_SVG, unique_id="terminal")


def site_pictures(page: Path) -> None:
    """The first screen of the site."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            view = browser.new_page(viewport={"width": 1200, "height": 760}, color_scheme=scheme)
            view.goto(page.as_uri())
            view.screenshot(path=IMAGES / f"site-{scheme}.png")
        browser.close()


if __name__ == "__main__":
    sys.exit(main())

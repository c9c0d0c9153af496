"""How the answers that README.md and docs show are compared with what is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.documented import Marked, commands, first_difference, marked

PRINTED = """\
2026-11-30T13:00:00Z landed  3.2 s

Run 20261130T130000Z-6a97 is published.
Checks:  2 warnings, 69 of 71 checks passed
Docs:    /srv/a-clone/lake/demo/site/index.html
Age:     3 minutes ago
"""


@pytest.mark.parametrize(
    "shown",
    [
        PRINTED,
        "Run 20261125T154527Z-6a97 is published.\nChecks: 2 warnings, 69 of 71 checks passed\n",
        "...\nDocs: /home/you/pagelake/lake/demo/site/index.html\n",
        "2026-11-25T01:02:03Z landed 11 s\n...\nAge: just now\n",
        "...\n",
    ],
)
def test_an_answer_is_these_lines_in_their_order(shown: str) -> None:
    assert first_difference(shown, PRINTED) is None


@pytest.mark.parametrize(
    ("shown", "difference"),
    [
        ("Checks:  2 warnings, 70 of 71 checks passed\n", "Checks:  2 warnings, 70 of 71 checks passed"),
        ("Run soon is published.\n", "Run soon is published."),
        # A line is missing between the two.
        ("Run 20261125T154527Z-6a97 is published.\nAge: 1 minute ago\n", "Age: 1 minute ago"),
        (
            "Age: 1 minute ago\n...\nChecks:  2 warnings, 69 of 71 checks passed\n",
            "Checks:  2 warnings, 69 of 71 checks passed",
        ),
        ("Docs: /home/you/elsewhere\n", "Docs: /home/you/elsewhere"),
    ],
)
def test_another_number_order_or_line_is_a_difference(shown: str, difference: str) -> None:
    assert first_difference(shown, PRINTED) == difference


def test_a_block_has_its_file_and_its_answer(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Save this as `shop.yml`:\n\n<!-- tested -->\n```yaml\nsource: shop\n```\n\nThen:\n\n"
        "<!-- tested -->\n```bash\n# both\n./a \\\n  --b\n./c\n```\n\n```text\nfine\n```\n\n```bash\nnot run\n```\n"
    )
    assert marked(page) == [
        Marked("yaml", "source: shop\n", "shop.yml", None),
        Marked("bash", "# both\n./a \\\n  --b\n./c\n", None, "fine\n"),
    ]
    assert commands(marked(page)[1].text) == ["./a    --b", "./c"]


def test_a_mark_without_a_block_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- tested -->\n\n```bash\nls\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md: a mark is not on the line before a block"):
        marked(page)

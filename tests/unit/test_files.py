"""Files that are replaced as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.files import replace_text


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    replace_text(tmp_path / "a folder" / "x.json", "old")
    with pytest.raises(UnicodeEncodeError):
        replace_text(tmp_path / "a folder" / "x.json", "half of a pair: \ud800")
    assert [path.name for path in (tmp_path / "a folder").iterdir()] == ["x.json"]
    assert (tmp_path / "a folder" / "x.json").read_text("utf-8") == "old"

"""What `--lake` may be: a path that every engine takes as it is, or exit 2 with a sentence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lib.errors import ConfigError
from lib.lake.layout import lake_at
from tests.on_disk import on_disk

GOOD = (
    *(
        "{a,b}",
        "st*r",
        "\u00e9",
        "e\u0301",
        "q'uote",
        'dq"x',
        "end ",
        " start",
        "a:b",
        "~",
        "~x",
    ),
    *(
        "a b",
        "a&b",
        "a;b",
        "a=b",
        "a+b",
        "`x`",
        "<x>",
        "(p)",
        "!x",
        "@y",
        "a..b",
        "...",
        "file:",
        "日本",
        "-x",
        "n" * 255,
    ),
)


@pytest.mark.parametrize("name", GOOD)
def test_a_name_that_every_engine_opens_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    assert on_disk(lake_at(f"{tmp_path}/{name}").root) == tmp_path / name
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("x/a%20b", "has '%'"),
        ("x/a%", "has '%'"),
        ("x/$HOME", r"has '\$'"),
        ("x/a$", r"has '\$'"),
        ("x/a#b", "has '#'"),
        ("x/a?b", r"has '\?'"),
        ("file:///a%23b", "has '#'"),
        ("x/a\\b", r"has '\\'"),
        ("x/[x]", r"has '\['"),
        ("x/x]", r"has '\]'"),
        ("x/a|b", r"has '\|'"),
        ("x/^a", r"has '\^'"),
        ("x/a\nb", r"x/a\\nb: has a control character \(U\+000A\)"),
        ("x/a\tb", "control character"),
        ("x/\x1b[31m", "control character"),
        ("x/\x7f", "control character"),
        ("x/\x85", "control character"),
        ("x/\u2028", "control character"),
        ("x/\udce9", "not UTF-8"),
        ("x/\0", "control character"),
        ("-x", r"looks like an option; a folder of that name is \./-x"),
        ("--dry-run", "looks like an option"),
        ("~", "the shell did not replace"),
        ("~/lake", "the shell did not replace"),
        ("~nobody/lake", "the shell did not replace"),
        ("$HOME/lake", "the shell did not replace"),
        ("${HOME}/lake", "the shell did not replace"),
        ("//host/share", "network address"),
        ("hdfs+x://host/lake", "at a local path, a file: URI, or in a store at s3://"),
        ("http://host/lake", "at a local path, a file: URI, or in a store at s3://"),
        ("memory://bucket/lake", "at a local path, a file: URI, or in a store at s3://"),
        ("s3:bucket/lake", "at a local path"),
        ("s3://", "names no bucket; write such as s3://bucket/lake"),
        ("s3:///lake", "names no bucket"),
        ("s3://b/lake", "names no bucket"),
        ("s3://Bucket/lake", "names no bucket"),
        ("s3://buc%6Bet/lake", "names no bucket"),
        ("s3://bucket:9000/lake", "names no bucket"),
        ("s3://bucket", "names a whole bucket; a lake is in a folder of it, such as s3://bucket/lake"),
        ("s3a://bucket//", "names a whole bucket"),
        ("s3://bucket//lake", "only the letters a to z, digits"),
        ("s3://bucket/a//lake", "only the letters a to z, digits"),
        ("s3://bucket/a/../lake", "only the letters a to z, digits"),
        ("s3://bucket/./lake", "only the letters a to z, digits"),
        ("s3://bucket/a lake", "only the letters a to z, digits"),
        ("s3://bucket/lake?versionId=1", "only the letters a to z, digits"),
        ("s3://bucket/lake#1", "only the letters a to z, digits"),
        ("s3://bucket/l%61ke", "only the letters a to z, digits"),
        ("s3://bucket/säe", "only the letters a to z, digits"),
        ("s3://bucket/lake\n", "only the letters a to z, digits"),
        ("s3://bucket/" + "n" * 256, "a name in it is longer than 255 bytes"),
        ("file:", "absolute path"),
        ("file:lake", "absolute path"),
        ("file://", "absolute path"),
        ("file://localhost", "absolute path"),
        ("file://host/x", "another host"),
        ("file:////host/x", "network address"),
        ("file://localhost//host/x", "network address"),
        ("file:///%2Fhost/x", "network address"),
        ("file:///a?b", "no query"),
        ("file:///a#b", "no fragment"),
        ("file:///a%2520b", "has '%'"),
        ("file:///a%5Bb", r"has '\['"),
        ("file:///a%00b", "control character"),
        ("file:///a%0Ab", "control character"),
        ("file:///a%zz", "two hexadecimal digits"),
        ("file:///a%", "two hexadecimal digits"),
        ("file:///a%E9", "not UTF-8"),
        ("file://[/x", "not a file: URI"),
        ("x/" + "n" * 256, "a name in it is longer than 255 bytes"),
        ("x/" * 1500 + "y", "longer than 3000 bytes"),
    ],
)
def test_a_path_that_an_engine_would_read_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=words) as raised:
        lake_at(text)
    assert str(raised.value).startswith("--lake")
    assert str(raised.value).isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///a%20b/c", "/a b/c"),
        ("file:/a/b", "/a/b"),
        ("file://localhost/a", "/a"),
        ("file://LOCALHOST/a", "/a"),
        ("FILE:///a", "/a"),
        ("file:///%C3%A9", "/é"),
        ("file:///é", "/é"),
        ("file:///a+b", "/a+b"),
        ("file:///a/b/", "/a/b"),
    ],
)
def test_a_file_uri_is_decoded(uri: str, path: str) -> None:
    assert on_disk(lake_at(uri).root) == Path(path)


@pytest.mark.parametrize(
    "text",
    [
        "s3://someone:hunter2-planted@bucket/lake",
        # Amazon's secrets have slashes.
        "s3://AKIA:ab/hunter2-planted@bucket/lake",
        "gs://someone:hunter2-planted@bucket/lake",
        "s3:/someone:hunter2-planted@bucket/lake",
        "http://someone:hunter2-planted@host/lake",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--lake \w+:\.\.\.: no user and no password in an address") as raised:
        lake_at(text)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://bucket/lake", "s3://bucket/lake"),
        ("s3a://bucket/lake/", "s3://bucket/lake"),
        ("S3://my.bucket-1/of/a_lake.v2/x=1+2", "s3://my.bucket-1/of/a_lake.v2/x=1+2"),
    ],
)
def test_a_folder_of_an_object_store_has_one_address(text: str, address: str) -> None:
    root = lake_at(text).root
    assert (str(root), root.name, str(root / "ops")) == (address, address.rpartition("/")[2], f"{address}/ops")


def test_relative_paths_start_at_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = ("lake", "./lake", "lake/", "lake/.", "x/../lake", ".//lake", "./lake/x/..")
    assert {on_disk(lake_at(one).root) for one in written} == {tmp_path / "lake"}
    assert [on_disk(lake_at(one).root) for one in (".", "./-x", "./~", "./ab:c")] == [
        tmp_path, tmp_path / "-x", tmp_path / "~", tmp_path / "ab:c",
    ]  # fmt: skip


def test_a_link_is_followed_as_the_system_does(tmp_path: Path) -> None:
    (tmp_path / "far" / "data").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "data")
    assert on_disk(lake_at(f"{tmp_path}/link").root) == tmp_path / "link"
    assert on_disk(lake_at(f"{tmp_path}/link/../lake").root) == tmp_path / "far" / "lake"
    assert on_disk(lake_at(f"{tmp_path}/link/..").root) == tmp_path / "far"


def test_a_place_where_no_folder_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    (tmp_path / "a[b").mkdir()
    (tmp_path / "odd").symlink_to(tmp_path / "a[b")
    for name, words in (
        ("file", "there is a file at this path"),
        ("file/lake", "file is a file"),
        ("nowhere", "a link to a folder that does not exist"),
        ("nowhere/lake", "a link to a folder that does not exist"),
        ("round", "cannot be opened"),
        ("odd/lake", r"its path is .*/a\[b/lake\): has '\['"),
    ):
        with pytest.raises(ConfigError, match=words):
            lake_at(f"{tmp_path}/{name}")


def test_a_name_relative_to_a_folder_that_cannot_be_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "100%").mkdir()
    monkeypatch.chdir(tmp_path / "100%")
    with pytest.raises(ConfigError, match=r"--lake lake/demo \(its path is .*/100%/lake/demo\): has '%'"):
        lake_at("lake/demo")


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LANG": "POSIX"}, {"LC_ALL": "xx_XX.UTF-8"}, {}])
def test_the_locale_of_a_process_is_utf_8_whatever_it_is_started_in(locale: dict[str, str]) -> None:
    script = Path(__file__).parents[2] / "scripts" / "process.sh"
    env = {"PATH": os.environ["PATH"], "PAGELAKE_VENV": "/nowhere", **locale}
    show = ["bash", "-c", 'source "$1" && locale charmap', "bash", str(script)]
    assert subprocess.run(show, env=env, capture_output=True, text=True, check=True).stdout == "UTF-8\n"


def test_a_locale_that_can_name_every_file_is_left_as_it_is() -> None:
    script = Path(__file__).parents[2] / "scripts" / "process.sh"
    env = {"PATH": os.environ["PATH"], "PAGELAKE_VENV": "/nowhere", "LANG": "C.UTF-8"}
    show = ["bash", "-c", 'source "$1" && echo "${LC_ALL:-unset}"', "bash", str(script)]
    assert subprocess.run(show, env=env, capture_output=True, text=True, check=True).stdout == "unset\n"

"""The source YAML and the suites of a new source, as text and as files. Nothing of the source stands there unescaped."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.config.yaml_file import shown
from lib.discovery.columns import Found
from lib.discovery.credentials import Credentials
from lib.discovery.drafts import Draft
from lib.discovery.identity import Pointer
from lib.errors import ConfigError

_PLAIN = re.compile(
    r"[A-Za-z_][A-Za-z0-9_]*!?|/[A-Za-z0-9_./-]*|https?://[A-Za-z0-9.-]+(?::[0-9]+)?[A-Za-z0-9_./-]*|[A-Za-z_][A-Za-z0-9_.]*"
)
# What YAML, of one version or another, reads as something else than text.
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan"})
_LONGEST_REMARK = 160
_MOST_READ = 2000
_COLUMN = 40


@dataclass(frozen=True)
class Written:
    """What is written of a source: its tables with the pointers of each, and a line for each list that is left out."""

    name: str
    url: str
    credentials: Credentials
    drafts: Sequence[Draft]
    pointers: Mapping[str, Sequence[Pointer]]
    left_out: Sequence[str] = ()
    children: Sequence[str] = ()
    origin: str = ""


def text(value: Any) -> str:
    """A value as YAML: in quotes and escaped, unless it is a plain word, a number, true, false or null."""
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    word = str(value)
    if _PLAIN.fullmatch(word) and word.lower() not in _WORDS:
        return word
    return '"' + "".join(map(_sign, word)) + '"'


def _sign(sign: str) -> str:
    if sign in '"\\':
        return f"\\{sign}"
    if sign.isprintable() and sign != "\ufeff":
        return sign
    return f"\\U{ord(sign):08X}"


def remark(words: str) -> str:
    """Words as a comment: on one line, without what no terminal should show."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())
    return line if len(line) <= _LONGEST_REMARK else f"{line[: _LONGEST_REMARK - 3]}..."


def yaml_of(source: Written, schema: str = "../source.schema.json") -> str:
    """The source YAML."""
    common = _common_paging(source.drafts)
    lines = [
        f"# yaml-language-server: $schema={schema}",
        f"# Made by new-source from {remark(source.origin)}. Each comment says by what a setting was guessed.",
        f"source: {text(source.name)}",
        "",
        "api:",
        f"  url: {text(source.url)}",
        f"  auth: {_flow(source.credentials.auth)}",
    ]
    for name, values in (("params", source.credentials.params), ("headers", source.credentials.headers)):
        lines += [f"  {name}: {_flow(values)}"] if values else []
    if source.credentials.allowed_hosts:
        lines += [f"  allowed_hosts: [{', '.join(map(text, source.credentials.allowed_hosts))}]"]
    lines += list(_paging(common, "  ", common.paging.because)) if common else []
    lines += ["", "tables:"]
    for draft in source.drafts:
        lines += [*_table(draft, source.pointers.get(draft.table, ()), common), ""]
    lines = lines[:-1]
    if source.left_out:
        lines += ["", "# Lists that are left out:", *(f"#   {remark(one)}" for one in source.left_out)]
    if source.children:
        lines += ["", "# Lists and details of single rows that are left out:"]
        lines += [f"#   {remark(one)}" for one in source.children]
    return "\n".join(lines) + "\n"


def _common_paging(drafts: Sequence[Draft]) -> Draft | None:
    """The table whose pages are asked for as those of most others are."""
    counts = Counter(json.dumps(one.paging.settings, sort_keys=True) for one in drafts)
    most = counts.most_common(1)[0][0] if counts else None
    return next((one for one in drafts if json.dumps(one.paging.settings, sort_keys=True) == most), None)


def _paging(draft: Draft, indent: str, because: Mapping[str, str]) -> Iterator[str]:
    yield f"{indent}pagination:"
    for name, value in draft.paging.settings.items():
        yield _line(f"{indent}  {name}: {text(value)}", because.get(name, ""))


def _line(line: str, why: str) -> str:
    return f"{line.ljust(_COLUMN - 2)}  # {remark(why)}" if why else line


def _flow(values: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{text(name)}: {text(value)}" for name, value in values.items()) + "}"


def _table(draft: Draft, pointers: Sequence[Pointer], common: Draft | None) -> Iterator[str]:
    listed = draft.listed
    if listed.description:
        yield f"  # {remark(_untagged(listed.description))}"
    if not draft.proof.holds:
        yield f"  # Not proved by its first two pages: {remark(draft.proof.said)}"
    for why in draft.failed if draft.proof.holds else ():
        yield f"  # Not so: {remark(why)}"
    for why in draft.because:
        yield f"  # {remark(why[:1].upper() + why[1:] if why[:1].isalpha() else why)}"
    yield f"  {text(draft.table)}:"
    yield f"    path: {text(listed.path)}"
    if listed.fixed:
        yield _line(f"    params: {_flow(listed.fixed)}", "every request needs them")
    if listed.headers:
        yield _line(f"    headers: {_flow(listed.headers)}", "every request needs them")
    if common is not None and draft.paging.settings != common.paging.settings:
        yield from _paging(draft, "    ", draft.paging.because)
    yield _line(f"    key: [{', '.join(map(text, draft.key.columns))}]", draft.key.because)
    if draft.newest_by:
        yield _line(f"    newest_by: {text(draft.newest_by)}", "by its name: when a row was last changed")
    if draft.is_counted:
        yield _line("    deletes: soft", "the source counts its rows, so a row that is missing is deleted")
    if draft.columns.is_sparse:
        yield _line(
            '    on_missing_column: "null"', "some rows lack some of these keys" if draft.rows else "no row was there"
        )
    if not draft.rows:
        yield _line("    min_rows: 0", "the list was empty")
    yield "    columns:"
    for column in draft.columns.found:
        is_key = column.name in draft.key.columns
        yield _line(f"      {text(column.name)}: {_column(column, is_key=is_key)}", "; ".join(column.because))
    for line in draft.columns.left_out:
        yield f"      # {remark(line)}"
    real = [one for one in pointers if one.contradiction is None]
    if real:
        yield "    references:"
        for one in real:
            yield _line(f"      - {{column: {text(one.column)}, to: {text(one.to)}}}", "by its name")
    for one in pointers:
        if one.contradiction is not None:
            yield f"    # No reference from {one.column} to {one.to}: {remark(one.contradiction)}"


def _column(column: Found, *, is_key: bool) -> str:
    kind = f"{column.kind.ddl}{'!' if column.required or is_key else ''}"
    more: dict[str, Any] = {}
    if column.value is not None:
        more["value"] = column.value
    elif column.path is not None:
        more["path"] = column.path
    elif column.key != column.name:
        more["from"] = column.key
    if column.epoch:
        more["epoch"] = column.epoch
    if column.pii:
        more["pii"] = True
    if sentence := _sentence(column.description):
        more["description"] = sentence
    return _flow({"type": kind, **more}) if more else text(kind)


def _sentence(description: str) -> str:
    """The first sentence, on one line."""
    first = re.split(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)\s", _untagged(description)[:_MOST_READ].strip(), maxsplit=1)[0]
    return remark(first.removesuffix("."))


def _untagged(description: str) -> str:
    return re.sub(r"<[^<>]{0,200}>", " ", description)


def write(yaml: Path, yaml_text: str, suites: Mapping[Path, str]) -> None:
    """Write all files, or none of them.

    Raises:
        ConfigError: one of them is there already, or cannot be written. It names it.
    """
    check_free([yaml, *suites])
    done: list[Path] = []
    try:
        for path, content in {**suites, yaml: yaml_text}.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                done.append(path)
                file.write(content)
    except OSError as error:
        for path in done:
            path.unlink(missing_ok=True)
        message = f"{shown(path)}: cannot be written ({error.strerror or 'unknown reason'}); nothing was"
        raise ConfigError(message) from error


def check_free(paths: Sequence[Path]) -> None:
    """Check that no file is there already.

    Raises:
        ConfigError: one is.
    """
    for path in paths:
        if path.exists() or path.is_symlink():
            message = f"{shown(path)}: there is such a file already, and none is overwritten; take another name, or move it away"
            raise ConfigError(message)

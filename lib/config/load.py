"""Finds, reads and checks a source YAML."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.config.model import Problem, YamlPath
from lib.config.overrides import apply_override
from lib.config.problems import lines_of, validated
from lib.config.source import Source
from lib.config.suggest import did_you_mean
from lib.config.yaml_file import read_yaml, shown
from lib.errors import ConfigError

_YAML_SUFFIXES = (".yml", ".yaml")


def load_source(
    name_or_file: str,
    *,
    overrides: Sequence[str] = (),
    api_url: str | None = None,
    conf_dir: Path,
    env: Mapping[str, str] | None,
) -> Source:
    """Read a source: NAME is `conf_dir/sources/NAME.yml`; with a slash, .yml or .yaml it is a file.

    `overrides` are `KEY=VALUE` (`--set`). `api_url` takes the place of `api.url` and of the demo server. Secrets come
    from `env`; with None they are not read, and the source can ask its API for nothing.

    Raises:
        ConfigError: all mistakes found, one a line, each with file, line, path and what to write instead.
    """
    path = _find(name_or_file, conf_dir)
    document = read_yaml(path)
    data: dict[str, Any] = document.data
    problems = list(document.problems)
    complaints: list[str] = []
    origins: dict[YamlPath, str] = {}
    if "demo" in data and data["demo"] is None:
        data["demo"] = {}  # `demo:` with every line below it left out still asks for the demo server
    if api_url is not None:
        data.pop("demo", None)
    for text in overrides:
        try:
            where, label = apply_override(data, text)
        except ConfigError as error:
            complaints.append(str(error))
        else:
            origins[where] = label
    if api_url is not None and isinstance(data.setdefault("api", {}), dict):
        data["api"]["url"] = api_url
        origins[("api", "url")] = "--api-url"
    if "demo" in data and isinstance(data.get("api"), dict) and "url" in data["api"]:
        problems.append(Problem(("api", "url"), "must be left out beside demo:, or pass --api-url to use it instead"))
    source, found = validated(Source, data, {"env": env, "folder": path.parent})
    complaints = [*lines_of([*problems, *found], document, shown(path), origins), *complaints]
    if source is None or complaints:
        raise ConfigError("\n".join(complaints))
    return source


def _find(name_or_file: str, conf_dir: Path) -> Path:
    if not name_or_file or not name_or_file.isprintable():
        raise ConfigError("--source: must be a name or a file")
    if "/" in name_or_file or "\\" in name_or_file or name_or_file.endswith(_YAML_SUFFIXES):
        return Path(name_or_file)
    folder = conf_dir / "sources"
    path = folder / f"{name_or_file}.yml"
    if len(os.fsencode(path.name)) > 255 or not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.yml"))
        listed = f"{shown(folder)} has {', '.join(known)}" if known else f"{shown(folder)} has no source"
        raise ConfigError(
            f"--source: unknown source {name_or_file[:100]!r}{did_you_mean(name_or_file, known)} ({listed})"
        )
    return path

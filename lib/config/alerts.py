"""`conf/alerts.yml`: when somebody is told, and on which channels."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticUseDefault

from lib.config.address import Address, service
from lib.config.duration import Duration, parse_duration
from lib.config.model import Problem, Settings, YamlPath, problems_error
from lib.config.problems import lines_of, validated
from lib.config.suggest import did_you_mean
from lib.config.yaml_file import read_yaml, shown
from lib.errors import ConfigError

LOG = "log"
"""The channel that every rule has: the log of the job."""
ALL = "all"
_KINDS = ("outcome", "metric", "anomalies", "no_success_for")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,99}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class MetricShape:
    """What tells the measurements of a metric apart: tables or not, and the kind of its labels, None for none."""

    by_table: bool
    label: str | None


def _address(value: object, info: ValidationInfo) -> Address:
    found = _VARIABLE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(
            'must be "${ENV_NAME}" alone, in quotes, with the URL in that environment variable: it is a secret'
        )
    variable = found[1]
    url = _context(info, "env").get(variable, "").strip()
    if not url:
        return Address(variable, None)
    secret = SecretStr(url)
    if not url.isprintable() or service(secret) is None:
        raise ValueError(
            f"the environment variable {variable} holds no URL that apprise can send to, such as slack://, mailto:// or "
            "json:// (see docs/monitoring.md)"
        )
    return Address(variable, secret)


def _metric_names(value: object, info: ValidationInfo) -> object:
    return list(_context(info, "metrics")) if value == ALL else value


def _context(info: ValidationInfo, name: str) -> Any:
    return (info.context or {}).get(name, {})


class Channel(Settings):
    """Where messages go. `timeout_s` bounds all that is sent to it at one time."""

    name: str
    url: Annotated[Address, BeforeValidator(_address)]
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 10


class Rule(Settings):
    """When somebody is told: exactly one of `outcome`, `metric`, `anomalies` and `no_success_for` says it.

    `metric` goes with `above`, `below` or both, in the metric's unit, and is that of every table and label, or of `table` and
    `label`. `anomalies` are the metrics whose anomalies count.
    """

    name: str
    severity: Literal["info", "warning", "critical"]
    channels: Annotated[tuple[str, ...], Field(strict=False)]
    remind_after: Duration = "24h"
    outcome: Annotated[tuple[str, ...] | None, Field(strict=False, min_length=1)] = None
    metric: str | None = None
    table: str | None = None
    label: str | None = None
    above: float | None = None
    below: float | None = None
    anomalies: Annotated[tuple[str, ...] | None, Field(strict=False, min_length=1), BeforeValidator(_metric_names)] = (
        None
    )
    no_success_for: Duration | None = None

    @property
    def patience(self) -> timedelta:
        """How long after a message the next one about the same thing comes."""
        return parse_duration(self.remind_after)

    @property
    def longest(self) -> timedelta | None:
        """How long there may be no success."""
        return None if self.no_success_for is None else parse_duration(self.no_success_for)

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Rule:
        if problems := [*self._kind_problems(), *self._unknown(info)]:
            raise problems_error(problems)
        return self

    def _kind_problems(self) -> Iterator[Problem]:
        kinds = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            has = f"it has {' and '.join(kinds)}" if kinds else "it has none"
            yield Problem((), f"must have exactly one of {', '.join(_KINDS)}; {has}")
        if self.metric is None:
            for name in ("table", "label", "above", "below"):
                if getattr(self, name) is not None:
                    yield Problem((name,), "goes with metric: only")
        elif self.above is None and self.below is None:
            yield Problem(("metric",), "needs above:, below: or both")
        elif self.above is not None and self.below is not None and self.below > self.above:
            yield Problem(("below",), "must not be more than above:, as every value would be one of them")

    def _unknown(self, info: ValidationInfo) -> Iterator[Problem]:
        listed = (
            ("outcome", "outcome", "outcomes"),
            ("anomalies", "metric", "metrics"),
            ("channels", "channel", "channels"),
        )
        for name, what, known in listed:
            for index, entry in enumerate(getattr(self, name) or ()):
                if entry not in _context(info, known):
                    yield _unknown_name((name, index), entry, what, _context(info, known))
        shapes: Mapping[str, MetricShape] = _context(info, "metrics")
        if self.metric is None:
            return
        if self.metric not in shapes:
            yield _unknown_name(("metric",), self.metric, "metric", shapes)
            return
        shape = shapes[self.metric]
        if self.label is not None and shape.label is None:
            yield Problem(("label",), f"{self.metric} has no labels")
        if self.table is not None and not shape.by_table:
            yield Problem(("table",), f"{self.metric} is measured once a run, not by table")
        elif self.table is not None and self.table not in _context(info, "tables"):
            yield _unknown_name(("table",), self.table, "table", _context(info, "tables"))


def _unknown_name(path: YamlPath, name: str, what: str, known: Collection[str]) -> Problem:
    where = f"there is {', '.join(known)}" if len(known) <= 10 else "lib/observe/metrics.py lists them"
    return Problem(path, f"there is no such {what}{did_you_mean(name, known)} ({where})")


class Alerts(Settings):
    """All channels and rules, in the order of the YAML."""

    channels: Annotated[tuple[Channel, ...], Field(strict=False)] = ()
    rules: Annotated[tuple[Rule, ...], Field(strict=False)]

    @field_validator("channels", "rules", mode="before")
    @classmethod
    def _from_a_mapping(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name == "channels":
            raise PydanticUseDefault
        if not isinstance(value, Mapping):
            message = f"must be a mapping, with the name of each of the {info.field_name} as its key"
            raise problems_error([Problem((), message)])
        problems = [Problem((name,), _bad_name(name)) for name in value if _bad_name(name)]
        problems += [
            Problem((name, "name"), "unknown key; the name is the key before it")
            for name, entry in value.items()
            if isinstance(entry, Mapping) and "name" in entry
        ]
        if problems:
            raise problems_error(problems)
        return [{"name": name, **entry} if isinstance(entry, Mapping) else entry for name, entry in value.items()]


def _bad_name(name: str) -> str:
    if name == LOG:
        return "is the log of the job, which every rule has anyway; choose another name"
    if _NAME.fullmatch(name) is None:
        return "is not a name: lower case letters, digits, '_' and '-', starting with a letter"
    return ""


def load_alerts(
    path: Path,
    *,
    metrics: Mapping[str, MetricShape],
    outcomes: Collection[str],
    tables: Collection[str],
    env: Mapping[str, str],
) -> Alerts | None:
    """Read the rules; None where there is no such file. `metrics`, `outcomes` and `tables` are those that rules may name.

    The URLs of channels come from `env`.

    Raises:
        ConfigError: all mistakes found, one a line, each with file, line, path and what to write instead.
    """
    if not path.exists():
        return None
    document = read_yaml(path, "file of alerts", "channels: and rules:")
    named = document.data.get("channels")
    channels = tuple(named) if isinstance(named, dict) else ()
    context = {"env": env, "metrics": metrics, "outcomes": outcomes, "tables": tables, "channels": (*channels, LOG)}
    alerts, found = validated(Alerts, document.data, context, _keys_at)
    if complaints := lines_of([*document.problems, *found], document, shown(path), {}):
        raise ConfigError("\n".join(complaints))
    return alerts


def _keys_at(path: YamlPath, _data: Any) -> tuple[str, ...]:
    match path:
        case ():
            return tuple(Alerts.model_fields)
        case ("channels", _):
            return tuple(name for name in Channel.model_fields if name != "name")
        case ("rules", _):
            return tuple(name for name in Rule.model_fields if name != "name")
    return ()

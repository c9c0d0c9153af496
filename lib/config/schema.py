"""Which keys a source YAML may have, place by place: for suggestions, and for `--set`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.config.answer_rules import AnswerRule, BodyTest
from lib.config.api import Api, Limits
from lib.config.auth import AUTH_TYPES
from lib.config.columns import Column, Reference
from lib.config.engines import Readers
from lib.config.incremental import Incremental
from lib.config.metrics import CloudWatch, Metrics, Otlp, Pushgateway
from lib.config.model import Settings, YamlPath
from lib.config.pagination import STYLES
from lib.config.recommend import Grouped, Models, Plays, Recommend, Retrain
from lib.config.slices import Slices
from lib.config.source import Demo, Faults, Site, Source
from lib.config.tables import Parent, Table


def choice_at(path: YamlPath) -> tuple[str, Mapping[str, type[Settings]]] | None:
    """Where one key of a mapping says which others there may be: that key, and the settings of each of its values."""
    match path:
        case ("api", "auth"):
            return "type", AUTH_TYPES
        case ("api", "pagination") | ("tables", _, "pagination"):
            return "style", STYLES
    return None


def keys_at(path: YamlPath, data: Any = None) -> tuple[str, ...]:
    """Return the keys that a mapping at this path may have; none where names are free (tables, columns) and for values.

    `data` is what the YAML says there: with it, `api.auth` has only the keys of its type, `pagination` those of its style.
    """
    if choice := choice_at(path):
        kind, models = choice
        chosen = data.get(kind) if isinstance(data, dict) else None
        if isinstance(chosen, str) and chosen in models:
            return _fields(models[chosen])
        return tuple(dict.fromkeys(name for model in models.values() for name in _fields(model)))
    match path:
        case ():
            return _fields(Source)
        case ("api",):
            return _fields(Api)
        case ("api", "limits"):
            return _fields(Limits)
        case ("api", "errors", _) | ("tables", _, "errors", _):
            return _fields(AnswerRule)
        case ("api", "errors", _, "body") | ("tables", _, "errors", _, "body"):
            return _fields(BodyTest)
        case ("demo",):
            return _fields(Demo)
        case ("demo", "faults"):
            return _fields(Faults)
        case ("site",):
            return _fields(Site)
        case ("readers",):
            return _fields(Readers)
        case ("metrics",):
            return _fields(Metrics)
        case ("metrics", "otlp"):
            return _fields(Otlp)
        case ("metrics", "pushgateway"):
            return _fields(Pushgateway)
        case ("metrics", "cloudwatch"):
            return _fields(CloudWatch)
        case ("models",):
            return _fields(Models)
        case ("recommend",):
            return _fields(Recommend)
        case ("recommend", "plays"):
            return _fields(Plays)
        case ("recommend", "users" | "items"):
            return _fields(Grouped)
        case ("recommend", "retrain"):
            return _fields(Retrain)
        case ("tables", _):
            return _fields(Table, without="name")
        case ("tables", _, "parent"):
            return _fields(Parent)
        case ("tables", _, "slices"):
            return _fields(Slices)
        case ("tables", _, "incremental"):
            return _fields(Incremental)
        case ("tables", _, "columns", _):
            return _fields(Column, without="name")
        case ("tables", _, "references", _):
            return _fields(Reference)
    return ()


def has_free_keys(path: YamlPath) -> bool:
    """Whether the keys of the mapping at this path are the user's: names of query parameters, of headers, of fields of a form."""
    if path == ("api", "auth", "body"):
        return True
    return bool(path) and path[-1] in ("params", "headers", "form") and path[:-1] in (("api",), ("tables", *path[1:2]))


def is_named_by_its_key(path: YamlPath) -> bool:
    """Whether the mapping at this path is a table or column, whose name is the key before it."""
    return (len(path) == 2 and path[0] == "tables") or is_column(path)


def is_column(path: YamlPath) -> bool:
    """Whether this is the path of a column, which may be written as its type alone."""
    return len(path) == 4 and path[0] == "tables" and path[2] == "columns"


def _fields(model: type[Settings], without: str = "") -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in model.model_fields.items() if name != without)

"""What all settings have in common: frozen, strict, no unknown keys, and problems that keep their place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

YamlPath: TypeAlias = tuple[str | int, ...]
PROBLEMS = "problems"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where, as a path from the model or YAML concerned, and what is wrong in plain words."""

    path: YamlPath
    message: str


class Settings(BaseModel):
    """A part of the settings. Strict: "yes" is no boolean and "16" no number; a whole number is a float too."""

    # The input may hold a secret, so pydantic's own messages must not show it.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False)


def problems_error(problems: Iterable[Problem]) -> PydanticCustomError:
    """Return one pydantic error that carries several problems, each with its path below the model that raises it."""
    found = list(problems)
    text = "; ".join(f"{'.'.join(map(str, problem.path))}: {problem.message}" for problem in found)
    # In a dict, as pydantic reads the text as a template whose braces it would fill.
    return PydanticCustomError(PROBLEMS, "{text}", {"text": text, PROBLEMS: found})

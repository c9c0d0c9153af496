"""Secrets of a source YAML: `${ENV_NAME}`, read from the environment."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, SecretStr, ValidationInfo

_ENV_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
WRITTEN_OUT = 'a secret must not be written out: write "${ENV_NAME}" and put the value in that environment variable'
EnvReference: TypeAlias = Annotated[str, Field(title='`"${ENV_NAME}"`', pattern=f"^{_ENV_REFERENCE.pattern}$")]
"""A secret as it is written."""
UNREAD = SecretStr("http://unread.invalid")
"""What stands in for each secret that is not read: text, and a URL whose host no name server knows (RFC 2606)."""


def from_environment(value: object, info: ValidationInfo, *, literal_ok: bool) -> object:
    """Replace `${NAME}` by what the environment has, or by `UNREAD`. Text without it is refused, unless `literal_ok`."""
    if isinstance(value, SecretStr):  # made by code, not read from a YAML
        return value
    if not isinstance(value, str):
        # A TypeError would leave pydantic as it is, and not become one problem among others.
        raise ValueError('must be written as "${ENV_NAME}", with the value in that environment variable')  # noqa: TRY004
    match = _ENV_REFERENCE.fullmatch(value)
    if match is None:
        if literal_ok and value and value.isprintable() and "${" not in value:
            return SecretStr(value)
        if literal_ok or "${" in value:
            raise ValueError('must be "${ENV_NAME}" alone, with nothing before or after it')
        raise ValueError(WRITTEN_OUT)
    env = (info.context or {}).get("env", {})
    if env is None:
        return UNREAD
    found = env.get(match.group(1), "")
    if not found:
        raise ValueError(f"the environment variable {match.group(1)} is not set or is empty")
    if not found.isprintable():
        raise ValueError(f"the environment variable {match.group(1)} holds a line break or another control character")
    return SecretStr(found)


def _secret(value: object, info: ValidationInfo) -> object:
    return from_environment(value, info, literal_ok=False)


def _secret_or_literal(value: object, info: ValidationInfo) -> object:
    return from_environment(value, info, literal_ok=True)


HIDDEN = PlainSerializer(lambda _: "***", return_type=str, when_used="json")
Secret: TypeAlias = Annotated[SecretStr, BeforeValidator(_secret, json_schema_input_type=EnvReference), HIDDEN]
SecretOrLiteral: TypeAlias = Annotated[
    SecretStr, BeforeValidator(_secret_or_literal, json_schema_input_type=str), HIDDEN
]

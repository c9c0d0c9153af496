"""How the requests for pages show who asks: by a secret that is given, or by a token that is got for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from lib.config.expression import DOTTED
from lib.config.fixed import HEADER_CHARACTERS, LoginBody
from lib.config.model import Problem, Settings
from lib.config.network import UrlText, checked_path, checked_url, is_known, is_loopback
from lib.config.secret import Secret, SecretOrLiteral

TOKEN = "{token}"
_HeaderName = Annotated[str, Field(pattern=f"^{HEADER_CHARACTERS}$", max_length=200)]
_PLACE = re.compile(rf"(?:header|cookie):{HEADER_CHARACTERS}|(?!header:|cookie:){DOTTED}")


class NoAuth(Settings):
    """The API asks for no credentials."""

    type: Literal["none"] = "none"


class BearerAuth(Settings):
    """`Authorization: Bearer <token>`."""

    type: Literal["bearer"] = "bearer"
    token: Secret
    """The token."""


class HeaderAuth(Settings):
    """A header of the API's own, such as `X-Api-Key`."""

    type: Literal["header"] = "header"
    name: _HeaderName
    """The header's name."""
    value: Secret
    """The header's value."""


class BasicAuth(Settings):
    """HTTP basic authentication. The user may be written in the YAML, the password may not."""

    type: Literal["basic"] = "basic"
    user: SecretOrLiteral
    """The user; may be written out."""
    password: Secret
    """The password."""


class QueryAuth(Settings):
    """A query parameter, such as `?api_key=`."""

    type: Literal["query"] = "query"
    name: Annotated[str, Field(min_length=1, max_length=200)]
    """The parameter's name."""
    value: Secret
    """The parameter's value."""


def _token_url(url: str) -> str:
    checked_url(url, with_query=True)
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must start with https://, as secrets are sent there (http:// only for this machine itself)")
    return url  # as it is written: to some servers a slash at its end matters


def _one_line(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("must be text without line breaks and other control characters, and not empty")
    return text


_OneLine = Annotated[str, AfterValidator(_one_line)]


class _OAuth2(Settings):
    """What all grants of OAuth2 have (RFC 6749): where a token is asked for, who asks, and how that is shown there."""

    token_url: Annotated[UrlText, AfterValidator(_token_url)]
    """Address where a token is asked for: at the server of `api.url`, or at one of `api.allowed_hosts`."""
    client_id: SecretOrLiteral
    """The client; may be written out."""
    client_secret: Secret
    """The client's secret."""
    client_auth: Literal["basic", "post"] = "basic"
    """How the client shows its secret: by a header, or in the form."""
    scope: _OneLine | None = None
    """Scopes to ask for, with spaces between them."""
    audience: _OneLine | None = None
    """Audience to ask for, where the server wants one."""


class ClientCredentialsAuth(_OAuth2):
    """`Authorization: Bearer` with a token that the client gets for its own credentials."""

    type: Literal["oauth2_client_credentials"] = "oauth2_client_credentials"


class RefreshTokenAuth(_OAuth2):
    """`Authorization: Bearer` with a token that the client gets for a refresh token."""

    type: Literal["oauth2_refresh_token"] = "oauth2_refresh_token"
    refresh_token: Secret
    """The refresh token."""


def _token_place(place: str) -> str:
    if not _PLACE.fullmatch(place):
        raise ValueError("must be a dotted path into the answer, such as data.token, or header:NAME or cookie:NAME")
    return place


class SessionAuth(Settings):
    """A header with the token of a login call: `body` is posted to `login_path`, and the answer has the token at `token`."""

    type: Literal["session"] = "session"
    login_path: Annotated[str, Field(json_schema_extra={"pattern": "^/(?!/)"}), AfterValidator(checked_path)]
    """Path of the login call below `api.url`, starting with one `/`."""
    body: Annotated[LoginBody, Field(min_length=1)]
    """What is posted, by name; secrets as `"${ENV_NAME}"`."""
    sent_as: Literal["json", "form"] = Field(default="json", alias="as")
    """How the body is written."""
    token: Annotated[str, AfterValidator(_token_place)]
    """Where the answer has the token: a dotted path, `header:X-Auth-Token` or `cookie:sessionid`."""
    name: _HeaderName = "Authorization"
    """Header that the token is sent in."""
    value: str = f"Bearer {TOKEN}"
    """Value of that header, with `{token}` in it once."""

    @field_validator("body", mode="before")
    @classmethod
    def _no_half_a_secret(cls, body: Any) -> Any:
        if isinstance(body, Mapping) and None in body.values():
            # `{user: abc,def}` reads as two keys, so the second may be half of a secret.
            raise ValueError("a name without a value (not shown, as it may be a secret); write the value in quotes")
        return body

    @field_validator("value")
    @classmethod
    def _has_one_place_for_the_token(cls, value: str) -> str:
        if value.count(TOKEN) != 1 or "${" in value or not value.isprintable() or value != value.strip():
            raise ValueError(
                f"must be one line with {TOKEN} in it once, such as Bearer {TOKEN}; nothing else is replaced in it"
            )
        return value


TokenAuth: TypeAlias = ClientCredentialsAuth | RefreshTokenAuth | SessionAuth
Auth: TypeAlias = Annotated[
    NoAuth | BearerAuth | HeaderAuth | BasicAuth | QueryAuth | TokenAuth, Field(discriminator="type")
]
AUTH_TYPES: dict[str, type[Settings]] = {
    "none": NoAuth,
    "bearer": BearerAuth,
    "header": HeaderAuth,
    "basic": BasicAuth,
    "query": QueryAuth,
    "oauth2_client_credentials": ClientCredentialsAuth,
    "oauth2_refresh_token": RefreshTokenAuth,
    "session": SessionAuth,
}


def auth_problems(auth: Auth, url: str, allowed_hosts: Iterable[str]) -> Iterator[Problem]:
    """A token that would be asked for at a server that `api` does not name."""
    if isinstance(auth, _OAuth2) and not is_known(auth.token_url, url, allowed_hosts):
        host = urlsplit(auth.token_url).netloc
        yield Problem(
            ("auth", "token_url"),
            f"{host} is another server than api.url; if it may be asked, list it in api.allowed_hosts",
        )
    elif isinstance(auth, _OAuth2) and url.startswith("https:") and auth.token_url.startswith("http:"):
        yield Problem(("auth", "token_url"), "must start with https://, as api.url does")

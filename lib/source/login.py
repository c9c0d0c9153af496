"""The request that brings a token: what is sent, what is taken from the answer, and what may be said where there is none."""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import orjson
import requests
from pydantic import SecretStr

from lib.config.answer_rules import REDIRECTS, TAKEN
from lib.config.fixed import query_of
from lib.errors import SourceError
from lib.source.access import Access, Fixed, Pairs, fixed_of
from lib.source.answer import HEADER, at, at_or_in_header
from lib.source.client import SHOWN_MESSAGE, Reply, SourceClient
from lib.source.hosts import check_allowed, origin_of
from lib.source.redact import redacted
from lib.source.request import HEADERS
from lib.source.retry import TryAgainError, exchange_retries
from lib.source.tally import Tally

if TYPE_CHECKING:
    from lib.config import Api, TokenAuth
    from lib.config.auth import ClientCredentialsAuth, RefreshTokenAuth, SessionAuth
    from lib.source.json_text import Json

MOST_CHARACTERS = 16_384
LONGEST_S = 10 * 365 * 86_400.0
COOKIE = "cookie:"
_FORM = "application/x-www-form-urlencoded"
# What a header can hold, and a line of the budget's protocol.
_TOKEN = re.compile(rf"[!-~]{{1,{MOST_CHARACTERS}}}")
# RFC 6749, section 5.2, has names such as invalid_client. Other text may be anything.
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True)
class Login:
    """A request for a token, and where the answer has it. `secrets` is every value in it that must not be seen."""

    url: str
    body: bytes = field(repr=False)
    headers: Pairs = field(default=(), repr=False)
    params: Pairs = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    token: str = "access_token"
    is_oauth2: bool = True


@dataclass(frozen=True)
class Granted:
    """A token as it came. `lasts_s` and the next `refresh_token` are None where the answer does not say."""

    text: str = field(repr=False)
    lasts_s: float | None = None
    refresh_token: str | None = field(default=None, repr=False)


def login_of(api: Api, auth: TokenAuth, refresh_token: str | None = None) -> Login:
    """The request for a token. `refresh_token` takes the place of the one in the settings, where the server gave a new one."""
    return _session(api, auth) if auth.type == "session" else _oauth2(auth, refresh_token)


def _oauth2(auth: ClientCredentialsAuth | RefreshTokenAuth, refresh_token: str | None) -> Login:
    """RFC 6749: sections 4.4.2 and 6, with the client's credentials as in section 2.3.1."""
    client_id, secret = auth.client_id.get_secret_value(), auth.client_secret.get_secret_value()
    form = {"grant_type": "client_credentials"}
    secrets = [secret]
    if auth.type == "oauth2_refresh_token":
        refresh_token = refresh_token or auth.refresh_token.get_secret_value()
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        secrets += [auth.refresh_token.get_secret_value(), refresh_token]
    form |= {name: value for name, value in (("scope", auth.scope), ("audience", auth.audience)) if value is not None}
    headers: Pairs = (("Content-Type", _FORM),)
    if auth.client_auth == "basic":
        # Each is encoded as in a form, so that a colon in the id is none between the two. A space is %20, which every server
        # decodes: some (authlib) take a plus for itself.
        pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
        packed = base64.b64encode(pair.encode()).decode()
        headers += (("Authorization", f"Basic {packed}"),)
        secrets += [pair, packed]
    else:
        form |= {"client_id": client_id, "client_secret": secret}
    return Login(auth.token_url, urlencode(form).encode(), headers, secrets=tuple(secrets))


def _session(api: Api, auth: SessionAuth) -> Login:
    """The login call of a source's own, with the parameters and headers that go with every request to it."""
    fixed: Fixed = fixed_of(api)
    plain = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in auth.body.items()
    }
    if auth.sent_as == "json":
        kind, body = "application/json", json.dumps(plain).encode()
    else:
        written = {name: str(value).lower() if isinstance(value, bool) else value for name, value in plain.items()}
        kind, body = _FORM, urlencode(written).encode()
    url = api.url.partition("?")[0] + auth.login_path
    # As with a table, what its path says goes before what the API says.
    named = {name for name, _ in query_of(auth.login_path)}
    params = tuple(one for one in (*fixed.params, *fixed.secret_params) if one[0] not in named)
    secrets = [value.get_secret_value() for value in auth.body.values() if isinstance(value, SecretStr)]
    secrets += [value for _, value in (*fixed.secret_params, *fixed.secret_headers)]
    headers = (*fixed.headers, *fixed.secret_headers, ("Content-Type", kind))
    return Login(url, body, headers, params, tuple(secrets), auth.token, is_oauth2=False)


class LoginClient(SourceClient):
    """Asks for a token as for a page: with its limits and retries, of hosts that may be asked alone.

    It follows no redirect, and shows nothing of an answer but an error code of OAuth2.
    """

    taken = TAKEN | {HTTPStatus.CREATED}

    def __init__(self, access: Access) -> None:
        super().__init__(replace(access, token_header=None))

    def log_in(self, login: Login) -> Granted:
        """Get a token.

        Raises:
            SourceError: none is to be had; names the host, the status and the error code, and nothing else of the answer.
        """
        tally = Tally(self._gate)
        message = "no attempt was made"
        try:
            for attempt in exchange_retries(self.access.attempts, self.access.max_wait_s, tally.paused):
                with attempt:
                    tally.attempts += 1
                    return granted(self._posted(login), login)
        except SourceError as error:
            message = str(error)
        after = f" (after {tally.attempts} attempts)" if tally.attempts > 1 else ""
        message = redacted(message, (*self.secrets, *login.secrets), shown=SHOWN_MESSAGE)
        raise SourceError(f"api.auth: no token from {urlsplit(login.url).netloc}: {message}{after}")

    def outlined(self, body: bytes, content_type: str) -> str:
        """The error code, if there is one."""
        return _error_code(body) or "no error code of OAuth2"

    def _posted(self, login: Login) -> Reply:
        """One request and its whole answer."""
        deadline = time.monotonic() + self.access.timeout_s
        try:
            request = requests.Request("POST", login.url, HEADERS, data=login.body, params=login.params).prepare()
        except (requests.RequestException, ValueError):
            request = None
        if request is None:
            raise SourceError("the address cannot be read as a URL")
        check_allowed(origin_of(str(request.url)), self._home, self.access.allowed_hosts)
        request.headers.update({name: value.encode().decode("latin-1") for name, value in login.headers})
        with self._sent(request, deadline) as response:
            if response.status_code in REDIRECTS:
                raise SourceError(f"status {response.status_code} redirects, which is not followed with credentials")
            return self._reply(response)


def granted(reply: Reply, login: Login) -> Granted:
    """The token in an answer.

    Raises:
        TryAgainError: it is no JSON object; another attempt may bring one.
        SourceError: it has no token that can be sent, or one of another type than bearer.
    """
    is_beside = login.token.startswith((HEADER, COOKIE))
    answer = {} if is_beside else _object(reply.body)
    if answer is None:
        raise TryAgainError("the answer is not a JSON object", reason="not_json")
    text = _beside(reply, login.token) if is_beside else at(answer, login.token)
    if not isinstance(text, str) or not _TOKEN.fullmatch(text):
        code = _error_code(reply.body)
        raise SourceError(
            f"the answer has no token at {login.token} (1 to {MOST_CHARACTERS:,} characters of ASCII without spaces)"
            + (f"; it says {code}" if code else "")
        )
    if not login.is_oauth2:
        return Granted(text)
    kind = answer.get("token_type") or "bearer"
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise SourceError("the answer's token_type is not bearer, which is the only one that can be sent")
    following = answer.get("refresh_token")
    refresh_token = following if isinstance(following, str) and following else None
    return Granted(text, _seconds(answer.get("expires_in")), refresh_token)


def _beside(reply: Reply, place: str) -> Json:
    """What a header or a cookie of the answer holds."""
    if place.startswith(HEADER):
        return at_or_in_header(None, reply.headers, place)
    name = re.escape(place.removeprefix(COOKIE))
    # Several cookies are one text, with commas between them.
    cookie = re.search(rf'(?:^|,)\s*{name}="?([^\s;,"]*)', reply.headers.get("set-cookie", ""))
    return cookie and cookie[1]


def _seconds(value: Json) -> float | None:
    """How long a token lasts, as a number or in text. What is no number above 0 does not say."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value, re.ASCII):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    return float(min(value, LONGEST_S))


def _error_code(body: bytes) -> str | None:
    """The error code of OAuth2 in an answer, as in `error invalid_client`; no text that may be anything else."""
    code = (_object(body) or {}).get("error")
    return f"error {code}" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else None


def _object(body: bytes) -> dict[str, Json] | None:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return answer if isinstance(answer, dict) else None

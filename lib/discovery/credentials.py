"""How the API is shown who asks: by names of environment variables, never by a value, and what a document says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import Any
from urllib.parse import urljoin, urlsplit

from lib.config.network import checked_url, is_known
from lib.discovery.document import Document, Object
from lib.discovery.endpoints import Listed
from lib.errors import ConfigError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Given:
    """What the command line says: names of environment variables, with the header or parameter that each goes into."""

    bearer: str | None = None
    basic: tuple[str, str] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    queries: tuple[tuple[str, str], ...] = ()
    oauth2: tuple[str, str] | None = None
    token_url: str | None = None
    none: bool = False

    @property
    def is_any(self) -> bool:
        """Whether it says anything."""
        return bool(self.bearer or self.basic or self.headers or self.queries or self.oauth2 or self.none)


@dataclass(frozen=True)
class Credentials:
    """The blocks of a source YAML that hold credentials, each as `${NAME}`."""

    auth: dict[str, Any] = field(default_factory=lambda: {"type": "none"})
    headers: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    allowed_hosts: tuple[str, ...] = ()


def check_given(given: Given, env: Mapping[str, str]) -> None:
    """Check what the command line says before anything is asked.

    Raises:
        ConfigError: two ways that cannot go together, or a variable that is no name or is not set.
    """
    ways = [("--bearer-env", given.bearer), ("--basic-env", given.basic), ("--oauth2-env", given.oauth2)]
    said = [name for name, value in ways if value]
    if len(said) > 1:
        raise ConfigError(f"{said[0]} and {said[1]} both say who asks; give one of them")
    if given.none and (said or given.headers or given.queries):
        raise ConfigError("--no-auth says that the API asks for no credentials, and another option names some")
    if given.token_url and not given.oauth2:
        raise ConfigError("--token-url is where tokens are got, and needs --oauth2-env ID SECRET")
    for name in _variables(given):
        if not _NAME.fullmatch(name):
            message = "an option that ends in -env takes the name of an environment variable, such as SHOP_TOKEN, never the secret"
            raise ConfigError(message)
        if not env.get(name):
            raise ConfigError(f"the environment variable {name} is not set or is empty")


def _variables(given: Given) -> Iterator[str]:
    yield from [given.bearer] if given.bearer else []
    yield from given.basic or ()
    yield from given.oauth2 or ()
    yield from (name for _, name in (*given.headers, *given.queries))


def credentials_of(given: Given, api_url: str, document: Document | None) -> Credentials:
    """The blocks of the YAML.

    Raises:
        ConfigError: nobody says where a token is got, or it is at a server that nobody has named.
    """
    headers = {name: _variable(variable) for name, variable in given.headers}
    params = {name: _variable(variable) for name, variable in given.queries}
    if given.bearer:
        return Credentials({"type": "bearer", "token": _variable(given.bearer)}, headers, params)
    if given.basic:
        user, password = map(_variable, given.basic)
        return Credentials({"type": "basic", "user": user, "password": password}, headers, params)
    if given.oauth2:
        client, secret = map(_variable, given.oauth2)
        url = _token_url(given, api_url, document)
        auth = {
            "type": "oauth2_client_credentials", "token_url": url, "client_id": client, "client_secret": secret
        }  # fmt: skip
        hosts = () if is_known(url, api_url, ()) else (urlsplit(url).netloc.lower(),)
        return Credentials(auth, headers, params, hosts)
    if headers:
        name, value = next(iter(headers.items()))
        return Credentials({"type": "header", "name": name, "value": value}, _without(headers, name), params)
    if params:
        name, value = next(iter(params.items()))
        return Credentials({"type": "query", "name": name, "value": value}, {}, _without(params, name))
    return Credentials()


def _without(values: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key != name}


def _variable(name: str) -> str:
    return f"${{{name}}}"


def _token_url(given: Given, api_url: str, document: Document | None) -> str:
    flows = [] if document is None else [flow for kind, flow in _flows(document) if kind == "clientCredentials"]
    written = given.token_url or next(
        (flow["tokenUrl"] for flow in flows if isinstance(flow.get("tokenUrl"), str)), None
    )
    if written is None:
        raise ConfigError("--oauth2-env: nobody says where a token is got; name the address with --token-url URL")
    try:
        url = checked_url(urljoin(f"{api_url}/", written), with_query=True)
    except ValueError as error:
        message = f"the address for tokens {error}; name another one with --token-url URL"
    else:
        if given.token_url is None and not is_known(url, api_url, ()):
            host = urlsplit(url).netloc
            message = (
                f"the document has tokens got at {host}, another server than the API's; if it may be asked, say --token-url "
                f"{quote(url)}"
            )
            raise ConfigError(message)
        return url
    raise ConfigError(message)


def _flows(document: Document) -> Iterator[tuple[str, Object]]:
    for scheme in _schemes(document).values():
        for kind, flow in document.objects(scheme.get("flows")).items():
            yield kind, document.followed(flow)


def _schemes(document: Document) -> dict[str, Object]:
    components = document.followed(document.data.get("components"))
    return {name: document.followed(one) for name, one in document.objects(components.get("securitySchemes")).items()}


def check_needed(document: Document, tables: Sequence[Listed], given: Given) -> None:
    """Check that there are credentials where the document wants them for every list.

    Raises:
        ConfigError: there are none. It names the options that fit the document.
    """
    if given.is_any or not tables or not all(one.security and {} not in one.security for one in tables):
        return
    schemes = _schemes(document)
    ways: dict[str, None] = {}
    for requirement in tables[0].security or ():
        options = [_option(schemes[name]) for name in requirement if name in schemes]
        if options and all(options):
            ways[" ".join(dict.fromkeys(map(str, options)))] = None
    if not ways:
        return
    listed = ", or ".join(ways)
    message = (
        f"{document.name}: the API asks for credentials. Put them into environment variables and name these: {listed}. If it needs "
        "none, say --no-auth"
    )
    raise ConfigError(message)


def _option(scheme: Object) -> str | None:
    """The option that fits a security scheme. None: there is none."""
    kind, where = scheme.get("type"), scheme.get("in")
    name = str(scheme.get("name", ""))
    if kind == "http":
        return "--basic-env USER PASSWORD" if str(scheme.get("scheme")).lower() == "basic" else "--bearer-env NAME"
    if kind == "apiKey" and re.fullmatch(r"[\w.$-]{1,100}", name):
        return {"header": f"--header-env {name} NAME", "query": f"--query-env {name} NAME"}.get(str(where))
    if kind == "oauth2" and isinstance(scheme.get("flows"), dict) and "clientCredentials" in scheme["flows"]:
        return "--oauth2-env CLIENT_ID CLIENT_SECRET"
    return "--bearer-env NAME" if kind in ("oauth2", "openIdConnect") else None

"""What an executor needs to know to ask the source for pages: one small object that pickles equal to itself."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from lib.config.auth import TOKEN, TokenAuth
from lib.config.bodies import body_of, method_of
from lib.config.fixed import query_of
from lib.source.paging import PageNumbers, Paging, Values, in_query, paging_of
from lib.source.request_body import RequestBody
from lib.source.row_key import Key, KeyColumns, keys_of, table_of
from lib.source.rules import Rule, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import SecretStr

    from lib.config import Api, Table


T = TypeVar("T")
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fixed:
    """What goes with every request for one table: parameters that may be seen, and those and headers that may not.

    Its `method`, and the `body` that a POST may have. `bounds` are the parameters and places in the body that say which rows are
    asked for, where that is not all.
    """

    params: Pairs = ()
    secret_params: Pairs = field(default=(), repr=False)
    headers: Pairs = field(default=(), repr=False)
    secret_headers: Pairs = field(default=(), repr=False)
    method: str = "GET"
    body: RequestBody | None = None
    bounds: Values = ()


@dataclass(frozen=True)
class TokenHeader:
    """The header that shows the token of the run, and what stands in it around the token."""

    name: str
    before: str
    after: str = ""

    def showing(self, text: str) -> tuple[str, str]:
        """The header with a token in its place."""
        return self.name, f"{self.before}{text}{self.after}"


@dataclass(frozen=True)
class Access:
    """The source's address, its credentials and its limits. Secrets are left out of the repr.

    `paging` is that of tables without an `own_paging`. `timeout_s` holds for a whole exchange, and so for each read; `max_wait_s`
    is the longest pause between two attempts. `ca_pem` is the text of the certificates to trust, as executors read no file;
    without it the public ones are trusted. A token that is got for the run is not in here: the gate has it, and `token_header`
    says where it goes. Nor is what it is got with, which stays on the driver. `keys` has what a row is known by in the JSON, for
    tables that are proved `swept`. Of a page of `key_columns` no more is kept than these columns of its rows.
    """

    base_url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    paging: Paging = field(default_factory=PageNumbers)
    timeout_s: float = 30.0
    attempts: int = 6
    max_wait_s: float = 120.0
    max_body_bytes: int = 64 * 1024 * 1024
    allowed_hosts: tuple[str, ...] = ()
    ca_pem: str | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)
    fixed: tuple[tuple[str, Fixed], ...] = ()
    own_paging: tuple[tuple[str, Paging], ...] = ()
    token_header: TokenHeader | None = None
    rules: tuple[tuple[str, tuple[Rule, ...]], ...] = ()
    keys: tuple[tuple[str, Key], ...] = ()
    key_columns: tuple[tuple[str, KeyColumns], ...] = ()

    def paging_for(self, table: str) -> Paging:
        """How the pages of a table are asked for."""
        return dict(self.own_paging).get(table, self.paging)

    def worded(self, table: str, message: str) -> str:
        """A message that names settings of pagination: of a table with a block of its own they are there, or belong there."""
        own = f"tables.{table_of(table)}.pagination"
        return re.sub(r"(?<![\w.])api\.pagination", own, message) if table in dict(self.own_paging) else message

    def fixed_for(self, table: str) -> Fixed:
        """What goes with every request for a table."""
        return dict(self.fixed).get(table, Fixed())

    def rules_for(self, table: str) -> tuple[Rule, ...]:
        """The rules that judge the answers for a table: its own, then those of the API."""
        return dict(self.rules).get(table, ())

    def key_for(self, table: str) -> Key:
        """What a row of the table is known by in the JSON, where a second walk is held against it; else nothing."""
        return dict(self.keys).get(table, ())

    def walking_keys(self, table: str, columns: KeyColumns) -> Access:
        """The same, which can also ask for a table under the name for its keys alone."""
        name = keys_of(table)

        def of_both(pairs: tuple[tuple[str, T], ...]) -> tuple[tuple[str, T], ...]:
            return (*pairs, *((name, one) for known, one in pairs if known == table))

        return replace(
            self,
            fixed=of_both(self.fixed),
            own_paging=of_both(self.own_paging),
            rules=of_both(self.rules),
            keys=of_both(self.keys),
            key_columns=(*self.key_columns, (name, columns)),
        )

    def behind(self, table: str) -> Access:
        """The same, but that the table is asked for behind an end that the source has declared."""
        paging = self.paging_for(table).behind
        if table not in dict(self.own_paging):
            return replace(self, paging=paging)
        return replace(
            self, own_paging=tuple((name, paging if name == table else one) for name, one in self.own_paging)
        )

    def bounded(self, bounds: Mapping[str, Values]) -> Access:
        """The same, with these parameters and places in the body in each request for some of the tables."""

        def with_bounds(name: str, fixed: Fixed) -> Fixed:
            own = bounds.get(name, ())
            params = tuple((key, str(value)) for key, value in in_query(own))
            return replace(fixed, params=(*fixed.params, *params), bounds=own)

        return replace(self, fixed=tuple((name, with_bounds(name, fixed)) for name, fixed in self.fixed))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that must not be seen in a message, a log or a table."""
        found = [value for _, value in self.params]
        for _, fixed in self.fixed:
            found += [value for _, value in (*fixed.secret_params, *fixed.secret_headers)]
            found += [] if fixed.body is None else fixed.body.secrets
        for _, value in self.headers:
            scheme, _, credentials = value.partition(" ")
            found += [value, credentials]
            if scheme == "Basic":
                pair = base64.b64decode(credentials).decode()
                found += [pair, pair.partition(":")[2]]
        if self.proxy is not None:
            login = urlsplit(self.proxy).netloc.rpartition("@")[0]
            password = login.partition(":")[2]
            found += [login, unquote(login), password, unquote(password)]
        return tuple(dict.fromkeys(value for value in found if value))

    @classmethod
    def of(cls, api: Api, tables: Iterable[Table] = ()) -> Access:
        """The access that a source YAML's `api` section describes, with what goes with the requests for its tables."""
        headers, params = _credentials(api)
        limits, tables = api.limits, tuple(tables)
        of_api = rules_of("api", api.errors)
        return cls(
            base_url=api.url.partition("?")[0],
            headers=headers,
            params=params,
            paging=paging_of(api.pagination),
            timeout_s=limits.timeout_s,
            attempts=limits.attempts,
            max_wait_s=limits.max_wait_s,
            max_body_bytes=int(limits.max_body_mb * 1024 * 1024),
            allowed_hosts=api.allowed_hosts,
            ca_pem=api.ca_pem,
            proxy=None if api.proxy is None else api.proxy.get_secret_value(),
            fixed=tuple((table.name, fixed_of(api, table)) for table in tables),
            own_paging=tuple(
                (table.name, paging_of(table.pagination)) for table in tables if table.pagination is not None
            ),
            token_header=_token_header(api),
            keys=tuple(
                (table.name, tuple(table.column(name).steps for name in table.key))
                for table in tables
                if (table.prove or api.prove) == "swept"
            ),
            rules=tuple((table.name, (*rules_of(f"tables.{table.name}", table.errors), *of_api)) for table in tables),
        )


def fixed_of(api: Api, table: Table | None = None) -> Fixed:
    """What the table says goes before what the API says; the address before `params`, as they never hold the same."""
    own = [] if table is None else [*query_of(table.path), *table.params.items()]
    own_headers = {} if table is None else table.headers
    named = {name for name, _ in own}
    params = [*((name, value) for name, value in (*query_of(api.url), *api.params.items()) if name not in named), *own]
    lower = {name.lower() for name in own_headers}
    headers = [
        *((name, value) for name, value in api.headers.items() if name.lower() not in lower),
        *own_headers.items(),
    ]
    fixed = Fixed(_plain(params), _secret(params), _plain(headers), _secret(headers))
    if table is None or method_of(api, table) == "get":
        return fixed
    body = body_of(api, table)
    return replace(fixed, method="POST", body=None if body is None else RequestBody.of(body))


def _plain(pairs: list[tuple[str, str | SecretStr]]) -> Pairs:
    return tuple((name, value) for name, value in pairs if isinstance(value, str))


def _secret(pairs: list[tuple[str, str | SecretStr]]) -> Pairs:
    return tuple((name, value.get_secret_value()) for name, value in pairs if not isinstance(value, str))


def _credentials(api: Api) -> tuple[Pairs, Pairs]:
    """Headers and query parameters that carry the credentials."""
    auth = api.auth
    if auth.type == "bearer":
        return (("Authorization", f"Bearer {auth.token.get_secret_value()}"),), ()
    if auth.type == "basic":
        pair = f"{auth.user.get_secret_value()}:{auth.password.get_secret_value()}"
        return (("Authorization", "Basic " + base64.b64encode(pair.encode()).decode()),), ()
    if auth.type == "header":
        return ((auth.name, auth.value.get_secret_value()),), ()
    if auth.type == "query":
        return (), ((auth.name, auth.value.get_secret_value()),)
    return (), ()


def _token_header(api: Api) -> TokenHeader | None:
    auth = api.auth
    if auth.type == "session":
        before, _, after = auth.value.partition(TOKEN)
        return TokenHeader(auth.name, before, after)
    return TokenHeader("Authorization", "Bearer ") if isinstance(auth, TokenAuth) else None

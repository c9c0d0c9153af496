"""One request for a page: where it goes, and what goes with it there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests

from lib.errors import SourceError
from lib.source.access import Access, Fixed
from lib.source.hosts import Origin, check_allowed, origin_of
from lib.source.paging import Params, Values
from lib.source.rules import Rule

HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "pagelake/0.1"}
_KEEP_THE_METHOD = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)


@dataclass(frozen=True)
class Asked:
    """What one exchange asks for. `params` are those of `url` that are the page's own; `headers` ask for the page, too.

    The `values` do so in the body.
    """

    url: str = field(repr=False)
    params: Values = field(repr=False)
    headers: Params = field(repr=False)
    values: Values = field(repr=False)
    fixed: Fixed
    rules: Sequence[Rule]

    @property
    def is_post(self) -> bool:
        """Whether it is a POST, with or without a body."""
        return self.fixed.method == "POST"


def prepared(url: str, asked: Asked, access: Access, home: Origin, token: str | None) -> requests.PreparedRequest:
    """The request for an address that may be asked. Credentials, and what is fixed, only go to the source's own, which is `home`.

    Raises:
        SourceError: it cannot or may not be asked.
    """
    fixed = asked.fixed
    headers, body = {**HEADERS, **dict(asked.headers)}, None
    if fixed.body is not None:
        headers["Content-Type"], body = fixed.body.content_type, fixed.body.written(asked.values)
    # Not by `requests.Request`, which looks for cookies, parameters and a login too: these take longer than all the rest.
    request = requests.PreparedRequest()
    request.prepare_method(fixed.method)
    request.prepare_headers(headers)
    request.prepare_body(body, None)
    with suppress(requests.RequestException, ValueError):
        request.prepare_url(url, None)
    if request.url is None:
        raise SourceError("the address cannot be read as a URL")
    # Looked at as it will be sent: requests rewrites hosts that are not ASCII, and quotes what must be quoted.
    final = str(request.url)
    origin = origin_of(final)
    check_allowed(origin, home, access.allowed_hosts)
    if origin == home:
        # UTF-8, in the form that http.client sends as it is: other text would raise an error that shows it.
        own_headers = [*fixed.headers, *fixed.secret_headers, *access.headers]
        if access.token_header is not None and token is not None:
            own_headers.append(access.token_header.showing(token))
        request.headers.update({name: value.encode().decode("latin-1") for name, value in own_headers})
        there = {name for name, _ in parse_qsl(urlsplit(final).query, keep_blank_values=True)}
        own = tuple((name, value) for name, value in fixed.params if name not in there)
        if own := (*own, *fixed.secret_params, *access.params):
            request.prepare_url(with_query(final, own), None)
    elif asked.is_post:
        message = f"{origin} is another server than api.url; a POST goes to api.url alone, as its body is meant for it"
        raise SourceError(message)
    return request


def check_redirect(status: int, asked: Asked) -> None:
    """Refuse a redirect that would change the request.

    Raises:
        SourceError: it asks for a GET after a POST.
    """
    if asked.is_post and status not in _KEEP_THE_METHOD:
        message = (
            f"status {status} redirects, and would turn the POST into a GET without its body, which asks for something else; write "
            "the address that it leads to into api.url or the table's path"
        )
        raise SourceError(message)


def with_query(url: str, params: Values) -> str:
    """The address with further parameters behind those that it has."""
    if not params:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(part for part in (parts.query, urlencode(params)) if part)))

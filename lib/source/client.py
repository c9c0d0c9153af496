"""One HTTP exchange with the source: sent, read whole within its limits, retried where that can help."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Generic, Self, TypeVar
from urllib.parse import unquote_plus, urljoin, urlsplit, urlunsplit

import requests

from lib.config.answer_rules import REDIRECTS, TAKEN
from lib.config.fixed import query_of
from lib.errors import SourceError
from lib.source.access import Access, Fixed
from lib.source.body import read_raw, read_start, unpacked
from lib.source.gate import OPEN_GATE, Gate, Token
from lib.source.hosts import check_allowed, origin_of
from lib.source.json_text import Json
from lib.source.network_errors import NETWORK_ERRORS, failure_of
from lib.source.outline import outline
from lib.source.paging import Params, Values, in_body, in_query
from lib.source.redact import HIDDEN, holds, redacted, redacted_url
from lib.source.request import Asked, check_redirect, prepared, with_query
from lib.source.retry import (
    BY_RULE,
    TryAgainError,
    asked_pause_s,
    check_asked_pause,
    exchange_retries,
    is_limit,
    is_retried,
)
from lib.source.rules import NoJson, Rule, first_that_fits
from lib.source.tally import Tally
from lib.source.transport import LEAST_S, Transport

MAX_REDIRECTS = 5
EMPTY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT})
PAST_END = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
SAID_BYTES = 64 * 1024
SHOWN_MESSAGE = 1000

T = TypeVar("T")
_NOTHING = Fixed()


@dataclass(frozen=True)
class Reply:
    """An answer that brings a page, read to its end and unpacked. Names of headers are in lower case.

    `is_empty`: its status says that there is nothing to read. `rule` is the one by which it ends or is skipped. `url` is the
    address that was asked, behind all redirects, without what is fixed. `answer` is the body as a page's JSON, if it was read
    already: reading a large one twice takes half as long again.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_empty: bool = False
    rule: Rule | None = None
    url: str = field(default="", repr=False)
    answer: Json | NoJson = field(default_factory=NoJson, repr=False)


@dataclass(frozen=True)
class Tried:
    """What it took. `url` is redacted; `elapsed_ms` is that of the last attempt, `waited_ms` the pauses between all.

    `retries` is a JSON object, reason to count, of the failures that were followed by another attempt; None for none.
    """

    url: str
    status: int | None
    attempts: int
    elapsed_ms: float
    waited_ms: float
    retries: str | None


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What was read from an answer, when, and what it took."""

    content: T
    fetched_at: datetime
    tried: Tried


class ExchangeFailedError(SourceError):
    """An exchange that failed for good, with what a page row records of it."""

    def __init__(self, message: str, tried: Tried) -> None:
        super().__init__(message)
        self.tried = tried


class TokenRefusedError(SourceError):
    """The source answered with 401 to a request that showed the token with this serial: another one may be taken."""

    def __init__(self, message: str, serial: int) -> None:
        super().__init__(message)
        self.serial = serial


class SourceClient:
    """Asks one source. One client a thread; the connection is kept open between requests.

    No proxy, no netrc and no certificate store from the environment: only what the source YAML says is used. Requests
    go to the source's own scheme, host and port, and to those listed; its credentials go to its own alone. Each attempt,
    its redirects included, holds a permit of the gate; a pause before the next one holds none. A token that the source does
    not take is renewed once in an exchange, and the request repeated with the new one.
    """

    taken = TAKEN

    def __init__(self, access: Access, gate: Gate = OPEN_GATE) -> None:
        self.access = access
        self._gate = gate
        self._home = origin_of(access.base_url)
        self._transport = Transport(access.ca_pem)
        self._proxies = {} if access.proxy is None else {"http": access.proxy, "https": access.proxy}
        self._token: Token | None = None
        self._tokens: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that must not be seen: those that it was given, and the tokens that came since."""
        return (*self.access.secrets, *self._tokens)

    def get(
        self,
        path: str,
        params: Values,
        read: Callable[[Reply], T],
        fixed: Fixed = _NOTHING,
        hidden: Values = (),
        address: str | None = None,
        headers: Params = (),
        rules: Sequence[Rule] = (),
    ) -> Answer[T]:
        """Ask for `path` below the source's address, and what `read` makes of it, with retries around all of it.

        What is `fixed` goes with the request as long as it is one to the source's own address, and says by which method it is
        asked. `hidden` are parameters too, which are never shown; of both, those with the name of a place in the body go there. An
        `address` is asked in the place of path and parameters, and is not shown either.
        The `headers` are those that ask for a page. The first of the `rules` that an answer fits goes before what is done by
        default.
        `read` raises a TryAgainError for an answer that is worth another attempt, a SourceError for one that is not.

        Raises:
            ExchangeFailedError: no answer that can be used was to be had; the message is redacted.
        """
        url = self.access.base_url + path
        values, params, hidden = in_body((*params, *hidden)), in_query(params), in_query(hidden)
        shown = redacted_url(url, (*params, *fixed.params), (*fixed.secret_params, *self.access.params, *hidden))
        asked = Asked(with_query(url, (*params, *hidden)), (*params, *hidden), headers, values, fixed, rules)
        if address is not None:
            shown = f"{redacted_url(url)}?{HIDDEN}"
            # What is fixed is added anew, at the source's own address alone.
            names = {name for name, _ in fixed.params}
            own = tuple(one for one in query_of(address) if one[0] not in names)
            asked = replace(asked, url=address, params=own)
        tally = Tally(self._gate)
        message = "no attempt was made"
        try:
            for attempt in exchange_retries(self.access.attempts, self.access.max_wait_s, tally.paused):
                with attempt:
                    reply = self._attempt(asked, tally)
                    fetched_at = datetime.now(UTC)
                    return Answer(read(reply), fetched_at, _tried(shown, tally))
        except SourceError as error:
            message = str(error)
            if isinstance(error, TryAgainError) and error.retry_after_s:  # the last attempt; the others pause too
                self._gate.slow_down(error.retry_after_s)
        by = "POST " if asked.is_post else ""
        after = f" (after {tally.attempts} attempts)" if tally.attempts > 1 else ""
        message = redacted(message, self.secrets, shown=SHOWN_MESSAGE)
        # Not raised in the handler: an exception's context is kept, pickled and printed with it.
        raise ExchangeFailedError(f"{by}{shown}: {message}{after}", _tried(shown, tally))

    def next_address(self, url: str, named: str, fixed: Fixed) -> str:
        """The whole address of the page that an answer from `url` names as the next one, without credentials of ours.

        Raises:
            SourceError: it cannot or may not be asked; the message has no more of it than scheme, host and port.
        """
        target = self._resolved(url, named, fixed, "names as the next page")
        check_allowed(origin_of(target), self._home, self.access.allowed_hosts)
        return target

    def _attempt(self, asked: Asked, tally: Tally) -> Reply:
        """One attempt, and one more with another token where the first one that this exchange shows is refused."""
        tally.attempts, tally.status = tally.attempts + 1, None
        with self._gate.permit():
            if self.access.token_header is not None:
                self._shows(self._gate.source_token())
            try:
                with tally.timed():
                    return self._exchange(asked, tally)
            except TokenRefusedError as error:
                # Told before the permit is free: who gets it next would show the same token.
                self._shows(self._gate.source_token(error.serial))
        tally.renewed()
        return self._attempt(asked, tally)

    def _shows(self, token: Token) -> None:
        """Show this token from now on."""
        self._token = token
        self._tokens.add(token.text)

    def _exchange(self, asked: Asked, tally: Tally) -> Reply:
        """One request and its whole body, redirects included, within the time for the whole exchange."""
        deadline = time.monotonic() + self.access.timeout_s
        target = asked.url
        for _ in range(MAX_REDIRECTS + 1):
            shown = None if self._token is None else self._token.text
            request = prepared(target, asked, self.access, self._home, shown)
            with self._sent(request, deadline) as response:
                tally.status = response.status_code
                is_refused = response.status_code == HTTPStatus.UNAUTHORIZED and not tally.is_renewed
                if is_refused and (token := self._shown_by(request)):
                    raise TokenRefusedError("the source does not accept the token", token.serial)
                if response.status_code not in REDIRECTS:
                    return replace(self._reply(response, asked.rules), url=target)
                check_redirect(response.status_code, asked)
                location = response.headers.get("location")
            if not location:
                raise SourceError(f"status {response.status_code} redirects, but does not say where to")
            target = self._redirected(str(request.url), location, asked)
        raise SourceError(f"the source redirects more than {MAX_REDIRECTS} times")

    def _shown_by(self, request: requests.PreparedRequest) -> Token | None:
        """The token that a request shows: one to the source's own address, if the source asks for one."""
        return self._token if origin_of(str(request.url)) == self._home else None

    def _redirected(self, url: str, location: str, asked: Asked) -> str:
        """The address that a redirect names. The page's own parameters are kept where it has none."""
        target = self._resolved(url, location, asked.fixed, "redirects to")
        has_own = urlsplit(urljoin(url, location.strip())).query
        return target if has_own else with_query(target, asked.params)

    def _resolved(self, url: str, named: str, fixed: Fixed, does: str) -> str:
        """The address that an answer from `url` names, without parameters of ours that are secret, and without a fragment."""
        try:
            target: str | None = urljoin(url, named.strip())
        except ValueError:
            target = None
        if target is None:
            message = f"the source {does} something that is not a URL"
            raise SourceError(message)
        origin_of(target)
        parts = urlsplit(target)
        names = {name for name, _ in (*fixed.secret_params, *self.access.params)}
        kept = [one for one in parts.query.split("&") if unquote_plus(one.partition("=")[0]) not in names]
        target = urlunsplit(parts._replace(query="&".join(kept), fragment=""))
        if holds(target, self.secrets):
            message = f"the source {does} an address that holds a credential"
            raise SourceError(message)
        return target

    def _sent(self, request: requests.PreparedRequest, deadline: float) -> requests.Response:
        left_s = max(LEAST_S, deadline - time.monotonic())
        try:
            return self._transport.send(request, stream=True, timeout=(left_s, left_s), proxies=self._proxies)
        except NETWORK_ERRORS as error:
            failure = failure_of(error, self.access.timeout_s)
        raise failure

    def _reply(self, response: requests.Response, rules: Sequence[Rule] = ()) -> Reply:
        """What an answer brings, or the refusal that it is: by the first rule that it fits, by its status otherwise."""
        status, headers = response.status_code, _headers_of(response)
        is_empty = status in EMPTY or _is_past_end(response, headers)
        is_page, said = is_empty or status in self.taken, ""
        if status in self.taken:
            body = self._body(response, headers)
        else:
            body, said = self._said(response, headers)
        kind = headers.get("content-type", "")
        rule, answer = first_that_fits(rules, status, body, kind)
        if rule is not None and rule.do in ("end", "skip"):
            return Reply(status, headers, body, rule=rule)
        if rule is None and is_page:
            return Reply(status, headers, b"" if is_empty else body, is_empty=is_empty, answer=answer)
        raise self._refusal(status, headers, said or self.outlined(body, kind), rule)

    def _body(self, response: requests.Response, headers: Mapping[str, str]) -> bytes:
        try:
            raw = read_raw(response.raw, headers.get("content-length"), self.access.max_body_bytes)
            return unpacked(raw, headers.get("content-encoding", ""), self.access.max_body_bytes)
        except NETWORK_ERRORS as error:
            failure = failure_of(error, self.access.timeout_s, in_body=True)
        raise failure

    def _said(self, response: requests.Response, headers: Mapping[str, str]) -> tuple[bytes, str]:
        """What the server says with a status that brings no page, as far as it can be read, and its outline."""
        with suppress(*NETWORK_ERRORS, SourceError):  # the status says enough
            raw = read_start(response.raw, SAID_BYTES)
            if len(raw) == SAID_BYTES:
                return b"", f"more than {SAID_BYTES // 1024} KB"
            body = unpacked(raw, headers.get("content-encoding", ""), SAID_BYTES)
            return body, self.outlined(body, headers.get("content-type", ""))
        return b"", "an answer that could not be read"

    def outlined(self, body: bytes, content_type: str) -> str:
        """What is shown of an answer that brings nothing: never a value of it."""
        return outline(body, content_type)

    def _refusal(self, status: int, headers: Mapping[str, str], said: str, rule: Rule | None) -> SourceError:
        """What an answer that brings no page means: by its status, unless a rule says whether another attempt is worth it."""
        begin = f"status {status}" if rule is None else rule.says(status)
        is_limited = is_limit(status, headers) if rule is None else rule.do == "retry"
        if not (is_limited or (rule is None and is_retried(status))):
            return SourceError(f"{begin}: {said}")
        asked_s = asked_pause_s(headers, datetime.now(UTC), is_limited=is_limited)
        try:
            check_asked_pause(asked_s, self.access.max_wait_s)
        except SourceError as error:
            return SourceError(f"{begin}: {error}")
        # A 429 slows all, whoever says that it is worth another attempt.
        reason = str(status) if rule is None or status == HTTPStatus.TOO_MANY_REQUESTS else BY_RULE
        return TryAgainError(f"{begin}: {said}", reason=reason, retry_after_s=asked_s)


def _is_past_end(response: requests.Response, headers: Mapping[str, str]) -> bool:
    """Whether a range of rows was asked for that begins behind the last one."""
    return response.status_code == PAST_END and "Range" in response.request.headers and "content-range" in headers


def _headers_of(response: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _tried(url: str, tally: Tally) -> Tried:
    return Tried(url, tally.status, tally.attempts, tally.elapsed_s * 1000, tally.waited_s * 1000, tally.retries)

"""The token of a run: got once for all who ask, and renewed once for all of them."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from lib.config import TokenAuth
from lib.errors import SourceError
from lib.logs import LOGGER
from lib.source.access import Access
from lib.source.gate import Token
from lib.source.login import LoginClient, login_of

if TYPE_CHECKING:
    from lib.config import Api

# A token is renewed so long before it expires, or after half of its life, if that is later.
EARLY_S = 60.0

log = logging.getLogger(LOGGER)


class Tokens:
    """The current token of a run, on the driver. Safe to be used by many threads.

    It is renewed before it expires, as far as the server says when, and when the source has refused it; who asks meanwhile
    waits for the new one. A server that gave none after all attempts is not asked again in this run: each page would ask anew.
    """

    def __init__(self, api: Api, auth: TokenAuth, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._auth = auth
        self._clock = clock
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="token")
        self._coming: Future[Token | str] | None = None
        self._serial = 0
        self._renew_at = math.inf
        self._refresh_token: str | None = None

    @classmethod
    def of(cls, api: Api) -> Tokens | None:
        """The tokens of a source whose `api.auth` gets some, None for any other."""
        return cls(api, api.auth) if isinstance(api.auth, TokenAuth) else None

    def current(self, refused: int | None = None, timeout_s: float | None = None) -> Token:
        """The current token; another one than that with the serial `refused`, which the source did not take.

        Raises:
            SourceError: none is to be had.
            TimeoutError: a new one has not come in this time. Ask again.
        """
        with self._lock:
            if self._coming is None or self._is_over(self._coming, refused):
                self._coming = self._pool.submit(self._got)
            coming = self._coming
        found = coming.result(timeout_s)
        if isinstance(found, str):
            raise SourceError(found)
        return found

    def _is_over(self, coming: Future[Token | str], refused: int | None) -> bool:
        if not coming.done():
            return False
        held = coming.result()
        return isinstance(held, Token) and (held.serial == refused or self._clock() >= self._renew_at)

    def _got(self) -> Token | str:
        """Another token, or why there is none."""
        asked_at = self._clock()
        try:
            with LoginClient(Access.of(self._api)) as client:
                new = client.log_in(login_of(self._api, self._auth, self._refresh_token))
        except SourceError as error:
            return str(error)
        if new.refresh_token is not None:
            self._keep(new.refresh_token)
        self._serial += 1
        lasts_s = math.inf if new.lasts_s is None else new.lasts_s
        self._renew_at = asked_at + max(lasts_s - EARLY_S, lasts_s / 2)
        return Token(self._serial, new.text)

    def _keep(self, refresh_token: str) -> None:
        """Use this one from now on; say so once, where it is a new one."""
        if self._auth.type != "oauth2_refresh_token" or refresh_token == self._auth.refresh_token.get_secret_value():
            return
        if self._refresh_token is None:
            log.warning(
                "api.auth: the server rotates refresh tokens. This run goes on with the new ones; the one in the environment may "
                "be used up, so the next run may need a new one there"
            )
        self._refresh_token = refresh_token

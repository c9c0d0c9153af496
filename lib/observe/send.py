"""Sends messages by apprise: to all channels at once, each within its time, and without a word of their addresses."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pydantic import SecretStr

from lib.config.address import service
from lib.config.alerts import Channel
from lib.logs import LOGGER
from lib.observe.messages import Message

if TYPE_CHECKING:
    from apprise import NotifyBase

log = logging.getLogger(LOGGER)

_STATUS = re.compile(r"error=(\d{3})\b")
_BUSY = "no answer within {:g} s"
# Some services are given a pause of several seconds between two messages, which a few alerts do not need.
_LONGEST_PAUSE_S = 1.0


@dataclass(frozen=True)
class Sent:
    """What came of a message: `problem` is None if it arrived."""

    message: Message
    problem: str | None


def send(messages: Sequence[Message], channels: Mapping[str, Channel]) -> list[Sent]:
    """Send each message to its channel, which is one of `channels` and not off. Never raises for a channel's trouble.

    The whole takes no longer than the longest `timeout_s`. What has not been answered by then counts as not sent, and may
    arrive all the same; the thread that waits for it ends with the process at the latest.
    """
    started = time.monotonic()
    outboxes = {}
    for name in dict.fromkeys(message.channel for message in messages):
        url = channels[name].url.url
        if url is not None:
            outboxes[name] = _Outbox([message for message in messages if message.channel == name], url)
    sent = {}
    for name, outbox in outboxes.items():
        timeout_s = channels[name].timeout_s
        problems = outbox.wait(started + timeout_s - time.monotonic(), _BUSY.format(timeout_s))
        if failed := sorted({problem for problem in problems if problem is not None}):
            log.warning("a channel did not take an alert", extra={"channel": name, "problem": "; ".join(failed)})
        sent[name] = iter(problems)
    return [Sent(message, next(sent[message.channel])) for message in messages if message.channel in sent]


class _Outbox:
    """The messages of one channel, one after another, in a thread of its own that nobody has to wait for."""

    def __init__(self, messages: Sequence[Message], url: SecretStr) -> None:
        self._messages, self._url = messages, url
        self._problems: list[str | None] = []
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._thread.start()

    def wait(self, seconds: float, busy: str) -> list[str | None]:
        """The problem of each message, None for one that arrived; `busy` for those without an answer after that time."""
        self._thread.join(max(0.0, seconds))
        self._given_up = True
        answered = list(self._problems)
        return answered + [busy] * (len(self._messages) - len(answered))

    def _run(self) -> None:
        target = service(self._url)
        for message in self._messages:
            if self._given_up:
                return
            self._problems.append(_problem(target, message))


def _problem(target: NotifyBase | None, message: Message) -> str | None:
    """Send one message; why that did not work, without anything that is secret."""
    from apprise import NotifyFormat, NotifyType

    if target is None:
        return "apprise does not understand the URL"
    target.request_rate_per_sec = min(target.request_rate_per_sec, _LONGEST_PAUSE_S)
    target.notify_format = NotifyFormat.TEXT
    kinds = {"critical": NotifyType.FAILURE, "warning": NotifyType.WARNING, "recovered": NotifyType.SUCCESS}
    kind = kinds.get(message.kind, NotifyType.INFO)
    with _Statuses() as statuses:
        try:
            # The service itself: a whole Apprise would send from threads that the process waits for at its end.
            is_sent = target.notify(message.body, title=message.title, notify_type=kind, body_format=NotifyFormat.TEXT)
        except Exception as error:  # noqa: BLE001 - any service, with any library of its own; the message may hold the URL
            return f"failed ({type(error).__name__})"
    if is_sent:
        return None
    return f"it answered {statuses.last}" if statuses.last else "it could not be reached, or refused the message"


class _Statuses(logging.Handler):
    """Reads the status of an answer from what apprise logs in this thread; it says it nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: str | None = None
        self._mine = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._mine and (found := _STATUS.search(record.getMessage())):
            self.last = found[1]

    def __enter__(self) -> Self:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

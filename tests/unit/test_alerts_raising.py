import logging

import pytest
from apprise import NotifyBase
from pydantic import SecretStr

from lib.config import Channel
from lib.config.address import Address
from lib.logs import LOGGER
from lib.observe import send as sending
from lib.observe.messages import Message

SECRET = "hunter2-planted"


class _Raising(NotifyBase):
    """A service whose library names its address in what it raises."""

    def notify(self, *_: object, **__: object) -> bool:
        raise LookupError(f"nobody at https://hooks.example/{SECRET}")


def test_what_a_service_raises_is_told_by_its_kind_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "service", lambda _: _Raising())
    records: list[logging.LogRecord] = []
    monkeypatch.setattr(logging.getLogger(LOGGER), "handle", records.append)
    address = Address("HOOK_URL", SecretStr(f"json://hooks.example/{SECRET}"))
    channel = Channel.model_construct(name="hook", url=address, timeout_s=10)

    [sent] = sending.send([Message("hook", "warning", "title", "body")], {"hook": channel})

    assert sent.problem == "failed (LookupError)"
    assert [vars(record)["problem"] for record in records] == ["failed (LookupError)"]

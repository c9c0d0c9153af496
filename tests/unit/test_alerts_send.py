"""Messages to real receivers on loopback: those that take them, and those that do not."""

from __future__ import annotations

import email
import importlib
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from email.policy import default

import pytest
from pydantic import SecretStr

from lib.config import Channel
from lib.config.address import Address, service
from lib.observe.messages import Message
from lib.observe.send import send
from tests.message_receivers import http_receiver, smtp_sink

SECRET = "hunter2-planted"


def channel(name: str, url: str | None, timeout_s: float = 10) -> Channel:
    address = Address("SOME_URL", None if url is None else SecretStr(url))
    return Channel.model_construct(name=name, url=address, timeout_s=timeout_s)


def message(name: str, kind: str = "critical", title: str = "[critical] shop: run-failed") -> Message:
    return Message(name, kind, title, "run r1 ended as 'failed'\n\nRun:    r1")


@pytest.fixture(scope="module", autouse=True)
def apprise_is_there() -> None:
    """Its first import takes longer than some of the times here."""
    importlib.import_module("apprise")


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as held:  # bound and not listening: every connection is refused
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_webhook_gets_title_text_and_severity() -> None:
    with http_receiver() as hook:
        [sent] = send([message("ops")], {"ops": channel("ops", f"json://127.0.0.1:{hook.port}/in")})
    assert sent.problem is None
    [body] = hook.bodies
    assert body["title"] == "[critical] shop: run-failed"
    assert body["message"] == "run r1 ended as 'failed'\n\nRun:    r1"
    assert body["type"] == "failure"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("critical", "failure"), ("warning", "warning"), ("info", "info"), ("recovered", "success")],
)
def test_a_severity_is_one_of_apprise(kind: str, expected: str) -> None:
    with http_receiver() as hook:
        send([message("ops", kind)], {"ops": channel("ops", f"json://127.0.0.1:{hook.port}")})
    assert [body["type"] for body in hook.bodies] == [expected]


def test_a_chat_gets_no_picture_and_no_link_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    target = service(SecretStr("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"))
    assert target is not None
    with http_receiver() as hook:
        monkeypatch.setattr(type(target), "webhook_url", f"http://127.0.0.1:{hook.port}/services")
        url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"
        send([message("chat")], {"chat": channel("chat", url)})
    [body] = hook.bodies
    text = json.dumps(body)
    assert "run r1 ended as" in text
    assert "http" not in text
    assert "Apprise" not in text
    assert hook.paths == ["/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"]


def test_a_mail_arrives() -> None:
    with smtp_sink() as sink:
        url = f"mailto://127.0.0.1:{sink.port}?smtp=127.0.0.1&from=pagelake@a.example&to=ops@a.example&mode=insecure"
        [sent] = send([message("mail")], {"mail": channel("mail", url)})
    assert sent.problem is None
    [mail] = [email.message_from_string(text, policy=default) for text in sink.mails]
    assert mail["Subject"] == "[critical] shop: run-failed"
    assert "ops@a.example" in mail["To"]
    body = mail.get_body()
    assert body is not None
    assert "run r1 ended as 'failed'" in body.get_content()


def test_a_channel_that_is_off_is_sent_nothing() -> None:
    assert send([message("ops")], {"ops": channel("ops", None)}) == []


def test_a_channel_that_hangs_holds_up_no_other_and_ends_in_its_time() -> None:
    with http_receiver(hangs=True) as slow, http_receiver() as quick:
        channels = {
            "slow": channel("slow", f"json://127.0.0.1:{slow.port}", 0.5),
            "quick": channel("quick", f"json://127.0.0.1:{quick.port}"),
        }
        sent = send([message("slow"), message("quick"), message("slow")], channels)
        assert not slow.release.is_set()  # so it hung to the end
        assert slow.paths == ["/"]
    assert [(one.message.channel, one.problem) for one in sent] == [
        ("slow", "no answer within 0.5 s"),
        ("quick", None),
        ("slow", "no answer within 0.5 s"),
    ]
    assert quick.titles == ["[critical] shop: run-failed"]


def test_a_process_ends_although_a_channel_hangs() -> None:
    code = (
        "import sys\n"
        "from pydantic import SecretStr\n"
        "from lib.config import Channel\n"
        "from lib.config.address import Address, service\n"
        "from lib.observe.messages import Message\n"
        "from lib.observe.send import send\n"
        "url = Address('X', SecretStr(sys.argv[1]))\n"
        "service(url.url)\n"
        "one = Channel.model_construct(name='slow', url=url, timeout_s=0.2)\n"
        "print(send([Message('slow', 'info', 't', 'b')], {'slow': one})[0].problem)\n"
    )
    with http_receiver(hangs=True) as slow:
        command = [sys.executable, "-c", code, f"json://127.0.0.1:{slow.port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
        assert not slow.release.is_set()
        assert slow.paths == ["/"]
    assert (done.returncode, done.stdout) == (0, "no answer within 0.2 s\n")


@pytest.mark.parametrize("status", [500, 404, 429, 302])
def test_an_answer_that_is_no_success_is_a_problem(status: int) -> None:
    with http_receiver(status=status) as hook:
        [sent] = send([message("ops")], {"ops": channel("ops", f"json://127.0.0.1:{hook.port}")})
    assert sent.problem == f"it answered {status}"


def test_a_redirect_is_not_followed() -> None:
    with http_receiver() as elsewhere, http_receiver(status=307) as hook:
        hook.location = f"http://127.0.0.1:{elsewhere.port}/"
        [sent] = send([message("ops")], {"ops": channel("ops", f"json://127.0.0.1:{hook.port}")})
    assert sent.problem == "it answered 307"
    assert elsewhere.paths == []


class _Kept(logging.Handler):
    """What reaches the root logger, and so the job's log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> Iterator[_Kept]:
    handler, root = _Kept(), logging.getLogger()
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)


def test_secrets_of_an_address_are_nowhere_in_the_log(
    closed_port: int, kept: _Kept, capfd: pytest.CaptureFixture[str]
) -> None:
    with http_receiver(status=500) as broken, http_receiver(hangs=True) as slow:
        rest, to = f"user:{SECRET}@127.0.0.1", "smtp=127.0.0.1&from=a@b.example&to=c@b.example&mode=insecure"
        channels = {
            "down": channel("down", f"json://{rest}:{closed_port}/{SECRET}?+token={SECRET}"),
            "broken": channel("broken", f"json://{rest}:{broken.port}/{SECRET}?-token={SECRET}"),
            "slow": channel("slow", f"json://{rest}:{slow.port}/{SECRET}", 0.3),
            "mail": channel("mail", f"mailto://{rest}:{closed_port}?{to}"),
        }
        sent = send([message(name) for name in channels], channels)
        assert SECRET in broken.paths[0]
    assert [one.problem for one in sent] == [
        "it could not be reached, or refused the message",
        "it answered 500",
        "no answer within 0.3 s",
        "it could not be reached, or refused the message",
    ]
    assert [(record.name, vars(record)["channel"]) for record in kept.records] == [
        ("pagelake", name) for name in channels
    ]
    said = capfd.readouterr()
    shown = [*(str(vars(record)) for record in kept.records), said.out, said.err, repr(sent), repr(channels)]
    assert not any(SECRET in text for text in shown)


def test_the_log_of_apprise_is_not_ours(kept: _Kept, capfd: pytest.CaptureFixture[str]) -> None:
    assert service(SecretStr(f"json://user:{SECRET}@127.0.0.1?method={SECRET}")) is None
    logging.getLogger("apprise").error(SECRET)
    assert capfd.readouterr().err == ""
    assert kept.records == []


def test_a_second_message_does_not_wait_for_the_pauses_of_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = time.sleep

    def slept(seconds: float) -> None:
        # The process may have threads that wait for something else.
        is_theirs = sys._getframe(1).f_globals["__name__"].startswith("apprise")
        (pauses.append if is_theirs else sleep)(seconds)

    monkeypatch.setattr(time, "sleep", slept)
    with smtp_sink() as sink:
        url = f"mailto://127.0.0.1:{sink.port}?smtp=127.0.0.1&from=pagelake@a.example&to=ops@a.example&mode=insecure"
        send([message("mail"), message("mail")], {"mail": channel("mail", url)})
    assert len(sink.mails) == 2
    assert [0 < pause <= 1 for pause in pauses] == [True]

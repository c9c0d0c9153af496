"""The budget over the network: a server on the driver, and the gate that executors pass.

The protocol is lines of ASCII over one connection a thread. The client begins with the server's token and is answered `ok`; then
`acquire` is answered `ok` when its turn has come, with a `wait` now and then until it has; `release`, `pause SECONDS` and
`page` (one has come) are not answered. `token` asks for the token that the source wants to see, `token SERIAL` for another one
than that, which the source has refused: answered `token SERIAL TEXT`, or `none` and a JSON text that says why, with a `wait` now
and then before. A connection that ends gives its permit back.
"""

from __future__ import annotations

import errno
import hmac
import json
import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from lib.config import BUDGET_BIND, BUDGET_HOST, BUDGET_PORT
from lib.errors import ConfigError, SourceError
from lib.landing.budget import Budget, Turn
from lib.source.gate import Token
from lib.source.login import MOST_CHARACTERS

HELLO_S = 10.0  # for a new connection to show its token
BEAT_S = 15.0  # between two signs of life to a client that waits
SILENCE_S = 60.0  # without any of them, the driver is gone
LONGEST_LINE = 100
LONGEST_ANSWER = 2 * MOST_CHARACTERS
# Seconds of silence, seconds between questions, and their number, until a machine that is gone is given up.
KEEP_ALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class BudgetServer:
    """Serves a budget to executors while its `with` block lasts.

    `host` is the driver's address as executors know it; `bind` the one to listen on where that is another; `port` 0 takes
    any that is free.

    Raises:
        ConfigError: nothing can listen there; says which setting to change.
    """

    def __init__(self, budget: Budget, *, host: str, bind: str | None = None, port: int = 0) -> None:
        host = host.strip("[]")  # Spark writes IPv6 addresses as URLs do
        bind = (bind or host).strip("[]")
        token = secrets.token_hex(16)
        try:
            self._server = _Server(budget, token, bind, port)
        except OSError as error:
            raise ConfigError(_why_not(error, bind, port)) from error
        self.gate = RemoteGate(host, int(self._server.server_address[1]), token)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="budget", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()


def _why_not(error: OSError, bind: str, port: int) -> str:
    """What to do where nothing can listen."""
    head = f"the server of the request budget cannot listen on {_address(bind, port)}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{head}: the port is in use, perhaps by another run on this machine. Give another one with "
            f"--conf {BUDGET_PORT}=PORT (0: any that is free), or wait until it is free, and start the same command again"
        )
    if error.errno == errno.EACCES:
        return f"{head}: a port below 1024 needs rights that this user lacks. Give one above with --conf {BUDGET_PORT}=PORT"
    return (
        f"{head}: {bind} is not an address of this machine ({error.strerror or type(error).__name__}). Give one to listen on with "
        f"--conf {BUDGET_BIND}=ADDRESS (0.0.0.0: all of them), and the one that executors use with --conf {BUDGET_HOST}=ADDRESS"
    )


def _address(host: str, port: int) -> str:
    """As in a URL, where an IPv6 address has brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    # A port that is always the same is taken again at once by the next run, while the system remembers the last one's connections.
    allow_reuse_address = True
    request_queue_size = 1024  # every thread of every task connects at the start

    def __init__(self, budget: Budget, token: str, host: str, port: int) -> None:
        self.budget = budget
        self.token = token.encode()
        self.clients: set[_Client] = set()
        self.is_over = False
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), _Client)

    def hang_up(self) -> None:
        self.is_over = True
        for client in list(self.clients):
            client.hang_up()


class _Client(socketserver.StreamRequestHandler):
    """One connection, in a thread of its own."""

    server: _Server
    timeout = HELLO_S
    disable_nagle_algorithm = True
    turn: Turn | None = None

    def handle(self) -> None:
        self.server.clients.add(self)
        if self.server.is_over:
            return
        with suppress(OSError, ValueError):  # it is gone or talks nonsense; its permit is given back below
            if hmac.compare_digest(self.rfile.readline(LONGEST_LINE).strip(), self.server.token):
                self._serve()

    def finish(self) -> None:
        self.server.clients.discard(self)
        if self.turn is not None:
            self.turn.end()
        with suppress(OSError):
            super().finish()

    def hang_up(self) -> None:
        """Called by another thread."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        if self.turn is not None:
            self.turn.end()

    def _serve(self) -> None:
        self.connection.settimeout(None)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEP_ALIVE:
            if hasattr(socket, name):
                self.connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self.wfile.write(b"ok\n")
        while line := self.rfile.readline(LONGEST_LINE):
            word, _, rest = line.strip().partition(b" ")
            if word == b"acquire" and self.turn is None:
                self.turn = self.server.budget.turn()
                while not self.turn.wait(BEAT_S):
                    self.wfile.write(b"wait\n")
                self.wfile.write(b"ok\n")
            elif word == b"release" and self.turn is not None:
                self.turn.end()
                self.turn = None
            elif word == b"pause":
                self.server.budget.slow_down(float(rest))
            elif word == b"page":
                self.server.budget.page_came()
            elif word == b"token":
                self.wfile.write(self._token(int(rest) if rest else None).encode())
            else:
                return

    def _token(self, refused: int | None) -> str:
        while True:
            try:
                token = self.server.budget.source_token(refused, BEAT_S)
            except TimeoutError:
                self.wfile.write(b"wait\n")
            except SourceError as error:
                return f"none {json.dumps(str(error))}\n"
            else:
                return f"token {token.serial} {token.text}\n"


@dataclass(frozen=True)
class RemoteGate:
    """The gate of a `BudgetServer`, for executors. Pickles equal to itself; each thread has a connection of its own."""

    host: str
    port: int
    token: str = field(repr=False)

    @contextmanager
    def permit(self) -> Iterator[None]:
        """A permit for one request: waited for on the way in, given back on the way out.

        Raises:
            RuntimeError: the driver cannot be reached. The task has to fail: there is nobody to hand its pages to.
        """
        with self._reached() as connection:
            connection.acquire()
        try:
            yield
        finally:
            self._tell(connection, "release")

    def source_token(self, refused: int | None = None) -> Token:
        """The current token of the run; another one than that with the serial `refused`, which the source did not take.

        Raises:
            SourceError: none is to be had.
            RuntimeError: the driver cannot be reached.
        """
        with self._reached() as connection:
            answer = connection.source_token(refused)
        if isinstance(answer, str):
            raise SourceError(answer)
        return answer

    def slow_down(self, pause_s: float) -> None:
        """Nobody, in any task, gets a permit for that long from now."""
        with suppress(OSError):  # the next permit's failure says why
            self._tell(self._connection(), f"pause {pause_s:.6f}")

    def page_came(self) -> None:
        """A page is here: the driver shows how far the fetch is."""
        with suppress(OSError):  # the next permit's failure says why
            self._tell(self._connection(), "page")

    @contextmanager
    def _reached(self) -> Iterator[_Connection]:
        """This thread's connection. One that fails is dropped, and the driver is gone."""
        try:
            yield self._connection()
        except OSError as error:
            self._hang_up()
            raise RuntimeError(
                f"the budget of requests at {_address(self.host, self.port)} cannot be reached: the driver has ended, or executors "
                f"have no way to this address (spark.driver.host, {BUDGET_HOST}, {BUDGET_PORT})"
            ) from error

    def _connection(self) -> _Connection:
        if self not in _HERE.connections:
            _HERE.connections[self] = _Connection(self)
        return _HERE.connections[self]

    def _tell(self, connection: _Connection, line: str) -> None:
        """Say what is not answered. A connection on which it cannot be said is dropped, and its permit is free with it."""
        try:
            connection.say(line)
        except OSError:
            self._hang_up()

    def _hang_up(self) -> None:
        _HERE.connections.pop(self, None)


class _Connection:
    """A connection that has shown its token. Closed when its thread ends, or when it is dropped."""

    def __init__(self, gate: RemoteGate) -> None:
        self._socket = socket.create_connection((gate.host, gate.port), timeout=SILENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")
        self.say(gate.token)
        self._expect_ok()

    def __del__(self) -> None:
        if hasattr(self, "_answers"):
            self._answers.close()
            self._socket.close()

    def say(self, line: str) -> None:
        self._socket.sendall(f"{line}\n".encode())

    def acquire(self) -> None:
        self.say("acquire")
        self._expect_ok()

    def source_token(self, refused: int | None) -> Token | str:
        """The token, or why there is none."""
        self.say("token" if refused is None else f"token {refused}")
        word, _, rest = self._answer().partition(" ")
        if word == "none":
            return str(json.loads(rest))
        serial, _, text = rest.partition(" ")
        if word != "token" or not text:
            raise ConnectionError(
                "the connection was closed" if not word else "this is no answer"
            )  # it may hold a token
        return Token(int(serial), text)

    def _expect_ok(self) -> None:
        answer = self._answer()
        if answer != "ok":
            raise ConnectionError("the connection was closed" if not answer else f"{answer!r} is no answer")

    def _answer(self) -> str:
        while (line := self._answers.readline(LONGEST_ANSWER)) == b"wait\n":
            pass
        return line.decode("ascii", "replace").removesuffix("\n")


class _Here(threading.local):
    def __init__(self) -> None:
        self.connections: dict[RemoteGate, _Connection] = {}


_HERE = _Here()

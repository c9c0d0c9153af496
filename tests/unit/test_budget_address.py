"""Where the server of the request budget listens, and what executors are told: as for Spark's driver, or by settings of its own."""

from __future__ import annotations

import os
import re
import shlex
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobs import cli
from jobs.full_ingest import command
from lib.config import BudgetAddress, Runtime, check_budget_settings
from lib.errors import ConfigError
from lib.landing.budget import Budget
from lib.landing.budget_server import BudgetServer, RemoteGate
from lib.session import settings_of

HOST, BIND, PORT = (f"spark.pagelake.budget.{name}" for name in ("host", "bindAddress", "port"))


REPO = Path(__file__).parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, ("127.0.0.1", "127.0.0.1", 0)),
        ({"spark.driver.host": "driver.example"}, ("driver.example", "driver.example", 0)),
        (
            {"spark.driver.host": "203.0.113.9", "spark.driver.bindAddress": "0.0.0.0"},
            ("203.0.113.9", "0.0.0.0", 0),
        ),
        # Spark writes IPv6 addresses in brackets; a socket has none.
        ({"spark.driver.host": "[2001:db8::7]", "spark.driver.bindAddress": "[::]"}, ("2001:db8::7", "::", 0)),
        # A name for executors alone: what is listened on stays as the driver's.
        ({"spark.driver.host": "10.0.0.5", HOST: "nat.example"}, ("nat.example", "10.0.0.5", 0)),
        (
            {"spark.driver.host": "10.0.0.5", "spark.driver.bindAddress": "10.0.0.6", HOST: "[::1]", BIND: "::", PORT: " 7079 "},
            ("::1", "::", 7079),
        ),
        ({PORT: "65535", BIND: "spark_driver"}, ("127.0.0.1", "spark_driver", 65535)),
    ],
)  # fmt: skip
def test_what_is_not_set_is_as_the_drivers_own(settings: dict[str, str], address: tuple[str, str, int]) -> None:
    found = BudgetAddress.of(settings)
    assert (found.host, found.bind, found.port) == address


def test_the_example_of_the_docs_is_good() -> None:
    text = (REPO / "docs" / "configuration.md").read_text("utf-8").replace("\\\n", " ")
    [line] = re.findall(r"^ {4}\./spark-submit\.sh (--master k8s.*)$", text, re.MULTILINE)
    given = cli.split(shlex.split(line))
    assert given.job == "full-ingest"
    added = cli.spark_environment(given.spark_options, {}, python="python")
    settings = Runtime.of(added).spark_settings
    check_budget_settings(settings)
    assert BudgetAddress.of(settings) == BudgetAddress("driver.jobs.svc", "0.0.0.0", 7080)


@pytest.mark.parametrize("port", ["", "no", "65536", "-1", "7079.0", "+80", "0x50", "70 79", "٧٠٧٩", "100000", "7_0"])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(ConfigError, match=rf"budget\.port={re.escape(port)}: must be a port, 0 to 65535"):
        check_budget_settings({PORT: port})


@pytest.mark.parametrize("name", [HOST, BIND])
@pytest.mark.parametrize(
    "host",
    ["", "a b", "10.0.0.5:7079", "http://driver", "256.0.0.1", "10.0.0", "7079", "[driver]", "[::1", "::g", "-a", "a..b", "ä"],
)  # fmt: skip
def test_what_is_no_host_is_refused(name: str, host: str) -> None:
    with pytest.raises(ConfigError, match=rf"{re.escape(f'{name}={host}')}: must be a host name or an IP address"):
        check_budget_settings({name: host})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]"])
def test_all_addresses_can_be_listened_on_and_not_be_handed_out(host: str) -> None:
    check_budget_settings({BIND: host})
    with pytest.raises(ConfigError, match="give the address that executors use"):
        check_budget_settings({HOST: host})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("spark.pagelake.budget.prot", PORT),
        ("spark.pagelake.budget.bindaddress", BIND),
        ("pagelake.budget.host", HOST),  # which Spark would ignore
    ],
)
def test_a_setting_that_does_not_exist_is_answered_with_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"no such setting; did you mean '{re.escape(meant)}'"):
        check_budget_settings({name: "x"})


def test_a_setting_of_spark_may_hold_the_word() -> None:
    check_budget_settings(
        {"spark.hadoop.fs.s3a.bucket.pagelake.endpoint": "x", "spark.kubernetes.driver.label.pagelake": "x"}
    )


def test_a_port_of_spark_itself_is_refused() -> None:
    check_budget_settings({PORT: "7079", "spark.driver.port": "7078", "spark.blockManager.port": "7080"})
    check_budget_settings({PORT: "0", "spark.driver.port": "0"})
    with pytest.raises(ConfigError, match=r"budget\.port=7078: spark\.driver\.port is the same port"):
        check_budget_settings({PORT: "7078", "spark.driver.port": "7078"})


@pytest.mark.parametrize("name", ["options", "properties file", "conf folder"])
def test_a_wrong_setting_ends_a_job_with_2_wherever_it_stands(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "spark-defaults.conf"
    file.write_text(f"{PORT}  x\n", "utf-8")
    options = {"options": ("--conf", f"{PORT}=x"), "properties file": ("--properties-file", str(file))}.get(name, ())
    if name == "conf folder":
        monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    for variable, value in cli.spark_environment(options, os.environ, python="python").items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr("jobs.steps.publish.start_session", lambda *_, **__: pytest.fail("Spark was started"))
    done = CliRunner().invoke(command, ["--lake", str(tmp_path / "lake")])
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == f"{PORT}=x: must be a port, 0 to 65535 (0: any that is free)"
    assert not (tmp_path / "lake").exists()


def test_a_conf_folder_that_spark_does_not_read_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "spark-defaults.conf").write_text(f"{PORT}  1\nspark.a  b\n", "utf-8")
    env = {"SPARK_CONF_DIR": str(tmp_path)}
    assert Runtime.of(env).spark_settings == {PORT: "1", "spark.a": "b"}
    assert Runtime.of(env).submitted == {}
    env["PYSPARK_SUBMIT_ARGS"] = f"--properties-file {tmp_path / 'other.conf'} pyspark-shell"
    assert Runtime.of(env).spark_settings == {}


def test_executors_are_told_the_host_and_the_port_and_not_what_is_listened_on() -> None:
    port = free_port()
    with BudgetServer(Budget(1), host="localhost", bind="127.0.0.1", port=port) as server:
        assert (server.gate.host, server.gate.port) == ("localhost", port)
        assert server._server.server_address[0] == "127.0.0.1"
        with server.gate.permit():
            pass


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(("host", "bind"), [("::1", None), ("[::1]", "[::1]")])
def test_ipv6_works_from_the_setting_to_the_permit(host: str, bind: str | None) -> None:
    with BudgetServer(Budget(1), host=host, bind=bind) as server:
        assert server.gate.host == "::1"
        with server.gate.permit():
            pass


def test_an_ipv6_address_has_brackets_in_the_message() -> None:
    with pytest.raises(RuntimeError, match=r"at \[::1\]:1 cannot be reached"):
        RemoteGate("::1", 1, "token").permit().__enter__()


def test_the_next_run_can_have_the_same_port_at_once() -> None:
    port = free_port()
    for _ in range(2):
        # The server hangs up first, which leaves the connection to be remembered by the system for a minute.
        with BudgetServer(Budget(1), host="127.0.0.1", port=port) as server, server.gate.permit():
            pass


def test_a_port_in_use_says_which_setting_to_change() -> None:
    with BudgetServer(Budget(1), host="127.0.0.1") as server:
        port = server.gate.port
        with pytest.raises(ConfigError) as refused:
            BudgetServer(Budget(1), host="127.0.0.1", port=port)
    assert str(refused.value) == (
        f"the server of the request budget cannot listen on 127.0.0.1:{port}: the port is in use, perhaps by another run on this "
        f"machine. Give another one with --conf {PORT}=PORT (0: any that is free), or wait until it is free, and start the same "
        "command again"
    )


@pytest.mark.parametrize("bind", ["192.0.2.1", "no-such-host"])
def test_an_address_of_another_machine_says_which_setting_to_change(bind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def known(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if host == "no-such-host":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", known)  # no name server is asked by a test
    with pytest.raises(ConfigError, match=rf"{bind} is not an address of this machine .*--conf {BIND}=ADDRESS"):
        BudgetServer(Budget(1), host="driver.example", bind=bind)


@pytest.mark.parametrize(
    ("given", "listens"),
    [
        ({}, "127.0.0.1"),
        ({"spark.driver.host": "192.0.2.7"}, "192.0.2.7"),
        ({"spark.driver.host": "192.0.2.7", "spark.driver.bindAddress": "0.0.0.0"}, "0.0.0.0"),
        ({"spark.driver.bindAddress": "0.0.0.0"}, "0.0.0.0"),
        ({BIND: "127.0.0.2", PORT: "7079"}, "127.0.0.2"),
    ],
)
def test_a_local_spark_listens_on_loopback_or_where_the_user_says(given: dict[str, str], listens: str) -> None:
    options = [word for name, value in given.items() for word in ("--conf", f"{name}={value}")]
    runtime = Runtime.of({"PYSPARK_SUBMIT_ARGS": " ".join([*options, "pyspark-shell"])})
    assert BudgetAddress.of({**settings_of(runtime, rows=0), **given}).bind == listens

"""Where the server of the request budget listens, and under which name executors find it: settings of Spark's kind."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from lib.config.suggest import did_you_mean
from lib.errors import ConfigError

BUDGET_HOST = "spark.pagelake.budget.host"
BUDGET_BIND = "spark.pagelake.budget.bindAddress"
BUDGET_PORT = "spark.pagelake.budget.port"
_NAMES = (BUDGET_HOST, BUDGET_BIND, BUDGET_PORT)
# What listens on the driver as well, and would be in the way.
_PORTS_OF_SPARK = ("spark.driver.port", "spark.driver.blockManager.port", "spark.blockManager.port", "spark.ui.port")
_HIGHEST_PORT = 65535
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_MOST_CHARACTERS = 253
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class BudgetAddress:
    """`bind` and `port` (0: any that is free) are listened on; `host` is what executors are told. IPv6 without brackets."""

    host: str
    bind: str
    port: int

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> BudgetAddress:
        """Read it from all settings of a Spark that runs: what is not set is as the driver's own.

        Raises:
            ConfigError: a setting is wrong; names it.
        """
        own = _checked(settings)
        host = settings.get("spark.driver.host") or _LOOPBACK
        bind = settings.get("spark.driver.bindAddress") or host
        return cls(
            host=own.get(BUDGET_HOST) or host.strip("[]"),
            bind=own.get(BUDGET_BIND) or bind.strip("[]"),
            port=int(own.get(BUDGET_PORT, 0)),
        )


def check_budget_settings(settings: Mapping[str, str]) -> None:
    """Check the settings that the user gave, before Spark is started with them.

    Raises:
        ConfigError: a value is wrong, or a name is none of Pagelake's settings.
    """
    for name in settings:
        # Without `spark.` in front Spark passes a setting over, with a word at most.
        if name.lower().removeprefix("spark.").startswith("pagelake.") and name not in _NAMES:
            raise ConfigError(
                f"--conf {name}: Pagelake has no such setting{did_you_mean(name, _NAMES)} (it has {', '.join(_NAMES)})"
            )
    port = int(_checked(settings).get(BUDGET_PORT, 0))
    for name in _PORTS_OF_SPARK:
        if port and settings.get(name, "").strip() == str(port):
            raise ConfigError(f"{BUDGET_PORT}={port}: {name} is the same port; give each its own")


def _checked(settings: Mapping[str, str]) -> dict[str, str]:
    """Those of our own settings that are set, as they are to be used."""
    own = {name: settings[name].strip() for name in _NAMES if name in settings}
    if BUDGET_PORT in own:
        text = own[BUDGET_PORT]
        if not re.fullmatch("[0-9]{1,5}", text, re.ASCII) or int(text) > _HIGHEST_PORT:
            raise ConfigError(f"{BUDGET_PORT}={text}: must be a port, 0 to {_HIGHEST_PORT} (0: any that is free)")
    for name in (BUDGET_HOST, BUDGET_BIND):
        if name in own:
            own[name] = _host(name, own[name])
    return own


def _host(name: str, text: str) -> str:
    """The address or host name, an IPv6 address without its brackets."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        is_name = bare == text and len(text) <= _MOST_CHARACTERS and _HOST_NAME.fullmatch(text)
        # Digits and dots alone are an address that went wrong.
        if not is_name or not re.search("[A-Za-z]", text):
            message = f"{name}={text}: must be a host name or an IP address, without a port ({BUDGET_PORT} is that)"
            raise ConfigError(message) from None
        return text
    if bare != text and address.version == 4:
        raise ConfigError(f"{name}={text}: only an IPv6 address has brackets")
    if name == BUDGET_HOST and address.is_unspecified:
        message = f"{name}={text}: can be listened on ({BUDGET_BIND}), not reached; give the address that executors use"
        raise ConfigError(message)
    return bare

"""Addresses of channels, as apprise knows them. They are secrets: nobody but apprise sees one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from apprise import NotifyBase


@dataclass(frozen=True)
class Address:
    """The environment variable that holds a channel's URL, and the URL. None: the variable is not set, the channel is off."""

    variable: str
    url: SecretStr | None


def service(url: SecretStr) -> NotifyBase | None:
    """What can send to the URL. None: apprise does not understand it.

    Messages carry neither pictures nor links of apprise's own, no redirect is followed, and nothing is kept on disk.
    """
    # Takes half a second, which nobody needs who has no channel.
    from apprise import Apprise, AppriseAsset

    # Its messages hold parts of addresses.
    logging.getLogger("apprise").propagate = False
    asset = AppriseAsset(
        app_id="Pagelake",
        app_desc="Pagelake",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        storage_mode="memory",
    )
    try:
        return Apprise.instantiate(url.get_secret_value(), asset=asset, suppress_exceptions=True) or None
    except (TypeError, ValueError, AttributeError):
        return None  # some of its services stumble over an address that they do not expect

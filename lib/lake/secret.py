"""The secret of a lake, with which hashes of keys are made: nobody who has not got it can find a key by trying."""

from __future__ import annotations

import hashlib
import hmac

from lib.config import KEY_SECRET
from lib.errors import ConfigError, StoreError
from lib.lake import storage
from lib.lake.storage import Address

LEAST_CHARACTERS = 32
_CHECKED = b"the secret of a lake of Pagelake"


def checked_secret(given: str) -> str:
    """The secret of the environment as it is.

    Raises:
        ConfigError: it is too short to be one.
    """
    if len(given) < LEAST_CHARACTERS or given != given.strip():
        message = (
            f"{KEY_SECRET}: must have {LEAST_CHARACTERS} characters or more, and no space at either end; "
            "openssl rand -hex 32 makes one"
        )
        raise ConfigError(message)
    return given


def check_of(secret: bytes) -> str:
    """By what a secret is known again, without telling it."""
    return hmac.new(secret, _CHECKED, hashlib.sha256).hexdigest()


def secret_in(path: Address) -> str:
    """The secret that a lake keeps in a file.

    Raises:
        ConfigError: it is not there, cannot be read, or others than its owner may.
    """
    try:
        mode = storage.mode(path)
        text = storage.read_text(path).strip()
    except FileNotFoundError:
        message = (
            f"{path}: the lake's secret is missing, without which rows in quarantine cannot be found again; copy it from where the "
            f"lake came from, or give it by {KEY_SECRET}"
        )
        raise ConfigError(message) from None
    except StoreError:
        raise
    except OSError as error:
        why = error.strerror or error
        message = (
            f"{path}: the lake's secret cannot be read ({why}); let its owner run this, or give it by {KEY_SECRET}"
        )
        raise ConfigError(message) from None
    except ValueError:
        message = f"{path}: does not hold the lake's secret; put it back from where the lake came from, or give it by {KEY_SECRET}"
        raise ConfigError(message) from None
    if mode is not None and mode & 0o077:
        message = f"{path}: others than its owner may use the lake's secret (mode {mode:03o}); run chmod 600 on it"
        raise ConfigError(message)
    return text

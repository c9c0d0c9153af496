"""Where everything is in a lake, and whose lake it is."""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime

from lib.config import KEY_SECRET
from lib.errors import ConfigError, StoreError
from lib.lake import storage
from lib.lake.place import address_of
from lib.lake.secret import check_of, checked_secret, secret_in
from lib.lake.storage import Address

# 2: times in all files as microseconds; hashes of keys made with a secret.
FORMAT_VERSION = 3
_HIGHEST_FORMAT = 1_000_000


@dataclass(frozen=True)
class Layout:
    """The folders of a lake. All but `site` and the two JSON files are Delta tables that any engine can open by path."""

    root: Address

    @property
    def pages(self) -> Address:
        """Bronze: every page as it came."""
        return self.root / "bronze" / "pages"

    @property
    def sweeps(self) -> Address:
        """The keys that second readings met, of tables with `prove: swept`."""
        return self.root / "bronze" / "sweeps"

    @property
    def quarantine(self) -> Address:
        """Rejected rows of all tables."""
        return self.root / "quarantine" / "rows"

    @property
    def runs(self) -> Address:
        """A row per run."""
        return self.root / "ops" / "runs"

    @property
    def publications(self) -> Address:
        """A row per publication and table."""
        return self.root / "ops" / "publications"

    @property
    def watermarks(self) -> Address:
        """A row per table and run: how far it was copied."""
        return self.root / "ops" / "watermarks"

    @property
    def failures(self) -> Address:
        """A row per row that failed an expectation."""
        return self.root / "ops" / "failures"

    @property
    def metrics(self) -> Address:
        """A row per measurement of a run."""
        return self.root / "ops" / "metrics"

    @property
    def alerts(self) -> Address:
        """A row per message about an alert and channel."""
        return self.root / "ops" / "alerts"

    @property
    def decisions(self) -> Address:
        """A row per decision on a recommendation model and list."""
        return self.root / "ops" / "models"

    @property
    def model_numbers(self) -> Address:
        """A row per recommendation model and item, with its numbers."""
        return self.root / "models" / "items"

    @property
    def site(self) -> Address:
        """The pages that people look at."""
        return self.root / "site"

    @property
    def published_json(self) -> Address:
        """The current publication, for readers without Spark."""
        return self.root / "published.json"

    @property
    def readers(self) -> Address:
        """SQL and manifests for engines that open the published tables by themselves."""
        return self.root / "readers"

    @property
    def lake_json(self) -> Address:
        """The lake's source and format."""
        return self.root / "lake.json"

    @property
    def lock(self) -> Address:
        """Held by the run that writes."""
        return self.root / ".lock"

    @property
    def alerts_lock(self) -> Address:
        """Held while alerts are sent."""
        return self.root / ".alerts.lock"

    @property
    def models_lock(self) -> Address:
        """Held while a model is trained and decided on."""
        return self.root / ".models.lock"

    @property
    def rebuilds(self) -> Address:
        """What rebuilds have in the making. There only while one is at work, or after it was killed."""
        return self.root / "rebuild"

    @property
    def key_file(self) -> Address:
        """The secret that hashes of keys are made with; not there where the environment has it."""
        return self.root / ".key"

    def rebuilt(self, run_id: str) -> Layout:
        """The tables that a rebuild makes before they replace those of the lake."""
        return Layout(self.rebuilds / run_id)

    def silver(self, table: str) -> Address:
        """Typed rows of one source table."""
        return self.root / "silver" / table

    def gold(self, name: str) -> Address:
        """A derived table."""
        return self.root / "gold" / name

    def relative(self, path: Address) -> str:
        """The path as it stands in a publication: relative to the lake, with forward slashes."""
        return path.below(self.root)


def lake_at(text: str) -> Layout:
    """The layout of the lake at a path or a URI. Nothing is touched.

    Raises:
        ConfigError: no folder of this machine or of an object store, or one that an engine cannot open.
    """
    return Layout(address_of(text))


def check_owner(layout: Layout, source: str) -> None:
    """Check that the lake, if there is one, belongs to this source and has the format of this version.

    Raises:
        ConfigError: another source's lake, another format, or a folder that holds something else.
    """
    known = check_there(layout)
    if known is None:
        # The lock's own, and what was asked of a store before it was taken.
        lock = layout.lock.name
        if any(name != layout.key_file.name and not name.startswith(lock) for name in storage.names(layout.root)):
            message = f"{layout.root}: the folder is not empty and holds no lake; give another one with --lake"
            raise ConfigError(message)
        return
    if known.source != source:
        message = (
            f"{layout.root}: this lake belongs to the source '{known.source}', not to '{source}'; give another one with "
            "--lake"
        )
        raise ConfigError(message)


@dataclass(frozen=True)
class LakeRecord:
    """What `lake.json` says: whose the lake is, and by what its secret is known again (None: it has none)."""

    source: str
    key_check: str | None


def lake_record(layout: Layout) -> LakeRecord | None:
    """What the lake says of itself, None where there is no `lake.json`. Asked before anything else of a lake is read.

    Raises:
        ConfigError: it is damaged or may not be read, or the lake's format is not the one that this version reads and writes.
        StoreError: the store refuses it, is not there, or has no answer.
    """
    try:
        known = json.loads(storage.read_text(layout.lake_json))
        source, version, check = known["source"], known["format_version"], known.get("key_check")
        is_fit = isinstance(source, str) and type(version) is int and 1 <= version <= _HIGHEST_FORMAT
        is_fit = is_fit and isinstance(check, str | None)
    except FileNotFoundError:
        return None
    except StoreError:
        raise
    except OSError as error:
        message = (
            f"{layout.lake_json}: cannot be read ({error.strerror or error}), so nothing is known of the lake; let this user read "
            "it, and start again"
        )
        raise ConfigError(message) from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        is_fit = False
    if not is_fit:
        message = (
            f"{layout.lake_json}: cannot be read; it should name the lake's source and format_version. Put it back from a backup, "
            "or give another folder with --lake"
        )
        raise ConfigError(message)
    if version > FORMAT_VERSION:
        message = (
            f"{layout.root}: a newer Pagelake made this lake (format {version}, this one knows {FORMAT_VERSION}); update Pagelake, "
            "or give another folder with --lake"
        )
        raise ConfigError(message)
    if version < FORMAT_VERSION:
        message = (
            f"{layout.root}: an older Pagelake made this lake (format {version}, this one needs {FORMAT_VERSION}); make it anew: "
            "give another folder with --lake, or remove this one, and run full-ingest"
        )
        raise ConfigError(message)
    return LakeRecord(source, check)


def remove_rebuilds(layout: Layout) -> None:
    """Remove the second copy of the tables that a rebuild makes, also one that was killed. Only under the lake's lock."""
    if storage.is_folder(layout.rebuilds):
        storage.remove(layout.rebuilds)


def check_there(layout: Layout) -> LakeRecord | None:
    """What the lake says of itself, None where there is none.

    Raises:
        ConfigError: its `lake.json` is missing or cannot be read, or it has another format.
    """
    known = lake_record(layout)
    if known is None and any(storage.is_folder(layout.root / name) for name in ("ops", "bronze", "silver")):
        message = (
            f"{layout.root}: lake.json is missing in this lake, and without it nothing of it is touched; put it back from a "
            "backup, or give another folder with --lake"
        )
        raise ConfigError(message)
    return known


def claim(layout: Layout, source: str, now: datetime, given_secret: str | None = None) -> None:
    """Make the lake if it is not there, and record whose it is; if it is, check that its secret is at hand.

    `given_secret` is what the environment has, in place of one that the lake keeps in a file of its own.

    Raises:
        ConfigError: the lake's secret is not there, cannot be read, or is another one.
    """
    if storage.is_file(layout.lake_json):
        key_secret(layout, given_secret)
        return
    secret = checked_secret(given_secret) if given_secret is not None else secrets.token_hex(32)
    if given_secret is None:
        storage.replace_text(layout.key_file, secret + "\n", is_secret=True)
    known = {
        "source": source,
        "format_version": FORMAT_VERSION,
        "created_at": now.isoformat(),
        "key_check": check_of(secret.encode()),
    }
    storage.replace_text(layout.lake_json, json.dumps(known, indent=2) + "\n")


def key_secret(layout: Layout, given_secret: str | None) -> bytes:
    """The secret that the lake was made with: what the environment has (`given_secret`), else what is in the lake's file.

    Raises:
        ConfigError: there is no lake, or its secret is not there, cannot be read, or is another one.
    """
    known = lake_record(layout)
    if known is None or known.key_check is None:
        message = f"{layout.lake_json}: it does not say with which secret the lake was made; put it back from a backup"
        raise ConfigError(message)
    text = secret_in(layout.key_file) if given_secret is None else checked_secret(given_secret)
    if not hmac.compare_digest(check_of(text.encode()), known.key_check):
        where = f"what {layout.key_file} holds" if given_secret is None else f"what {KEY_SECRET} holds"
        message = (
            f"{layout.root}: {where} is not the secret that this lake was made with, so rows in quarantine could not be found "
            f"again; put the lake's own back (its file .key, or {KEY_SECRET})"
        )
        raise ConfigError(message)
    return text.encode()

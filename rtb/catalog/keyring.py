"""The valid API keys in memory, so that requests ask no database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rtb.catalog.keys import Key, KeyBook, Scope, digest_of, id_of

if TYPE_CHECKING:
    from rtb.runtime.settings import Settings

_LONGEST_SECRET = 1_000
"""Longest secret of a key; anything longer is not hashed."""


class KeyRing:
    """A lookup of keys by secret, which keeps digests only.

    `refresh`, called a few times a second, reads one row of the database and loads what changed. While the database is
    away the last known keys stay valid: nobody can revoke one meanwhile either.

    Args:
        book: keys of record.
        standing: keys that are in no database, such as those of the settings.
    """

    def __init__(self, book: KeyBook, standing: Iterable[Key] = ()) -> None:
        self._book = book
        self._standing = {key.digest: key for key in standing}
        self._keys = dict(self._standing)
        self._revoked: dict[str, str] = {}
        self._revision: int | None = None

    @property
    def standing(self) -> list[Key]:
        """Keys that are in no database."""
        return list(self._standing.values())

    def find(self, secret: str) -> Key | None:
        """Return the key of a secret; `None` where it is unknown or revoked."""
        return self._keys.get(digest_of(secret)) if len(secret) <= _LONGEST_SECRET else None

    def revoked_id(self, secret: str) -> str:
        """Return the id of the revoked key of a secret; empty where there is none."""
        return self._revoked.get(digest_of(secret), "") if len(secret) <= _LONGEST_SECRET else ""

    def refresh(self) -> None:
        """Load keys created or revoked since; blocks.

        Raises:
            CatalogError: the database is unavailable; the last known keys stay.
        """
        revision = self._book.revision()  # before the keys, so that no change is missed
        if revision == self._revision:
            return
        every = self._book.all()
        good = {key.digest: key for key in every if key.revoked is None}
        self._keys = good | self._standing
        self._revoked = {key.digest: key.id for key in every if key.revoked is not None}
        self._revision = revision


def configured_keys(settings: Settings) -> list[Key]:
    """Return the keys of the settings: the administrator's (generated on first use), exchanges', this machine's two.

    Raises:
        OSError: the administrator's key cannot be written.
    """
    exchanges = filter(None, (secret.strip() for secret in settings.exchange_keys.split(",")))
    found = [_standing(secret, "RAYBID_EXCHANGE_KEYS", "exchange") for secret in exchanges]
    if own := settings.find_secret("exchange_key"):  # `raybid up` generates these two
        found.append(_standing(own, "this machine's own exchange", "exchange"))
    if own := settings.find_secret("report_key"):
        found.append(_standing(own, "this machine's own Prometheus", "report"))
    return [*found, _standing(settings.resolve_secret("admin_key"), "first administrator", "admin")]


def _standing(secret: str, name: str, scope: Scope) -> Key:
    digest = digest_of(secret)
    return Key(id_of(digest), name, (scope,), digest, created_by="settings")

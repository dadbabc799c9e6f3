"""The keys that are good now, in memory: a request asks no database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rtb.catalog.keys import Key, KeyBook, Scope, digest_of, id_of

if TYPE_CHECKING:
    from rtb.runtime.settings import Settings

_LONGEST_SECRET = 1_000
"""What is longer is no key, and not worth hashing."""


class KeyRing:
    """Knows keys by their secret. Nothing of a secret stays in it, only digests.

    `refresh`, called a few times a second, takes up what changed. It looks at one row of the database; when that is
    away the keys last seen go on: nobody can revoke one meanwhile either.

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
        """The key of this secret, none when it is unknown or revoked."""
        return self._keys.get(digest_of(secret)) if len(secret) <= _LONGEST_SECRET else None

    def revoked_id(self, secret: str) -> str:
        """Return the id of a key that was revoked, empty where the secret is of none."""
        return self._revoked.get(digest_of(secret), "") if len(secret) <= _LONGEST_SECRET else ""

    def refresh(self) -> None:
        """Take up keys created or revoked since. It blocks.

        Raises:
            CatalogError: the database is away; the keys last seen stay.
        """
        revision = self._book.revision()  # before the keys, so that no change is missed
        if revision == self._revision:
            return
        every = self._book.all()
        good = {key.digest: key for key in every if key.revoked is None}
        self._keys = good | self._standing
        self._revoked = {key.digest: key.id for key in every if key.revoked is not None}
        self._revision = revision


def standing_keys(settings: Settings) -> list[Key]:
    """The keys that the settings name: the administrator's, made on the first run, exchanges', this machine's own two.

    Raises:
        OSError: the administrator's cannot be written.
    """
    exchanges = filter(None, (secret.strip() for secret in settings.exchange_keys.split(",")))
    found = [_standing(secret, "RAYBID_EXCHANGE_KEYS", "exchange") for secret in exchanges]
    if own := settings.find_secret("exchange_key"):  # `raybid up` makes these; without it they are given, or not needed
        found.append(_standing(own, "this machine's own exchange", "exchange"))
    if own := settings.find_secret("report_key"):
        found.append(_standing(own, "this machine's own Prometheus", "report"))
    return [*found, _standing(settings.resolve_secret("admin_key"), "first administrator", "admin")]


def _standing(secret: str, name: str, scope: Scope) -> Key:
    digest = digest_of(secret)
    return Key(id_of(digest), name, (scope,), digest, created_by="settings")

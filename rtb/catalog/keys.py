"""API keys of record: who may call, for what, and until when."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Row, select, update
from sqlalchemy.exc import IntegrityError

from rtb.catalog import receipts, tables
from rtb.catalog.database import Database
from rtb.catalog.receipts import IdempotentRequest
from rtb.catalog.records import unix_time

Scope = Literal["exchange", "report", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


class KeyExists(ValueError):
    """A key of this secret or name exists already."""


class KeyUnknown(LookupError):
    """There is no key of this id."""


class Key(NamedTuple):
    """An API key, without its secret, which is stored nowhere.

    Attributes:
        id: its name in paths, logs and histories; a part of its digest, so it reveals nothing.
        name: name for people.
        scopes: permissions: `exchange` bids, `report` reads figures, `admin` does everything.
        digest: digest of the secret, see `digest_of`.
        per_minute: REST calls allowed in a minute; none: as the settings say.
        created: Unix time.
        created_by: name of the key that created it.
        revoked: Unix time from which it is refused, or none.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    digest: str
    per_minute: int | None = None
    created: float = 0.0
    created_by: str = ""
    revoked: float | None = None

    def allows(self, scope: Scope) -> bool:
        """Return whether the key has a scope; `admin` has all."""
        return scope in self.scopes or "admin" in self.scopes


def digest_of(secret: str) -> str:
    """Return the digest that is stored of a secret: its SHA-256, in hex.

    Slow hashes are for passwords, which can be guessed. Keys are 32 random bytes that no number of guesses finds, and a
    slow hash per request would only help whoever floods us.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def id_of(digest: str) -> str:
    """Return the id of a key by its digest."""
    return digest[:12]


class KeyBook:
    """The stored keys; calls block, and raise `CatalogError` when the database is unavailable or refuses.

    Args:
        database: database of the catalog.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        scopes: tuple[Scope, ...],
        digest: str,
        actor: str,
        *,
        per_minute: int | None = None,
        once: IdempotentRequest[Key] | None = None,
    ) -> Key:
        """Store a new key.

        Raises:
            KeyExists: its digest is taken.
            Repeated: the same request created it already.
        """
        now = datetime.now(UTC)
        key = Key(id_of(digest), name, scopes, digest, per_minute, now.timestamp(), actor)
        row = {
            "id": key.id,
            "digest": digest,
            "name": name,
            "scopes": " ".join(scopes),
            "per_minute": per_minute,
            "created_at": now,
            "created_by": actor,
        }
        with self._database.writing() as connection:
            receipts.claim(connection, once)
            try:
                connection.execute(tables.keys.insert().values(row))
            except IntegrityError as error:
                raise KeyExists("there is such a key already") from error
            _raise_revision(connection)
            receipts.fill(connection, once, key)
        return key

    def revoke(self, key_id: str) -> Key:
        """Revoke a key; revoking it again changes nothing.

        Raises:
            KeyUnknown: there is no key of this id.
        """
        found = tables.keys.c.id == key_id
        with self._database.writing() as connection:
            row = None if "\0" in key_id else connection.execute(select(tables.keys).where(found)).one_or_none()
            if row is None:
                raise KeyUnknown(f"there is no key {key_id[:60]!r}")
            if row.revoked_at is not None:
                return _key(row)
            now = datetime.now(UTC)
            connection.execute(update(tables.keys).where(found).values(revoked_at=now))
            _raise_revision(connection)
        return _key(row)._replace(revoked=now.timestamp())

    def all(self) -> list[Key]:
        """Return every key, revoked ones too, oldest first."""
        return [_key(row) for row in self._database.rows(select(tables.keys).order_by(tables.keys.c.number))]

    def revision(self) -> int:
        """Return a number that rises with each key created or revoked; read before `all`, no change is missed."""
        return int(self._database.rows(select(tables.key_revision.c.value))[0].value)


def _raise_revision(connection: Any) -> None:
    connection.execute(update(tables.key_revision).values(value=tables.key_revision.c.value + 1))


def _key(row: Row[Any]) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        scopes=tuple(scope for scope in SCOPES if scope in row.scopes.split()),
        digest=row.digest,
        per_minute=row.per_minute,
        created=unix_time(row.created_at),
        created_by=row.created_by,
        revoked=None if row.revoked_at is None else unix_time(row.revoked_at),
    )

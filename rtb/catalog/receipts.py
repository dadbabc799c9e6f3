"""Requests that must happen once, however often they are sent: what each was answered, for a day.

The receipt is written in the transaction of what it is about. So a request that is sent twice at once waits for the
first, and one whose answer was lost with its sender's connection, or with the process, is answered again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import IntegrityError

from rtb.catalog import tables
from rtb.catalog.database import Database

KEPT = timedelta(days=1)
"""How long a receipt is kept."""

Outcome = TypeVar("Outcome")


class Repeated(Exception):
    """This request was done before: its answer is kept."""


class ReceiptMismatch(ValueError):
    """The same idempotency key came with another request."""


class Kept(NamedTuple):
    """What a request was answered.

    Attributes:
        status: HTTP status.
        body: JSON.
        etag: the version it told, or empty.
    """

    status: int
    body: str
    etag: str = ""


class Once(NamedTuple, Generic[Outcome]):
    """A request that is to happen once.

    Attributes:
        owner: whose request: two callers may use the same key.
        key: the caller's name for it.
        fingerprint: of the request: what it asks, so that a key used for something else is noticed.
        answer: what the outcome is answered with.
    """

    owner: str
    key: str
    fingerprint: str
    answer: Callable[[Outcome], Kept]


def claim(connection: Connection, once: Once[Outcome] | None) -> None:
    """Begin a request, in the transaction that does it.

    Raises:
        Repeated: it was done before; nothing more may be done in the transaction.
    """
    if once is None:
        return
    receipts, now = tables.receipts, datetime.now(UTC)
    connection.execute(delete(receipts).where(receipts.c.at < now - KEPT))
    row = {"owner": once.owner, "key": once.key, "fingerprint": once.fingerprint, "at": now}
    try:
        connection.execute(receipts.insert().values(row))
    except IntegrityError as error:
        raise Repeated from error


def fill(connection: Connection, once: Once[Outcome] | None, outcome: Outcome) -> None:
    """Keep what the request came to, at the end of its transaction."""
    if once is not None:
        _write(connection, once, once.answer(outcome))


class ReceiptBook:
    """Reads and amends receipts; calls block, and raise `CatalogError` when the database is away or refuses.

    Args:
        database: the catalog's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, once: Once[Outcome]) -> Kept | None:
        """What this request was answered, none when it was not done (any more).

        Raises:
            ReceiptMismatch: the key was used for another request.
        """
        receipts = tables.receipts.c
        mine = (receipts.owner == once.owner, receipts.key == once.key, receipts.at >= datetime.now(UTC) - KEPT)
        rows = self._database.rows(select(tables.receipts).where(*mine))
        if not rows:
            return None
        if rows[0].fingerprint != once.fingerprint:
            raise ReceiptMismatch("this Idempotency-Key was used for another request: take a new one")
        return Kept(rows[0].status, rows[0].body, rows[0].etag)

    def amend(self, once: Once[Outcome], kept: Kept) -> None:
        """Keep a fuller answer than was known in the transaction."""
        with self._database.writing() as connection:
            _write(connection, once, kept)


def _write(connection: Connection, once: Once[Outcome], kept: Kept) -> None:
    receipts = tables.receipts
    mine = (receipts.c.owner == once.owner, receipts.c.key == once.key)
    connection.execute(update(receipts).where(*mine).values(kept._asdict()))

"""Receipts of idempotent requests: the answer to each, kept for a day.

A receipt is written in the transaction of its request. So a duplicate sent at the same time waits for the first, and
one whose answer was lost with the connection or the process gets the same answer again.
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

Result = TypeVar("Result")


class RequestRepeated(Exception):
    """The request was done before, and its answer is kept."""


class ReceiptMismatch(ValueError):
    """The same idempotency key with another request."""


class KeptAnswer(NamedTuple):
    """The kept answer to a request.

    Attributes:
        status: HTTP status.
        body: JSON.
        etag: version in its `ETag`, or empty.
    """

    status: int
    body: str
    etag: str = ""


class IdempotentRequest(NamedTuple, Generic[Result]):
    """An idempotent request.

    Attributes:
        owner: id of the caller: two callers may use the same key.
        key: idempotency key of the caller.
        fingerprint: digest of the request, so that a key reused for another request is noticed.
        answer: function of the result that makes the answer.
    """

    owner: str
    key: str
    fingerprint: str
    answer: Callable[[Result], KeptAnswer]


def claim(connection: Connection, once: IdempotentRequest[Result] | None) -> None:
    """Claim a request, in the transaction that does it.

    Raises:
        Repeated: it was done before; the transaction must do nothing more.
    """
    if once is None:
        return
    receipts, now = tables.receipts, datetime.now(UTC)
    connection.execute(delete(receipts).where(receipts.c.at < now - KEPT))
    row = {"owner": once.owner, "key": once.key, "fingerprint": once.fingerprint, "at": now}
    try:
        connection.execute(receipts.insert().values(row))
    except IntegrityError as error:
        raise RequestRepeated from error


def fill(connection: Connection, once: IdempotentRequest[Result] | None, outcome: Result) -> None:
    """Store the answer of a request, at the end of its transaction."""
    if once is not None:
        _write(connection, once, once.answer(outcome))


class ReceiptBook:
    """The stored receipts; calls block, and raise `CatalogError` when the database is unavailable or refuses.

    Args:
        database: database of the catalog.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, once: IdempotentRequest[Result]) -> KeptAnswer | None:
        """Return the kept answer to a request; `None` where it was not done, or its receipt has expired.

        Raises:
            ReceiptMismatch: the key was used for another request.
        """
        receipts = tables.receipts.c
        mine = (receipts.owner == once.owner, receipts.key == once.key, receipts.at >= datetime.now(UTC) - KEPT)
        rows = self._database.rows(select(tables.receipts).where(*mine))
        if not rows:
            return None
        if rows[0].fingerprint != once.fingerprint:
            raise ReceiptMismatch("this Idempotency-Key was used for another request: use a new one")
        return KeptAnswer(rows[0].status, rows[0].body, rows[0].etag)

    def amend(self, once: IdempotentRequest[Result], kept: KeptAnswer) -> None:
        """Replace a receipt's answer by a fuller one than was known in the transaction."""
        with self._database.writing() as connection:
            _write(connection, once, kept)


def _write(connection: Connection, once: IdempotentRequest[Result], kept: KeptAnswer) -> None:
    receipts = tables.receipts
    mine = (receipts.c.owner == once.owner, receipts.c.key == once.key)
    connection.execute(update(receipts).where(*mine).values(kept._asdict()))

"""`Idempotency-Key`: a request that is sent again, because its answer was lost, is answered again and done once."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Header, Request, Response

from deployments.api.access import Caller
from deployments.api.problems import Problem
from rtb.catalog import Catalog, CatalogError, IdempotentRequest, KeptAnswer, RequestRepeated

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="your own name for this request, 1 to 255 printable ASCII characters: sent again with it within a "
        "day, the request is done once and answered the same"
    ),
]

_PRINTABLE = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")

Outcome = TypeVar("Outcome")


def once_of(
    request: Request, body: bytes, caller: Caller, key: str | None, answer: Callable[[Outcome], KeptAnswer]
) -> IdempotentRequest[Outcome] | None:
    """Build what makes a request happen once; none where it names no idempotency key.

    Args:
        request: the request.
        body: its body.
        caller: whose idempotency keys these are.
        key: the header.
        answer: what the outcome is answered with, as far as it is known in the transaction.

    Raises:
        Problem: 400, no such key can be.
    """
    if key is None:
        return None
    if not _PRINTABLE.fullmatch(key):
        raise Problem(400, "Idempotency-Key is 1 to 255 printable ASCII characters", "idempotency-key-invalid")
    asked = b"\0".join((request.method.encode(), request.url.path.encode("utf-8", "surrogatepass"), body))
    return IdempotentRequest(caller.id, key, hashlib.sha256(asked).hexdigest(), answer)


async def done_once(
    catalog: Catalog, once: IdempotentRequest[Outcome] | None, act: Callable[[], Awaitable[Response]]
) -> Response:
    """Return the answer to a request, or the one it got the first time.

    Args:
        catalog: keeps the answers.
        once: see `once_of`.
        act: does what was asked; raises `RequestRepeated` when it was done before.
    """
    if once is None:
        return await act()
    try:
        answer = await act()
    except RequestRepeated:
        return replayed(await kept(catalog, once))
    try:
        full = KeptAnswer(answer.status_code, bytes(answer.body).decode(), answer.headers.get("etag", ""))
        await asyncio.to_thread(catalog.receipts.amend, once, full)
    except CatalogError:  # what the transaction kept says the same, but for the figures
        pass
    return answer


async def kept(catalog: Catalog, once: IdempotentRequest[Outcome]) -> KeptAnswer:
    """Return what the request was answered the first time.

    Raises:
        Problem: 409, nothing is known of it any more.
        ReceiptMismatch: it was another request.
    """
    found = await asyncio.to_thread(catalog.receipts.find, once)
    if found is None:
        raise Problem(409, "the first answer to this Idempotency-Key has just expired: look before trying again")
    return found


def replayed(answer: KeptAnswer) -> Response:
    """Build a response from a kept answer, marked as such."""
    headers = {"Idempotency-Replayed": "true", **({"ETag": answer.etag} if answer.etag else {})}
    return Response(answer.body, answer.status, headers, "application/json")

"""What is recorded of the requests that were bid on: no more than what cannot be computed again.

A request without what its bids did not use (`rtb.explain.redaction`), the versions of what it was decided by, and of
each bid its identity, its candidate and the two probabilities. Everything else follows from these: see
`rtb.explain.recompute`. The probabilities are recorded as well, since a model's answer depends in its last bit on who
else was in the batch.
"""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
import pyarrow as pa

from rtb.exchanges import Profile
from rtb.money.currency import Rates

_CODEC = "zstd"
_MOST_BYTES = 1 << 28
"""Of a parcel once it is decompressed: more was not written by us."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What requests are read by besides the catalog; few, so they are kept once and named by their digest.

    Attributes:
        exchange: the profile.
        currency: ours.
        max_imps: imps looked at.
        max_candidates: candidates scored for one impression.
        rates: what currencies were worth.
        features: version of the encoder of features.
        observation: version of what policies see.
    """

    exchange: Profile
    currency: str
    max_imps: int
    max_candidates: int
    rates: Rates
    features: str
    observation: str


class BidRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A bid.

    Attributes:
        lease: with `sequence`, its id.
        sequence: see there.
        account: that pays.
        impression: its place among the request's (`rtb.auction.batch.Prepared.impressions`).
        creative: its row in the catalog's index.
        price_micros: bid for the impression.
        click: predicted chance.
        conversion: predicted chance given a click.
        expires: Unix second until which its notices count.
    """

    lease: int
    sequence: int
    account: int
    impression: int
    creative: int
    price_micros: int
    click: float
    conversion: float
    expires: int


class RequestRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A request that was bid on.

    Attributes:
        body: JSON; as it came until it is packed, then redacted.
        is_flat: whether it never was JSON, and so was completed by no profile.
        rules: digest of the `Rules`.
        catalog: version of the catalog that it was read by.
        hour: of the week.
        is_challenger: whether it is the challenger's of an experiment.
        left_out: numbers of the campaigns whose frequency cap kept them out.
        bids: on it.
        caller: number of the key that it came with; 0: it came without one, or before that was recorded.
    """

    body: bytes
    is_flat: bool
    rules: str
    catalog: str
    hour: int
    is_challenger: bool
    left_out: list[int]
    bids: list[BidRecord]
    caller: int = 0


class BatchRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Requests that were decided together.

    Attributes:
        at: Unix time.
        catalog: version of the catalog that candidates were found in.
        opened: version of the pacing table that said who is open; empty: everyone was.
        ctr: version of the CTR model.
        pacing: version of the pacing table that was bid by.
        policy: version of the policy.
        challenger: of the challenger's, empty without one.
        requests: those that were bid on.
    """

    at: float
    catalog: str
    opened: str
    ctr: str
    pacing: str
    policy: str
    challenger: str
    requests: list[RequestRecord]


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """Batches on their way to the store.

    Attributes:
        id: no other has it, so that one sent twice is kept once.
        at: Unix time of the last batch.
        leases: of the bids, as int64: how a bid is found again.
        uses: `(kind, version)` of all that the decisions were made by.
        rules: by digest, as JSON.
        size: bytes of the body once decompressed.
        body: the batches, compressed.
    """

    id: str
    at: float
    leases: bytes
    uses: list[tuple[str, str]]
    rules: dict[str, bytes]
    size: int
    body: bytes


def digest_of(rules: bytes) -> str:
    """The name of rules by their JSON."""
    return hashlib.blake2b(rules, digest_size=8).hexdigest()


def parcel_of(id: str, batches: list[BatchRecord], rules: dict[str, bytes]) -> Parcel:
    """Pack batches, at least one; for a thread, as compressing takes milliseconds."""
    raw = msgspec.msgpack.encode(batches)
    leases = {bid.lease for batch in batches for request in batch.requests for bid in request.bids}
    used = {digest for batch in batches for digest in (request.rules for request in batch.requests)}
    return Parcel(
        id=id,
        at=batches[-1].at,
        leases=np.array(sorted(leases), np.int64).tobytes(),
        uses=sorted({use for batch in batches for use in _uses(batch)}),
        rules={digest: rules[digest] for digest in used if digest in rules},
        size=len(raw),
        body=pa.Codec(_CODEC, 1).compress(raw, asbytes=True),
    )


def batches_in(body: bytes, size: int) -> list[BatchRecord]:
    """The batches of a parcel.

    Raises:
        ValueError: these are not the bytes of one.
    """
    if not 0 <= size <= _MOST_BYTES:
        raise ValueError(f"a parcel of {size} bytes is none of ours")
    try:
        raw = pa.Codec(_CODEC).decompress(body, size, asbytes=True)
        return msgspec.msgpack.decode(raw, type=list[BatchRecord])
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"a parcel cannot be read: {error}") from error


def _uses(batch: BatchRecord) -> list[tuple[str, str]]:
    policies = [("policy", version) for version in (batch.policy, batch.challenger) if version]
    tables = [("pacing", version) for version in (batch.pacing, batch.opened) if version]
    catalogs = [
        ("catalog", version) for version in (batch.catalog, *(one.catalog for one in batch.requests)) if version
    ]
    return [("ctr", batch.ctr), *policies, *tables, *catalogs]

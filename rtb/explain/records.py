"""Records of requests that were bid on: only what cannot be recomputed.

They hold the redacted request (`rtb.explain.redaction`), the versions that it was decided by, and of each bid its
identity, its candidate and the two probabilities. Everything else follows from these: see `rtb.explain.recompute`. The
probabilities are recorded since a model's output depends in its last bits on the rest of the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
import numpy as np
import pyarrow as pa

from rtb.exchanges import Profile
from rtb.money.currency import Rates

_CODEC = "zstd"
_MOST_BYTES = 1 << 28
"""Most bytes of a decompressed parcel: a larger one was not written by us."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules, besides the catalog, that requests are read by; few, so they are stored once by digest.

    Attributes:
        exchange: profile of the exchange.
        currency: our currency.
        max_imps: most imps considered.
        max_candidates: most candidates scored for one impression.
        rates: exchange rates.
        features: version of the feature encoder.
        observation: version of the policies' observation.
    """

    exchange: Profile
    currency: str
    max_imps: int
    max_candidates: int
    rates: Rates
    features: str
    observation: str


class BidRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record of a bid.

    Attributes:
        lease: number of its lease; with `sequence`, its id.
        sequence: number of the bid in its lease.
        account: account that pays.
        impression: index among the request's impressions (`rtb.auction.batch.Prepared.impressions`).
        creative: row of the creative in the catalog's index.
        price_micros: price bid for the impression.
        click: predicted P(click).
        conversion: predicted P(conversion | click).
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
    """A record of a request that was bid on.

    Attributes:
        body: JSON; original until it is packed, then redacted.
        is_flat: whether it never was JSON, and so was not completed by a profile.
        rules: digest of the `Rules`.
        catalog: version of the catalog that it was read with.
        hour: hour of the week.
        is_challenger: whether it is an experiment's challenger's.
        left_out: numbers of the campaigns removed by frequency caps.
        bids: its bids.
        caller: number of its API key; 0: it came without one, or is an old record.
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
    """A record of requests that were decided together.

    Attributes:
        at: Unix time.
        catalog: version of the catalog of the candidates.
        opened: version of the pacing table that decided which campaigns are open; empty: all were.
        ctr: version of the CTR model.
        pacing: version of the pacing table of the prices.
        policy: version of the policy.
        challenger: version of the challenger's policy; empty without one.
        requests: requests that were bid on.
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
    """A parcel of batches on its way to the store.

    Attributes:
        id: unique id, so that a parcel sent twice is kept once.
        at: Unix time of the last batch.
        leases: leases of the bids as int64, by which bids are found.
        uses: `(kind, version)` of all snapshots that the decisions were made by.
        rules: rules by digest, as JSON.
        size: bytes of the decompressed body.
        body: compressed batches.
    """

    id: str
    at: float
    leases: bytes
    uses: list[tuple[str, str]]
    rules: dict[str, bytes]
    size: int
    body: bytes


def digest_of(rules: bytes) -> str:
    """Return the digest of rules by their JSON."""
    return hashlib.blake2b(rules, digest_size=8).hexdigest()


def parcel_of(id: str, batches: list[BatchRecord], rules: dict[str, bytes]) -> Parcel:
    """Pack batches, at least one; for a thread, as compressing takes milliseconds."""
    raw = msgspec.msgpack.encode(batches)
    leases = {bid.lease for batch in batches for request in batch.requests for bid in request.bids}
    used = {request.rules for batch in batches for request in batch.requests}
    return Parcel(
        id=id,
        at=batches[-1].at,
        leases=np.array(sorted(leases), np.int64).tobytes(),
        uses=sorted({use for batch in batches for use in _uses(batch)}),
        rules={digest: rules[digest] for digest in used if digest in rules},
        size=len(raw),
        body=pa.Codec(_CODEC, 1).compress(raw, asbytes=True),
    )


def unpack_parcel(body: bytes, size: int) -> list[BatchRecord]:
    """Return the batches of a parcel.

    Raises:
        ValueError: the bytes are not a parcel.
    """
    if not 0 <= size <= _MOST_BYTES:
        raise ValueError(f"a parcel of {size} bytes is none of ours")
    try:
        raw = pa.Codec(_CODEC).decompress(body, size, asbytes=True)
        return msgspec.msgpack.decode(raw, type=list[BatchRecord])
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"a parcel cannot be read: {error}") from error


def uses_of(batches: Iterable[BatchRecord]) -> list[tuple[str, str]]:
    """Return `(kind, version)` of all that decisions were made by, rules included."""
    batches = list(batches)
    rules = {("rules", request.rules) for batch in batches for request in batch.requests}
    return sorted({use for batch in batches for use in _uses(batch)} | rules)


def _uses(batch: BatchRecord) -> list[tuple[str, str]]:
    policies = [("policy", version) for version in (batch.policy, batch.challenger) if version]
    tables = [("pacing", version) for version in (batch.pacing, batch.opened) if version]
    catalogs = [
        ("catalog", version) for version in (batch.catalog, *(one.catalog for one in batch.requests)) if version
    ]
    return [("ctr", batch.ctr), *policies, *tables, *catalogs]

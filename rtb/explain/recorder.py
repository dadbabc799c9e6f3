"""The hot path's side: it records batches as `records` describes, and packs them beside the bidding."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from rtb.auction.batch import Batch, Prepared
from rtb.auction.stages import AuctionOutcome
from rtb.exchanges import Profile
from rtb.explain.records import BatchRecord, BidRecord, Parcel, RequestRecord, Rules, digest_of, parcel_of
from rtb.explain.redaction import redacted_body
from rtb.inventory.user_data import DEFAULT_POLICY, UserDataPolicy
from rtb.models import features, observation
from rtb.models.scores import CLICK, CONVERSION, Scores
from rtb.money.currency import Rates
from rtb.settlement.notice_tokens import TEST_LEASE

_PARCEL_BYTES = 1 << 20  # of requests: a parcel stays far below the limit of a call between replicas
_RULES_KEPT = 1_024

MOST_BODY = 1 << 16
"""Most bytes of a recorded request: exchanges send a few thousand, others may send a million."""


class Recorder:
    """A recorder of bids, which queues them until they are taken.

    Args:
        currency: our currency.
        max_imps: most imps considered in one request.
        max_candidates: most candidates scored for one impression.
        policy: rules about user data, by which requests are redacted.
        most_bytes: most bytes of queued requests; beyond it the oldest are dropped, and their bids counted.
        clock: Unix time.

    Attributes:
        dropped: number of bids dropped for want of room, or with too long a request.
    """

    def __init__(
        self,
        *,
        currency: str,
        max_imps: int,
        max_candidates: int,
        policy: UserDataPolicy = DEFAULT_POLICY,
        most_bytes: int = 1 << 23,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._currency, self._max_imps, self._max_candidates = currency, max_imps, max_candidates
        self._policy = policy
        self._most_bytes = most_bytes
        self._clock = clock
        self._queue: deque[tuple[BatchRecord, int]] = deque()
        self._bytes = 0
        self._digests: dict[tuple[int, str], tuple[Rates, str]] = {}
        self._rules: dict[str, bytes] = {}
        self.dropped = 0

    def note(self, batch: Batch, scores: Scores, outcome: AuctionOutcome) -> None:
        """Record the bids of a batch, without tests."""
        versions, at = outcome.versions, self._clock()
        for requests, size in _parts(self._requests(batch, scores, outcome)):
            record = BatchRecord(
                at,
                batch.view.version,
                batch.opened,
                scores.model,
                versions.pacing,
                versions.policy,
                versions.challenger,
                requests,
            )
            self._queue.append((record, size))
            self._bytes += size
        while self._bytes > self._most_bytes and len(self._queue) > 1:
            oldest, size = self._queue.popleft()
            self._bytes -= size
            self.dropped += sum(len(request.bids) for request in oldest.requests)

    @property
    def is_waiting(self) -> bool:
        """Whether anything is queued."""
        return bool(self._queue)

    def take(self) -> list[BatchRecord] | None:
        """Take the oldest batches, as many as fit in one parcel; return `None` where there are none."""
        taken: list[BatchRecord] = []
        total = 0
        while self._queue and (not taken or total + self._queue[0][1] <= _PARCEL_BYTES):
            record, size = self._queue.popleft()
            taken.append(record)
            total += size
        self._bytes -= total
        return taken or None

    def pack(self, id: str, batches: list[BatchRecord]) -> Parcel:
        """Return a redacted parcel of taken batches under a unique id; for a thread."""
        return parcel_of(id, [_redacted(batch, self._policy) for batch in batches], self._rules)

    def _requests(self, batch: Batch, scores: Scores, outcome: AuctionOutcome) -> list[RequestRecord]:
        candidate = outcome.candidate
        imp = batch.candidates.imp[candidate]
        owner = batch.owner[imp]
        place = imp - batch.owner.searchsorted(owner)
        of_batch = (owner, imp, place, batch.candidates.creative[candidate])
        of_bid = (outcome.lease, outcome.sequence, outcome.account, outcome.price_micros, outcome.expires)
        columns = [column.tolist() for column in (*of_batch, *of_bid)]
        challenger = batch.terms.challenger
        found: list[RequestRecord] = []
        bids: list[BidRecord] = []
        last = -1
        chances = scores.probability[candidate].tolist()
        for chance, (number, whole, at, creative, lease, sequence, account, price, expires) in zip(
            chances, zip(*columns, strict=True), strict=True
        ):
            if lease == TEST_LEASE:
                continue
            if number != last:  # bids on one request follow each other
                last, bids, request = number, [], batch.requests[number]
                found.append(
                    RequestRecord(
                        _json(request),
                        request.as_object,
                        self._digest(request.exchange, request.context.rates),
                        request.context.catalog,
                        request.impressions[0].audience.hour_of_week,
                        challenger is not None and bool(challenger[whole]),
                        batch.left_out.get(number, []),
                        bids,
                        request.caller,
                    )
                )
            bids.append(
                BidRecord(lease, sequence, account, at, creative, price, chance[CLICK], chance[CONVERSION], expires)
            )
        return [request for request in found if self._fits(request)]

    def _fits(self, request: RequestRecord) -> bool:
        if len(request.body) <= MOST_BODY:
            return True
        self.dropped += len(request.bids)
        return False

    def _digest(self, exchange: Profile, rates: Rates) -> str:
        known = self._digests.get((id(rates), exchange.name))
        if known is not None:
            return known[1]
        rules = msgspec.json.encode(
            Rules(
                exchange=exchange,
                currency=self._currency,
                max_imps=self._max_imps,
                max_candidates=self._max_candidates,
                rates=rates,
                features=features.SCHEMA_VERSION,
                observation=observation.SCHEMA_VERSION,
            )
        )
        digest = digest_of(rules)
        if len(self._digests) >= _RULES_KEPT:  # rates may change every hour for years
            self._digests.clear()
            self._rules.clear()
        self._digests[(id(rates), exchange.name)] = rates, digest  # referenced, so that their `id()` is not reused
        self._rules[digest] = rules
        return digest


def _parts(requests: list[RequestRecord]) -> Iterator[tuple[list[RequestRecord], int]]:
    """Yield the requests with their size in bytes, in several parts where they are too large for one parcel."""
    total = sum(len(request.body) for request in requests)
    if total > _PARCEL_BYTES and len(requests) > 1:
        half = len(requests) // 2
        yield from _parts(requests[:half])
        yield from _parts(requests[half:])
    elif requests:
        yield requests, total


def _redacted(batch: BatchRecord, policy: UserDataPolicy) -> BatchRecord:
    requests = [
        msgspec.structs.replace(one, body=redacted_body(one.body, is_flat=one.is_flat, policy=policy))
        for one in batch.requests
    ]
    return msgspec.structs.replace(batch, requests=requests)


def _json(request: Prepared) -> bytes:
    """Return the JSON of a request, encoded where it never was JSON."""
    return request.source if isinstance(request.source, bytes) else msgspec.json.encode(request.source)

"""Data between the wire and the models: decoded requests, a batch of them as arrays, and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.auction.stages import Auction, DealColumns, PodTerms
from rtb.exchanges import GENERIC, Profile
from rtb.inventory.impression import Impression
from rtb.models import features
from rtb.models.winrate import market_key
from rtb.money.currency import NO_RATES, Rates
from rtb.openrtb import BidRequest, BidResponse, NoBid
from rtb.openrtb.response import NonBid
from rtb.targeting.catalog_view import CatalogView
from rtb.targeting.index import Candidates


class ReadContext(NamedTuple):
    """The context that a request was read in.

    Attributes:
        catalog: version of the catalog.
        rates: exchange rates.
    """

    catalog: str = ""
    rates: Rates = NO_RATES


_NO_CONTEXT = ReadContext()


class Prepared(NamedTuple):
    """A decoded request.

    Attributes:
        id: the exchange's id of the request.
        tmax_ms: time the exchange allows; 0 where it does not say.
        impressions: impressions to bid on.
        reason: no-bid reason where there are no impressions.
        exchange: profile of its exchange.
        as_object: whether it never was JSON; the response is then wanted as an object, or as protocol buffers.
        source: original JSON, or the object where it never was JSON or says more.
        context: context that it was read in.
        caller: number of its API key (`rtb.exchanges.number_of` its id); 0: it came without one.
        is_protobuf: whether it came as protocol buffers.
        unsold: what the exchange is told of each imp that gets no bid, where it wants to be told.
    """

    id: str
    tmax_ms: int
    impressions: list[Impression]
    reason: NoBid
    exchange: Profile = GENERIC
    as_object: bool = False
    source: bytes | BidRequest = b""
    context: ReadContext = _NO_CONTEXT
    caller: int = 0
    is_protobuf: bool = False
    unsold: tuple[NonBid, ...] = ()


class ImpressionTerms(NamedTuple):
    """The terms of sale of a batch's impressions; all arrays have shape `(imps,)`.

    Attributes:
        first_price: whether the winner pays its own bid.
        ttl: seconds that notices are honoured.
        user: key of the user; 0 where there is none or it is not needed.
        group: number of each impression's imp, ascending; none: each is an imp of its own.
        is_test: mask of impressions where nothing is billable; none: all are.
        challenger: mask of impressions of an experiment's challenger; none: there is no experiment.
        quantity: impressions that one sale stands for; none: 1 everywhere.
    """

    first_price: npt.NDArray[np.bool_]
    ttl: npt.NDArray[np.float64]
    user: npt.NDArray[np.uint64]
    group: npt.NDArray[np.intp] | None
    is_test: npt.NDArray[np.bool_] | None
    challenger: npt.NDArray[np.bool_] | None = None
    quantity: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Batch:
    """Requests answered together, as arrays.

    Attributes:
        requests: the requests, in order.
        owner: index of each impression's request, shape `(imps,)`.
        candidates: candidates of the impressions.
        rows: feature rows of the candidates, shape `(n, fields)`.
        terms: terms of the impressions.
        floor_micros: floor of each candidate, shape `(n,)`.
        deals: deal terms of the candidates; none: there are no deals.
        view: catalog of the candidates.
        barred: `NoBid` of each request that lost a candidate, 0 elsewhere, shape `(requests,)`; or none.
        left_out: numbers of the campaigns removed from each request (by index), where any were.
        opened: version of the pacing table that decided which campaigns are open; empty: all were.
        pods: terms of dynamic pods; none: there are none.
    """

    requests: Sequence[Prepared]
    owner: npt.NDArray[np.intp]
    candidates: Candidates
    rows: features.Rows
    terms: ImpressionTerms
    floor_micros: npt.NDArray[np.int64]
    deals: DealColumns | None
    view: CatalogView
    barred: npt.NDArray[np.int64] | None = None
    left_out: Mapping[int, list[int]] = field(default_factory=dict)
    opened: str = ""
    pods: PodTerms | None = None

    @property
    def campaign(self) -> npt.NDArray[np.int32]:
        """Number of each candidate's campaign, shape `(n,)`."""
        return self.view.index.numbers[self.candidates.line]

    def without(self, barred: npt.NDArray[np.bool_], reason: NoBid) -> Batch:
        """Return the batch without some candidates (a mask, shape `(n,)`), which do not bid for a reason."""
        kept = ~barred
        said = np.zeros(len(self.requests), np.int64)
        owners = self.owner[self.candidates.imp[barred]]
        said[owners] = reason
        left_out: dict[int, list[int]] = {}
        for owner, number in zip(owners.tolist(), self.campaign[barred].tolist(), strict=True):
            left_out.setdefault(owner, []).append(number)
        return replace(
            self,
            candidates=self.candidates.of(kept),
            rows=self.rows[kept],
            floor_micros=self.floor_micros[kept],
            deals=None if self.deals is None else self.deals.of(kept),
            pods=None if self.pods is None else self.pods._replace(length=self.pods.length[kept]),
            barred=said,
            left_out=left_out,
        )

    def auction(self, probability: npt.NDArray[np.float32]) -> Auction:
        """Return the bidder's part of this batch with the model's probabilities, shape `(n, 2)`."""
        markets = [market_key(request.exchange.number, request.caller) for request in self.requests]
        return Auction(
            imp=self.candidates.imp,
            campaign=self.campaign,
            probability=probability,
            floor_micros=self.floor_micros,
            first_price=self.terms.first_price,
            ttl=self.terms.ttl,
            group=self.terms.group,
            deals=self.deals,
            is_test=self.terms.is_test,
            challenger=self.terms.challenger,
            market=np.array(markets, np.uint64)[self.owner],
            quantity=self.terms.quantity,
            pods=self.pods,
        )


class Answer(NamedTuple):
    """The answer to a request: a body (or, for `Prepared.as_object`, a response), or neither and the reason."""

    body: bytes | None
    reason: NoBid = NoBid.UNKNOWN
    response: BidResponse | None = None

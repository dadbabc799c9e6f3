"""The Router's work between the wire and the models: bytes to arrays before them, decisions to bytes after them."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import numpy.typing as npt

from rtb import features
from rtb.creative import Creative
from rtb.ctr import CLICK
from rtb.events import BidEvent
from rtb.impression import Impression, hour_of_week, impressions_of
from rtb.money import floors_to_micros, micros_to_cpm
from rtb.notices import BidRef, Kind, NoticeTimes, Signer
from rtb.openrtb import Bid, BidResponse, NoBid, SeatBid, decode_request, encode_response
from rtb.openrtb.macros import AUCTION_LOSS, AUCTION_MIN_TO_WIN, AUCTION_PRICE
from rtb.stages import Auction, Decisions
from rtb.targeting import Candidates, Listing, Placement, TargetingIndex, Words

_MARKUP_BANNER = 1  # `bid.mtype`
_TIMES = NoticeTimes()


@dataclass(frozen=True)
class Prepared:
    """A request on its way.

    Attributes:
        id: the exchange's.
        tmax_ms: time the exchange allows, 0 when it does not say.
        impressions: those that can be bid on.
        reason: why there are none, when there are none.
    """

    id: str
    tmax_ms: int
    impressions: list[Impression]
    reason: NoBid


@dataclass(frozen=True)
class Batch:
    """Requests answered together, as arrays.

    Attributes:
        requests: in order.
        owner: request of each impression, shape `(imps,)`.
        candidates: who may bid on which impression.
        rows: features of the candidates, shape `(n, fields)`.
        floor_micros: of each impression, shape `(imps,)`.
        first_price: of each impression, shape `(imps,)`.
        ttl: seconds that notices of each impression are honoured, shape `(imps,)`.
        user: key of each impression's user, 0 where there is none, shape `(imps,)`.
        view: the catalog the candidates are of.
        barred: `NoBid` of each request that a candidate was taken from, 0 elsewhere, shape `(requests,)`; or none.
    """

    requests: Sequence[Prepared]
    owner: npt.NDArray[np.intp]
    candidates: Candidates
    rows: features.Rows
    floor_micros: npt.NDArray[np.int64]
    first_price: npt.NDArray[np.bool_]
    ttl: npt.NDArray[np.float64]
    user: npt.NDArray[np.uint64]
    view: View
    barred: npt.NDArray[np.int64] | None = None

    @property
    def campaign(self) -> npt.NDArray[np.int32]:
        """Number of each candidate's campaign, shape `(n,)`."""
        return self.view.index.numbers[self.candidates.line]

    def without(self, barred: npt.NDArray[np.bool_], reason: NoBid) -> Batch:
        """This batch but for some candidates (a mask, shape `(n,)`), and why they do not bid."""
        kept, whole = ~barred, self.candidates
        said = np.zeros(len(self.requests), np.int64)
        said[self.owner[whole.imp[barred]]] = reason
        left = Candidates(whole.imp[kept], whole.line[kept], whole.creative[kept])
        return replace(self, candidates=left, rows=self.rows[kept], barred=said)

    def auction(self, probability: npt.NDArray[np.float32]) -> Auction:
        """What the bidder needs of this batch, with the model's probabilities, shape `(n, 2)`."""
        imp = self.candidates.imp
        return Auction(imp, self.campaign, probability, self.floor_micros, self.first_price, self.ttl)


@dataclass(frozen=True)
class Answer:
    """What a request gets: a body, or `None` and the reason for not bidding."""

    body: bytes | None
    reason: NoBid = NoBid.UNKNOWN


class View:
    """The catalog as the Router uses it: index, feature rows and markup. Immutable, made anew for each catalog.

    Args:
        listings: the active campaigns.
    """

    def __init__(self, listings: Sequence[Listing]) -> None:
        self.index = TargetingIndex(listings)
        rows = [features.creative_row(item.listing.campaign.id, item.creative) for item in self.index.creatives]
        self.creative_rows = np.array(rows, np.int32).reshape(-1, len(features.CREATIVE_FIELDS))
        self.markup = [markup(item.creative) for item in self.index.creatives]
        self.listing_of = {listing.number: listing for listing in listings}


class Edge:
    """Turns requests into batches and decisions into responses.

    Args:
        signer: of notice tokens.
        base_url: where exchanges reach the notice endpoints.
        currency: bids are in.
        max_imps: imps looked at in one request.
        max_candidates: candidates scored for one impression.
        times: how long notices are honoured.
        clock: Unix time.
    """

    def __init__(
        self,
        *,
        signer: Signer,
        base_url: str,
        currency: str,
        max_imps: int,
        max_candidates: int,
        times: NoticeTimes = _TIMES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._signer = signer
        self._base = base_url
        self._currency = currency
        self._max_imps = max_imps
        self._max_candidates = max_candidates
        self._times = times
        self._clock = clock
        self._view = View([])
        self._open: Words | None = None

    @property
    def campaigns(self) -> int:
        """Campaigns in the catalog bid from."""
        return len(self._view.index)

    def relist(self, listings: Sequence[Listing]) -> None:
        """Bid for these campaigns from now on."""
        self._view = View(listings)
        self._open = None

    def restrict(self, open_numbers: Sequence[int]) -> None:
        """Leave out campaigns that cannot bid now, such as those without money."""
        self._open = self._view.index.mask(open_numbers)

    def prepare(self, body: bytes) -> Prepared:
        """A request from the wire.

        Raises:
            InvalidRequest: it cannot be answered.
        """
        request = decode_request(body)
        hour = hour_of_week(self._clock())
        impressions, reason = impressions_of(request, hour, self._currency, self._max_imps)
        return Prepared(request.id, request.tmax or 0, impressions, reason)

    def assemble(self, requests: Sequence[Prepared]) -> Batch:
        """Find and encode the candidates of a batch."""
        view = self._view
        impressions = [impression for request in requests for impression in request.impressions]
        owner = np.repeat(np.arange(len(requests)), [len(request.impressions) for request in requests])
        candidates = view.index.candidates(impressions, self._max_candidates, self._open)
        rows = features.encode(
            [features.impression_row(impression) for impression in impressions],
            view.creative_rows,
            candidates.imp,
            candidates.creative,
        )
        floors = floors_to_micros(np.array([item.floor_cpm for item in impressions], np.float64))
        first_price = np.array([item.first_price for item in impressions], bool)
        ttl = [self._times.of(item.audience.inventory, interstitial=item.interstitial) for item in impressions]
        user = [self._signer.user_key(item.audience.user) for item in impressions]
        told = (np.array(ttl, np.float64), np.array(user, np.uint64))
        return Batch(requests, owner, candidates, rows, floors, first_price, *told, view)

    def render(
        self, batch: Batch, probability: npt.NDArray[np.float32], decisions: Decisions
    ) -> tuple[list[Answer], list[BidEvent]]:
        """The answer to each request of a batch, and the events of its bids."""
        seats: list[dict[str, list[Bid]]] = [{} for _ in batch.requests]
        imp_ids = [impression.imp_id for request in batch.requests for impression in request.impressions]
        events = []
        for place, candidate in enumerate(decisions.candidate.tolist()):
            imp = int(batch.candidates.imp[candidate])
            owner = int(batch.owner[imp])
            shown = int(batch.candidates.creative[candidate])
            ref = _ref(decisions, place, batch.view.index.creatives[shown], int(batch.user[imp]))
            bid = self._bid(ref, imp_ids[imp], batch.view, shown)
            bid.exp = int(batch.ttl[imp])
            seats[owner].setdefault(batch.view.index.creatives[shown].listing.campaign.seat, []).append(bid)
            events.append(
                BidEvent(
                    bid=bid.id,
                    request=batch.requests[owner].id,
                    campaign=ref.campaign,
                    creative=bid.crid or "",
                    features=batch.rows[candidate].tolist(),
                    pctr=float(probability[candidate, CLICK]),
                    multiplier=float(decisions.multiplier[place]),
                    price_micros=ref.ceiling_micros,
                    floor_micros=int(batch.floor_micros[imp]),
                    at=self._clock(),
                )
            )
        answers = [
            self._answer(request, offers, reason)
            for request, offers, reason in zip(batch.requests, seats, self._reasons(batch, decisions), strict=True)
        ]
        return answers, events

    def landing(self, ref: BidRef) -> str | None:
        """Where a click on this bid's creative leads, with a token that its conversion can name."""
        listing = self._view.listing_of.get(ref.campaign)
        if listing is None or ref.creative >= len(listing.campaign.creatives):
            return None
        url = listing.campaign.creatives[ref.creative].landing_url
        parts = urlsplit(url)
        query = "&".join(filter(None, (parts.query, f"rb_click={self._signer.sign(ref, Kind.CONVERSION)}")))
        return urlunsplit(parts._replace(query=query))

    def _answer(self, request: Prepared, seats: dict[str, list[Bid]], reason: NoBid) -> Answer:
        if not seats:
            return Answer(None, reason)
        seatbid = [SeatBid(bid=offers, seat=seat) for seat, offers in seats.items()]
        first = seatbid[0].bid[0].id
        return Answer(encode_response(BidResponse(request.id, seatbid, bidid=first, cur=self._currency)))

    def _bid(self, ref: BidRef, imp_id: str, view: View, creative: int) -> Bid:
        listing, shown, _ = view.index.creatives[creative]
        token = self._signer.sign(ref, Kind.BILL)
        click_url = f"{self._base}/notice/click/{self._signer.sign(ref, Kind.CLICK)}"
        return Bid(
            id=ref.bid_id,
            impid=imp_id,
            price=micros_to_cpm(ref.ceiling_micros),
            nurl=f"{self._base}/notice/win/{token}?price={AUCTION_PRICE}&min={AUCTION_MIN_TO_WIN}",
            burl=f"{self._base}/notice/bill/{token}?price={AUCTION_PRICE}",
            lurl=f"{self._base}/notice/loss/{token}?reason={AUCTION_LOSS}&min={AUCTION_MIN_TO_WIN}",
            adm=click_url.join(view.markup[creative]),
            adomain=list(listing.campaign.adomain),
            cid=listing.campaign.id,
            crid=f"{listing.campaign.id}-{shown.id}",
            cat=list(listing.campaign.cat) or None,
            attr=list(shown.attr) or None,
            w=shown.w,
            h=shown.h,
            mtype=_MARKUP_BANNER,
        )

    @staticmethod
    def _reasons(batch: Batch, decisions: Decisions) -> list[NoBid]:
        """Why each request would get no bid: how far its impressions came."""
        reached = np.zeros(len(batch.requests), bool)
        reached[batch.owner[batch.candidates.imp]] = True
        unpaid = np.zeros(len(batch.requests), bool)
        unpaid[batch.owner[decisions.unpaid]] = True
        reasons = np.array([request.reason for request in batch.requests], np.int64)
        if batch.barred is not None:
            reasons = np.where(batch.barred > 0, batch.barred, reasons)
        reasons[reached] = NoBid.BELOW_FLOOR
        reasons[unpaid] = NoBid.NO_BUDGET
        return [NoBid(reason) for reason in reasons.tolist()]


def markup(creative: Creative) -> list[str]:
    """A creative's markup, split wherever the click URL goes."""
    if "{click_url}" in creative.adm:
        return creative.adm.split("{click_url}")
    if creative.adm:
        return ['<a target="_blank" href="', f'">{creative.adm}</a>']
    image = html.escape(creative.image_url, quote=True)
    picture = f'<img src="{image}" width="{creative.w}" height="{creative.h}" alt="">'
    return ['<a target="_blank" href="', f'">{picture}</a>']


def _ref(decisions: Decisions, place: int, placement: Placement, user: int) -> BidRef:
    return BidRef(
        lease=int(decisions.lease[place]),
        sequence=int(decisions.sequence[place]),
        campaign=placement.listing.number,
        creative=placement.place,
        ceiling_micros=int(decisions.price_micros[place]),
        expires=int(decisions.expires[place]),
        user=user,
    )

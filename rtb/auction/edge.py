"""The Router's work around the models: bytes to arrays before them, decisions to bytes after them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Literal
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from rtb.auction.batch import Answer, Batch, ImpressionTerms, Prepared, ReadContext
from rtb.auction.stages import AuctionOutcome, DealColumns, PodTerms
from rtb.events import BidEvent
from rtb.exchanges import GENERIC, Profile
from rtb.experiment import Split
from rtb.inventory.authorisation import standing_of
from rtb.inventory.impression import Impression, hour_of_week, impressions_of
from rtb.inventory.slots import PlayedSlot
from rtb.inventory.traffic import ANY_TRAFFIC, TrafficFilter
from rtb.inventory.user_data import DEFAULT_POLICY, UserDataPolicy
from rtb.markup.bid_template import BidOffer, bid_of, seconds_of
from rtb.markup.disclosure import disclose
from rtb.models import features
from rtb.models.scores import CLICK
from rtb.money.accounts import campaign_of, experiment_of
from rtb.money.currency import Rates
from rtb.money.micros import floors_to_micros
from rtb.openrtb import Bid, BidRequest, BidResponse, Imp, NoBid, SeatBid, decode_request, encode_response
from rtb.openrtb.protobuf import decode_protobuf, encode_protobuf
from rtb.openrtb.response import NonBid, NonBidStatus, ResponseExt, SeatNonBid
from rtb.privacy.permissions import set_gpc
from rtb.runtime.notice_times import NoticeTimes
from rtb.sellers import NO_DIRECTORY, SellerDirectory
from rtb.settlement.landing import landing_with
from rtb.settlement.notice_tokens import BidRef, Kind, Signer
from rtb.targeting.bitmaps import Words
from rtb.targeting.catalog_view import CatalogView
from rtb.targeting.index import Candidates, TargetingIndex
from rtb.targeting.listing import Listing
from rtb.targeting.users import UserKeys

_TIMES = NoticeTimes()
_SCREEN = "dooh"
_progress = attrgetter("progress")


class Edge:
    """The edge of the bidder: requests to batches, and decisions to responses.

    Args:
        signer: signer of notice tokens.
        users: keyed hash of user ids.
        base_url: base URL of the notice endpoints.
        currency: our currency.
        max_imps: most imps considered in one request.
        max_candidates: most candidates scored for one impression.
        times: how long notices are honoured.
        traffic: filter of traffic that no person is behind.
        charge_on: notice that spends money, where an exchange's profile does not say.
        policy: rules about user data.
        clock: Unix time.
    """

    def __init__(
        self,
        *,
        signer: Signer,
        users: UserKeys,
        base_url: str,
        currency: str,
        max_imps: int,
        max_candidates: int,
        times: NoticeTimes = _TIMES,
        traffic: TrafficFilter = ANY_TRAFFIC,
        charge_on: Literal["bill", "win"] = "bill",
        policy: UserDataPolicy = DEFAULT_POLICY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._signer = signer
        self._users = users
        self._base = base_url
        self._currency = currency
        self._max_imps = max_imps
        self._max_candidates = max_candidates
        self._times = times
        self._traffic = traffic
        self._sellers = NO_DIRECTORY
        self._charge_on = charge_on
        self._policy = policy
        self._domain = urlsplit(base_url).hostname or ""
        self._clock = clock
        self._view = CatalogView([])
        self._open: Words | None = None
        self._opened = ""
        self._context = ReadContext()
        self._split: Split | None = None

    @property
    def open_lines(self) -> Words | None:
        """Bitmap of the campaigns open for bidding; none: all are."""
        return self._open

    @property
    def campaigns(self) -> int:
        """Number of campaigns in the current catalog."""
        return len(self._view.index)

    def number_of(self, campaign_id: str) -> int | None:
        """Return the number of a campaign in the current catalog, by its id."""
        listings = self._view.listing_of.items()
        return next((number for number, listing in listings if listing.campaign.id == campaign_id), None)

    def set_catalog(self, listings: Sequence[Listing], version: str = "") -> None:
        """Set the campaigns to bid for, of a catalog of this version."""
        self.show(self.view(listings, version))

    def view(self, listings: Sequence[Listing], version: str = "") -> CatalogView:
        """Return the view for `set_catalog`; call it in a thread, as thousands of campaigns take a second."""
        return CatalogView(listings, self._view, version, self._base)

    def show(self, view: CatalogView) -> None:
        """Set the view of the campaigns to bid for."""
        self._view = view
        self._open, self._opened = None, ""
        self._context = self._context._replace(catalog=view.version)

    @property
    def rates(self) -> Rates:
        """Current exchange rates."""
        return self._context.rates

    def set_rates(self, rates: Rates) -> None:
        """Set the exchange rates."""
        self._context = self._context._replace(rates=rates)

    def set_sellers(self, sellers: SellerDirectory) -> None:
        """Set the known lists of sellers."""
        self._sellers = sellers

    def set_split(self, split: Split | None) -> None:
        """Set the split of traffic between champion and challenger; `None`: none."""
        self._split = split

    def set_open(self, open_numbers: Sequence[int], version: str = "") -> None:
        """Set the campaigns that are open for bidding by a pacing table of this version, such as those with money."""
        self._open, self._opened = self._view.index.mask(open_numbers), version

    def prepare(
        self,
        body: bytes,
        exchange: Profile = GENERIC,
        caller: int = 0,
        *,
        has_gpc: bool = False,
        is_protobuf: bool = False,
    ) -> Prepared:
        """Decode a request from the wire.

        Args:
            body: JSON, or a `BidRequest` message.
            exchange: profile of its exchange, which completes the request.
            caller: number of its API key, 0 without one.
            has_gpc: whether its headers state the Global Privacy Control.
            is_protobuf: whether it is a message.

        Raises:
            InvalidRequest: the request is invalid.
        """
        request = decode_protobuf(body) if is_protobuf else decode_request(body)
        exchange.complete(request)
        if has_gpc:  # recorded with the request: the body alone would be read otherwise
            set_gpc(request)
        source = request if has_gpc or is_protobuf else body
        return self._prepared(request, exchange, source, caller, as_object=is_protobuf, is_protobuf=is_protobuf)

    def prepare_object(self, request: BidRequest, exchange: Profile = GENERIC, caller: int = 0) -> Prepared:
        """Read a request that never was JSON, whose response is wanted as an object.

        Args:
            request: a complete and valid request; it is not checked.
            exchange: profile of the exchange of its API key.
            caller: number of that key, 0 without one.
        """
        return self._prepared(request, exchange, request, caller, as_object=True)

    def _prepared(
        self,
        request: BidRequest,
        exchange: Profile,
        source: bytes | BidRequest,
        caller: int,
        *,
        as_object: bool = False,
        is_protobuf: bool = False,
    ) -> Prepared:
        refusal = exchange.refusal(request) or self._traffic.refusal(request)
        impressions, reason = ([], refusal) if refusal else self._impressions(request, exchange)
        return Prepared(  # by place, which is twice as fast as by name
            request.id,
            request.tmax or 0,
            impressions,
            reason,
            exchange,
            as_object,
            source,
            self._context,
            caller,
            is_protobuf,
            tuple(_non_bid(imp, self._view.index.kinds) for imp in request.imp) if exchange.seat_non_bid else (),
        )

    def _impressions(self, request: BidRequest, exchange: Profile) -> tuple[list[Impression], NoBid]:
        index = self._view.index
        return impressions_of(
            request,
            hour_of_week(self._clock()),
            self._currency,
            self._max_imps,
            rates=self._context.rates,
            held=index.deals,
            kinds=index.kinds,
            policy=self._policy,
            reader=index.reader,
            standing=lambda asked: standing_of(asked, self._sellers, exchange.seller_domain),
            takes=exchange.takes if exchange.formats is not None else None,
            answer_in_ours=exchange.caller_converts,
        )

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
        floors, deals = terms_of_candidates(impressions, candidates, view.index)
        terms = self._terms(impressions, owner, [request.exchange.grace_seconds for request in requests])
        if self._split is not None:
            terms = terms._replace(challenger=_taken(self._split, requests, owner))
        pods = _pods(impressions, candidates, view.index)
        return Batch(requests, owner, candidates, rows, terms, floors, deals, view, opened=self._opened, pods=pods)

    def _terms(
        self, impressions: Sequence[Impression], owner: npt.NDArray[np.intp], grace: Sequence[int]
    ) -> ImpressionTerms:
        """Return the terms of impressions; `grace` are the seconds of each request's exchange."""
        is_test = [item.audience.is_test for item in impressions]
        quantity = [item.quantity for item in impressions]
        return ImpressionTerms(
            first_price=np.array([item.first_price for item in impressions], bool),
            ttl=np.array([self._seconds(item) for item in impressions], np.float64)
            + np.array(grace, np.float64)[owner],
            user=np.array([self._users.key(item.audience.user) for item in impressions], np.uint64),
            group=_groups(impressions, owner),
            is_test=np.array(is_test, bool) if any(is_test) else None,
            quantity=np.array(quantity, np.float64) if quantity.count(1.0) < len(quantity) else None,
        )

    def _seconds(self, impression: Impression) -> float:
        """Return how long notices are honoured; video and audio are always fetched ahead.

        A screen in public may come as a site or an app: what is several impressions, or is shown later, is one.
        """
        slot, inventory, shown_in = impression.slot, impression.audience.inventory, 0.0
        ahead = impression.shown_at - self._clock() if impression.shown_at else 0.0
        if inventory == _SCREEN or impression.quantity != 1.0 or ahead > 0:
            inventory, shown_in = _SCREEN, max(impression.patience, ahead)
        elif isinstance(slot, PlayedSlot):
            inventory = "app"
        return self._times.of(inventory, interstitial=slot.instl, native=slot.kind == "native", shown_in=shown_in)

    def render(
        self, batch: Batch, probability: npt.NDArray[np.float32], outcome: AuctionOutcome
    ) -> tuple[list[Answer], list[BidEvent]]:
        """Return the answer to each request of a batch, and the events of its bids; a test has none."""
        seats: list[dict[str, list[Bid]]] = [{} for _ in batch.requests]
        impressions = [impression for request in batch.requests for impression in request.impressions]
        at = self._clock()
        features_of = batch.rows[outcome.candidate].tolist()
        pctr = probability[outcome.candidate, CLICK].tolist()
        multiplier, floor_micros = outcome.multiplier.tolist(), batch.floor_micros[outcome.candidate].tolist()
        events = []
        prices = outcome.price_micros.tolist()
        for place, (candidate, imp, owner, row, seconds, ref) in enumerate(
            _winners(batch, outcome, impressions, self._charge_on, int(at))
        ):
            impression, request = impressions[imp], batch.requests[owner]
            template = batch.view.template(impression.slot, row)
            valid = seconds - request.exchange.grace_seconds
            offer = BidOffer(ref, impression, template, valid, prices[place], request.exchange.bills_by_markup)
            bid = bid_of(offer, self._signer, self._base)
            disclose(bid, impression, batch.view.index.creatives[row].listing.campaign, self._domain)
            request.exchange.finish(bid)
            seats[owner].setdefault(_seat(batch, impression, candidate), []).append(bid)
            if ref.is_test:
                continue
            events.append(
                BidEvent(
                    bid=bid.id,
                    request=request.id,
                    campaign=campaign_of(ref.campaign),
                    creative=bid.crid or "",
                    features=features_of[place],
                    pctr=pctr[place],
                    multiplier=multiplier[place],
                    price_micros=prices[place],
                    floor_micros=floor_micros[place],
                    at=at,
                    first_price=impression.first_price,
                    feature_schema=features.SCHEMA_VERSION,
                    experiment=experiment_of(ref.campaign) or None,
                    exchange=ref.exchange,
                    caller=ref.caller,
                    quantity=ref.quantity,
                )
            )
        answers = [
            _answer(request, offers, reason)
            for request, offers, reason in zip(batch.requests, seats, _reasons(batch, outcome), strict=True)
        ]
        return answers, events

    def landing(self, ref: BidRef) -> str | None:
        """Return the landing URL of a bid's creative, with a token for its conversion notice; `None` if it is unknown.

        It is the creative's current one. Where the campaign was paused or archived meanwhile, or the creative removed,
        it is that of the time of the bid.
        """
        listing = self._view.listing_of.get(campaign_of(ref.campaign))
        creative = None if listing is None else listing.creative(ref.creative)
        url = ref.landing if creative is None else creative.landing_url
        return landing_with(url, f"rb_click={self._signer.sign(ref, Kind.CONVERSION)}") if url else None


def _answer(request: Prepared, seats: dict[str, list[Bid]], reason: NoBid) -> Answer:
    if not seats:
        return Answer(None, reason)
    seatbid = [SeatBid(bid=offers, seat=seat) for seat, offers in seats.items()]
    currency = request.impressions[0].audience.quote.currency
    response = BidResponse(request.id, seatbid, bidid=seatbid[0].bid[0].id, cur=currency)
    if request.unsold and (unsold := _non_bids(request, seats)):
        response.ext = ResponseExt([SeatNonBid(unsold, seatbid[0].seat)])
    if request.is_protobuf:
        return Answer(encode_protobuf(response))
    return Answer(None, response=response) if request.as_object else Answer(encode_response(response))


def _non_bids(request: Prepared, seats: dict[str, list[Bid]]) -> list[NonBid]:
    """Return the imps without a bid."""
    sold = {bid.impid for offers in seats.values() for bid in offers}
    return [one for one in request.unsold if one.impid not in sold]


def _non_bid(imp: Imp, kinds: Collection[str]) -> NonBid:
    """Return what an exchange is told of an imp without a bid, also that we have no creatives in its formats."""
    formats = {"banner": imp.banner, "video": imp.video, "native": imp.native, "audio": imp.audio}
    is_supported = any(formats[kind] is not None for kind in kinds)
    return NonBid(imp.id, NonBidStatus.NO_BID if is_supported else NonBidStatus.UNSUPPORTED_FORMAT)


def _reasons(batch: Batch, outcome: AuctionOutcome) -> list[NoBid]:
    """Return the no-bid reason of each request, by how far its impressions came."""
    reasons = np.array([request.reason for request in batch.requests], np.int64)
    for imp, reason in batch.candidates.reasons.items():
        owner = batch.owner[imp]
        reasons[owner] = max(NoBid(reasons[owner]), reason, key=_progress)
    reached = np.zeros(len(batch.requests), bool)
    reached[batch.owner[batch.candidates.imp]] = True
    unpaid = np.zeros(len(batch.requests), bool)
    unpaid[batch.owner[outcome.unpaid]] = True
    if batch.barred is not None:
        reasons = np.where(batch.barred > 0, batch.barred, reasons)
    reasons[reached] = NoBid.BELOW_FLOOR
    reasons[unpaid] = NoBid.NO_BUDGET
    return [NoBid(reason) for reason in reasons.tolist()]


def _taken(split: Split, requests: Sequence[Prepared], owner: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Return which impressions are the challenger's: by user where known, else by request."""
    units = [request.impressions[0].audience.user or request.id if request.impressions else "" for request in requests]
    return np.array([split.takes(unit) for unit in units], bool)[owner]


def _groups(impressions: Sequence[Impression], owner: npt.NDArray[np.intp]) -> npt.NDArray[np.intp] | None:
    """Return the number of each impression's imp, ascending; `None` where each is an imp of its own."""
    imps = [*zip(owner.tolist(), [item.number for item in impressions], strict=True)]
    if len(set(imps)) == len(imps):
        return None
    return np.cumsum([first != second for first, second in pairwise([None, *imps])])


def terms_of_candidates(
    impressions: Sequence[Impression], candidates: Candidates, index: TargetingIndex
) -> tuple[npt.NDArray[np.int64], DealColumns | None]:
    """Return the floors of the candidates, micros, shape `(n,)`, and their deal terms.

    Most impressions have one floor for all candidates. Where it depends on the creative's length, and under deals, each
    candidate is handled by itself.
    """
    imp = candidates.imp
    floors = floors_to_micros(np.array([item.floors.cpm for item in impressions], np.float64))[imp]
    if any(item.floors.go_by_length for item in impressions):
        timed = np.array([item.floors.go_by_length for item in impressions], bool)
        places = np.flatnonzero(timed[imp])
        played = [(impressions[imp[n]], index.creatives[candidates.creative[n]].creative) for n in places.tolist()]
        cpm = [impression.floors.of(seconds_of(creative)) for impression, creative in played]
        floors[places] = floors_to_micros(np.array(cpm, np.float64))
    if all(item.deal is None for item in impressions):
        return floors, None
    columns = DealColumns(
        is_deal=np.array([item.deal is not None for item in impressions], bool)[imp],
        is_agreed=np.array([item.is_agreed for item in impressions], bool)[imp],
        agreed_micros=np.zeros(len(imp), np.int64),
    )
    for place in np.flatnonzero(columns.is_deal).tolist():
        deal = impressions[imp[place]].deal
        assert deal is not None
        held = index.deals[deal.id][int(candidates.line[place])]
        floors[place] = max(int(floors[place]), held.floor_micros)
        columns.agreed_micros[place] = held.price_micros or (floors[place] if deal.is_guaranteed else 0)
    return floors, columns


def _pods(impressions: Sequence[Impression], candidates: Candidates, index: TargetingIndex) -> PodTerms | None:
    """Return the terms of dynamic pods; `None` where no impression is one."""
    slots = [item.slot for item in impressions]
    places = [slot.places if isinstance(slot, PlayedSlot) else 1 for slot in slots]
    if not places or max(places) == 1:
        return None
    seconds = [float(slot.pod_seconds) if isinstance(slot, PlayedSlot) else 0.0 for slot in slots]
    lengths = [seconds_of(index.creatives[row].creative) for row in candidates.creative.tolist()]
    return PodTerms(np.array(places, np.int64), np.array(seconds), np.array(lengths, np.float64))


def _seat(batch: Batch, impression: Impression, candidate: int) -> str:
    """Return the seat of a candidate's bid."""
    index, line = batch.view.index, int(batch.candidates.line[candidate])
    held = index.deals[impression.deal.id][line] if impression.deal else None
    return held.seat if held and held.seat else index.listings[line].campaign.seat


def _winners(
    batch: Batch, outcome: AuctionOutcome, impressions: Sequence[Impression], charge_on: str, made: int
) -> Iterator[tuple[int, int, int, int, float, BidRef]]:
    """Yield each winner: candidate, impression, request, row of the creative, seconds of its notices, and its ref."""
    candidate = outcome.candidate
    imp, row = batch.candidates.imp[candidate], batch.candidates.creative[candidate]
    whose = (candidate, imp, batch.owner[imp], row, batch.terms.ttl[imp], batch.terms.user[imp])
    paid = (outcome.lease, outcome.sequence, outcome.account, outcome.ceiling_micros, outcome.expires)
    creatives = batch.view.index.creatives
    for number, place, owner, line, seconds, user, floor, lease, sequence, account, ceiling, expires in zip(
        *(column.tolist() for column in (*whose, batch.floor_micros[candidate], *paid)), strict=True
    ):
        impression, request = impressions[place], batch.requests[owner]
        exchange, shown = request.exchange, creatives[line]
        quote = impression.audience.quote
        ref = BidRef(
            lease,
            sequence,
            account,
            shown.number,
            ceiling,
            expires,
            user,
            quote.rate,
            exchange.number,
            floor,
            request.caller,
            impression.pays_bid or exchange.pays_bid,
            exchange.is_charged_by_win(impression.slot.kind, charge_on),
            quote.currency,
            made,
            impression.quantity,
            shown.creative.landing_url,
            exchange.pays_bid,
        )
        yield number, place, owner, line, seconds, ref

"""A recorded bid decided again, by the code of the hot path and what it was decided by then.

Whatever was in its batch besides changes nothing of its price; what does (who was over a frequency cap, whose the
traffic was in an experiment) is recorded. The model's probabilities are computed again as well, and must agree with
those recorded but for rounding: a matrix product rounds by its shape, so the price is computed from those recorded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from rtb.auction.batch import Batch, Prepared
from rtb.auction.edge import Edge
from rtb.auction.stages import BidStage, Weighed
from rtb.explain.records import Rules
from rtb.explain.store import Found
from rtb.explain.workshop import RecomputeError, Workshop
from rtb.inventory.impression import HOURS_OF_WEEK, hour_of_week
from rtb.ledger import LeaseBook, MemoryLedger
from rtb.models.scores import CLICK, CONVERSION
from rtb.money.accounts import campaign_of
from rtb.openrtb import BidRequest, InvalidRequest, NoBid
from rtb.settlement.notice_tokens import Signer
from rtb.targeting.users import UserKeys

_NEAR = 1e-4
"""How far a probability may be off, relatively: single precision in sums of some hundred terms."""

_NOBODY = Signer("nothing is signed with this")
_NO_USERS = UserKeys("nobody has a number by this")


class Recomputed(NamedTuple):
    """A bid, decided again.

    Attributes:
        found: as it was recorded.
        rules: its request was read by.
        request: as it was read.
        batch: of this one request, with all its candidates.
        probability: of the candidates, shape `(n, 2)`; those recorded where they were.
        model: the model's, computed again, shape `(n, 2)`.
        stage: that weighed them: its table and multipliers.
        weighed: what they would bid.
        candidate: the bid's, by its place among the batch's.
        place: of the candidate among `weighed.known`.
        open_lines: who was open when candidates were found; none: everyone.
    """

    found: Found
    rules: Rules
    request: Prepared
    batch: Batch
    probability: npt.NDArray[np.float32]
    model: npt.NDArray[np.float32]
    stage: BidStage
    weighed: Weighed
    candidate: int
    place: int
    open_lines: npt.NDArray[np.uint64] | None

    @property
    def price_micros(self) -> int:
        """What the bid comes to."""
        return int(self.weighed.bids[self.place])

    @property
    def is_equal(self) -> bool:
        """Whether that is what was bid, to the micro-unit."""
        return self.price_micros == self.found.bid.price_micros


def recompute(found: Found, workshop: Workshop) -> Recomputed:
    """Decide a recorded bid again.

    Raises:
        NotKept: what it was made by is not kept any more.
        RecomputeError: the bid does not come out of it.
    """
    recorded, one = found.batch, found.request
    rules = workshop.rules(one.rules)
    edge = Edge(
        signer=_NOBODY,
        users=_NO_USERS,
        base_url="",
        currency=rules.currency,
        max_imps=rules.max_imps,
        max_candidates=rules.max_candidates,
        clock=lambda: _moment_of(one.hour),
    )
    edge.rerate(rules.rates)
    request = _read(edge, found, rules, workshop)
    open_lines = None
    if recorded.opened:
        opened = workshop.table(recorded.opened)
        numbers = campaign_of(opened["number"][opened["open"]])
        edge.restrict(numbers.tolist())
        open_lines = edge.open_lines
    batch = _assembled(edge, request, found)
    model = workshop.scorer(recorded.ctr).score(batch.rows)
    candidate, probability = _with_recorded(found, batch, model)
    stage = _stage(found, workshop)
    weighed = stage.weigh(batch.auction(probability))
    place = int(np.searchsorted(weighed.known, candidate))
    if place == len(weighed.known) or weighed.known[place] != candidate:
        raise RecomputeError(f"by pacing table {recorded.pacing} campaign {_campaign(found)} may not bid")
    account = int(stage.table["number"][weighed.row[place]])
    if account != found.bid.account:
        raise RecomputeError(f"account {account} would bid, and account {found.bid.account} did")
    return Recomputed(found, rules, request, batch, probability, model, stage, weighed, candidate, place, open_lines)


def _moment_of(hour: int) -> float:
    """A Unix time in this hour of the week."""
    return float((hour - hour_of_week(0.0)) % HOURS_OF_WEEK * 3_600)


def _read(edge: Edge, found: Found, rules: Rules, workshop: Workshop) -> Prepared:
    """The request, read by the catalog of that moment; the edge is left with the one it was decided by."""
    one = found.request
    view = workshop.view(found.batch.catalog)
    edge.show(workshop.view(one.catalog))
    try:
        request = (
            edge.prepare_object(msgspec.json.decode(one.body, type=BidRequest), rules.exchange, one.caller)
            if one.is_flat
            else edge.prepare(one.body, rules.exchange, one.caller)
        )
    except (InvalidRequest, msgspec.MsgspecError) as error:
        raise RecomputeError(f"the request as it was recorded cannot be read: {error}") from error
    edge.show(view)
    return request


def _assembled(edge: Edge, request: Prepared, found: Found) -> Batch:
    """The request's candidates, without those that the cap of its user kept out."""
    batch = edge.assemble([request])
    if found.request.is_challenger:
        challenger = np.ones(len(request.impressions), bool)
        batch = replace(batch, terms=batch.terms._replace(challenger=challenger))
    if found.request.left_out:
        batch = batch.without(np.isin(batch.campaign, found.request.left_out), NoBid.USER_CAP)
    return batch


def _with_recorded(found: Found, batch: Batch, model: npt.NDArray[np.float32]) -> tuple[int, npt.NDArray[np.float32]]:
    """The bid's candidate, and the model's probabilities with those recorded of the request's bids in their places."""
    probability, candidate = model.copy(), -1
    imp, creative = batch.candidates.imp, batch.candidates.creative
    for bid in found.request.bids:
        places = np.flatnonzero((imp == bid.impression) & (creative == bid.creative))
        if len(places) != 1:
            raise RecomputeError(
                f"campaign {campaign_of(bid.account)} is no candidate in catalog {found.batch.catalog}"
            )
        recorded = np.array([bid.click, bid.conversion], np.float32)
        again = model[places[0]]
        if not np.allclose(again, recorded, rtol=_NEAR, atol=0.0):
            raise RecomputeError(
                f"CTR model {found.batch.ctr} says {again.tolist()} of what it said {recorded.tolist()} of then"
            )
        probability[places[0], [CLICK, CONVERSION]] = recorded
        if bid is found.bid:
            candidate = int(places[0])
    return candidate, probability


def _stage(found: Found, workshop: Workshop) -> BidStage:
    """What weighs candidates; it holds no money."""
    recorded = found.batch
    book = LeaseBook(MemoryLedger(), seconds=1.0, share=1.0, notice_ttl=1.0)
    stage = BidStage(workshop.policy(recorded.policy), book)
    stage.challenge(workshop.policy(recorded.challenger) if recorded.challenger else None)
    stage.repace(workshop.table(recorded.pacing), recorded.pacing)
    return stage


def _campaign(found: Found) -> int:
    return int(campaign_of(found.bid.account))

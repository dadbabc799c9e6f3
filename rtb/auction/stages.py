"""The stages of a request as plain classes over arrays. Serve deployments wrap them; tests call them directly.

Edge.prepare -> Edge.assemble -> CTRStage.score -> BidStage.decide -> Edge.render
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rtb.auction import pricing
from rtb.ledger import Day, LeaseBook, Reservation, Usage
from rtb.models.features import Rows
from rtb.models.observation import observe
from rtb.models.policy import Policy
from rtb.models.scores import CLICK, CONVERSION, Scorer, Scores
from rtb.models.winrate import market_caller
from rtb.money.accounts import campaign_of, experiment_of
from rtb.money.micros import micros_of
from rtb.pacing.snapshot import PACING_DTYPE, PacingTable, pacing_state


class DealColumns(NamedTuple):
    """The deal terms of a batch's candidates; all arrays have shape `(n,)`.

    Attributes:
        is_deal: whether it bids under a deal: such bids rank before open ones.
        is_agreed: whether the floor is the fixed price.
        agreed_micros: price to bid whatever the value is; 0: by value.
    """

    is_deal: npt.NDArray[np.bool_]
    is_agreed: npt.NDArray[np.bool_]
    agreed_micros: npt.NDArray[np.int64]

    def of(self, candidates: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> DealColumns:
        """Return the terms of some candidates, by index or mask."""
        return DealColumns(self.is_deal[candidates], self.is_agreed[candidates], self.agreed_micros[candidates])


class PodTerms(NamedTuple):
    """The terms of dynamic pods, each an impression of which several ads may be bought.

    Attributes:
        places: most ads of each impression, 1 outside pods, shape `(imps,)`.
        seconds: most seconds of all of them together, shape `(imps,)`.
        length: seconds of each candidate's creative, shape `(n,)`.
    """

    places: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    length: npt.NDArray[np.float64]


class Auction(NamedTuple):
    """A batch of impressions and their scored candidates.

    Attributes:
        imp: impression of each candidate, ascending, shape `(n,)`.
        campaign: number of each candidate's campaign, shape `(n,)`.
        probability: P(click) and P(conversion | click), shape `(n, 2)`.
        floor_micros: floor of each candidate, shape `(n,)`.
        first_price: whether each impression is sold at first price, shape `(imps,)`.
        ttl: seconds that notices of each impression are honoured, shape `(imps,)`; none: as long as any are.
        group: group of each impression, ascending, shape `(imps,)`: one per group is bought; none: each is.
        deals: deal terms of the candidates; none: there are no deals.
        is_test: mask of impressions where nothing is billable, shape `(imps,)`; none: all are.
        challenger: mask of impressions of an experiment's challenger, shape `(imps,)`; none: there is no experiment.
        market: key of each impression's market (`rtb.models.winrate.market_key`), shape `(imps,)`; none: unknown.
        quantity: impressions that one sale of each stands for, shape `(imps,)`; none: 1.
        pods: terms of dynamic pods; none: there are none.
    """

    imp: npt.NDArray[np.intp]
    campaign: npt.NDArray[np.int32]
    probability: npt.NDArray[np.float32]
    floor_micros: npt.NDArray[np.int64]
    first_price: npt.NDArray[np.bool_]
    ttl: npt.NDArray[np.float64] | None = None
    group: npt.NDArray[np.intp] | None = None
    deals: DealColumns | None = None
    is_test: npt.NDArray[np.bool_] | None = None
    challenger: npt.NDArray[np.bool_] | None = None
    market: npt.NDArray[np.uint64] | None = None
    quantity: npt.NDArray[np.float64] | None = None
    pods: PodTerms | None = None


class ModelVersions(NamedTuple):
    """The versions that decisions were made by.

    Attributes:
        pacing: version of the pacing table.
        policy: version of the policy.
        challenger: version of the policy of an experiment's arms; empty: there is none.
    """

    pacing: str = ""
    policy: str = ""
    challenger: str = ""


class PricedCandidates(NamedTuple):
    """The priced candidates of a batch, before money is reserved.

    Attributes:
        known: candidates whose campaign is open, ascending, shape `(k,)`; all other fields are about these.
        row: row of each in the pacing table, shape `(k,)`.
        chance: probability that an impression meets its campaign's goal, shape `(k,)`.
        bids: bids in micros, shape `(k,)`.
        saved: micros that shading took off each bid, shape `(k,)`; none: nothing was shaded.
        order: those that meet their floor, by impression or group, best first.
    """

    known: npt.NDArray[np.intp]
    row: npt.NDArray[np.int64]
    chance: npt.NDArray[np.float64]
    bids: pricing.Ints
    saved: pricing.Ints | None
    order: npt.NDArray[np.intp]


class AuctionOutcome(NamedTuple):
    """The winners of the internal auction, one an impression, or several in a pod; all arrays have shape `(winners,)`.

    Attributes:
        candidate: index into the batch's candidates, by impression.
        account: account that pays: the campaign's own, or its arm's in an experiment.
        price_micros: price to bid for one impression.
        ceiling_micros: money reserved: that price times the impressions that the sale stands for.
        multiplier: multiplier on the value.
        lease: lease of the bid's money; with `sequence`, the bid's identity.
        sequence: number of the bid in its lease.
        expires: Unix second until which its notices count.
        unpaid: impressions with bids above the floor but no money for any of them, shape `(k,)`.
        versions: versions that the decisions were made by.
    """

    candidate: npt.NDArray[np.intp]
    account: npt.NDArray[np.int32]
    price_micros: npt.NDArray[np.int64]
    ceiling_micros: npt.NDArray[np.int64]
    multiplier: npt.NDArray[np.float64]
    lease: npt.NDArray[np.int64]
    sequence: npt.NDArray[np.int64]
    expires: npt.NDArray[np.int64]
    unpaid: npt.NDArray[np.intp]
    versions: ModelVersions = ModelVersions()


class CTRStage:
    """The CTR stage: from feature rows to probabilities.

    Args:
        scorer: the model.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def score(self, rows: Rows) -> Scores:
        """Return the scores of rows, shape `(n, fields)`, with the version of the model."""
        return Scores(self.scorer.score(rows), self.scorer.version)


class BidStage:
    """The bid stage: from probabilities to priced bids with reserved money.

    Args:
        policy: policy of the multipliers.
        book: leases that bids reserve from.
    """

    def __init__(self, policy: Policy, book: LeaseBook) -> None:
        self.policy = policy
        self.book = book
        self._challenger: Policy | None = None
        self._table: PacingTable = np.zeros(0, PACING_DTYPE)
        self._version = ""
        self._row_of = np.full(1, -1, np.int64)
        self._arm_row_of: npt.NDArray[np.int64] | None = None
        self._multiplier = np.zeros(0)
        self._calendar: list[bytes] = []
        self._usage = np.zeros((0, 4))  # opportunities, bids, sums of chance and level: the columns of `Usage`

    @property
    def table(self) -> PacingTable:
        """Current pacing table."""
        return self._table

    @property
    def multipliers(self) -> npt.NDArray[np.float64]:
        """Multiplier on the value of each campaign of the table, shape `(campaigns,)`."""
        return self._multiplier

    def set_pacing_table(self, table: PacingTable, version: str = "") -> list[Usage]:
        """Set the pacing table; return the usage under the old one."""
        usages = self.drain()
        self._table, self._version = table, version
        is_arm = experiment_of(table["number"]) > 0
        self._row_of = _by_campaign(table, ~is_arm)
        self._arm_row_of = _by_campaign(table, is_arm) if is_arm.any() else None
        self._multiply()
        self._usage = np.zeros((len(table), 4))
        calendar = [table[name].tobytes() for name in ("number", "day", "day_ends")]
        if calendar != self._calendar:  # days change at midnight and with the campaigns
            columns = (table[name].tolist() for name in ("number", "day", "day_ends"))
            self.book.enter({number: Day(day.decode(), ends) for number, day, ends in zip(*columns, strict=True)})
            self._calendar = calendar
        self.book.keep_leased(set(table["number"][table["open"]].tolist()))
        return usages

    def swap_policy(self, policy: Policy) -> None:
        """Set the policy."""
        self.policy = policy
        self._multiply()

    def set_challenger(self, policy: Policy | None) -> None:
        """Set the policy of an experiment's arms; without one, arms do not bid."""
        self._challenger = policy
        self._multiply()

    def _multiply(self) -> None:
        """Set the multipliers on the campaigns' values: the closed loop's level times the policy's factor, at most 1.

        Where the loop does not know the market yet, the full value is bid.
        """
        observation = observe(pacing_state(self._table))
        chosen = self.policy.multipliers(observation)
        if self._arm_row_of is not None:
            arms = np.flatnonzero(experiment_of(self._table["number"]))
            challenger = self._challenger
            chosen[arms] = 0.0 if challenger is None else challenger.multipliers(observation[arms])
        level, worth = self._table["level"], np.maximum(self._table["value_micros"], 1.0)
        self._multiplier = np.minimum(np.where(level > 0.0, level / worth, 1.0) * chosen, 1.0)

    def drain(self) -> list[Usage]:
        """Return the usage of each campaign since the last call."""
        rows = np.flatnonzero(self._usage[:, 0])
        numbers, usage = self._table["number"], self._usage
        columns = numbers[rows].tolist(), usage[rows, :2].astype(np.int64).tolist(), usage[rows, 2:].tolist()
        drained = [Usage(number, *counts, *sums) for number, counts, sums in zip(*columns, strict=True)]
        self._usage[rows] = 0
        return drained

    def decide(self, auction: Auction) -> AuctionOutcome:
        """Run the internal auction of a batch and reserve the money of its winners."""
        priced = self.price_candidates(auction)
        self._count(auction, priced.known, priced.row, priced.chance)
        return self._reserve(auction, priced.known, priced.row, priced.bids, priced.order)

    def price_candidates(self, auction: Auction) -> PricedCandidates:
        """Price the candidates of a batch, without side effects."""
        row = self._rows(auction)
        known = np.flatnonzero(row >= 0)
        known = known[self._table["open"][row[known]]]
        row = row[known]
        chance = self._chance(auction, known, row)
        bids, saved = self._bids(auction, known, row, chance)
        deals = None if auction.deals is None else auction.deals.of(known)
        floors = auction.floor_micros[known]
        if deals is not None:
            most = self._table["max_bid_micros"][row]
            bids = pricing.meet_terms(bids, floors, deals.agreed_micros, most, deals.is_agreed)
            saved = None if saved is None else np.where(deals.agreed_micros > 0, 0, saved)
        imp = auction.imp[known] if auction.group is None else auction.group[auction.imp[known]]
        order = pricing.rank(bids, floors, imp, None if deals is None else deals.is_deal, saved)
        return PricedCandidates(known, row, chance, bids, saved, order)

    def _chance(
        self, auction: Auction, known: npt.NDArray[np.intp], row: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Return the probability that an impression meets its campaign's goal."""
        probability = auction.probability[known].astype(np.float64)
        chance: npt.NDArray[np.float64] = probability[:, CLICK] * np.where(
            self._table["by_conversion"][row], probability[:, CONVERSION], 1.0
        )
        return chance

    def _bids(
        self,
        auction: Auction,
        known: npt.NDArray[np.intp],
        row: npt.NDArray[np.int64],
        chance: npt.NDArray[np.float64],
    ) -> tuple[pricing.Ints, pricing.Ints | None]:
        """Return the bids by value after shading, and what shading took off, if anything."""
        table = self._table  # by column: a record is far longer than the fields read here
        value, most = table["value_micros"][row], table["max_bid_micros"][row]
        bids = pricing.price_bids(value, chance, self._multiplier[row], most)
        first = auction.first_price[auction.imp[known]]
        if not first.any() or auction.market is None:
            return bids, None
        whole = bids.copy()
        floors = auction.floor_micros[known][first]
        median, shape = price_curves(table["markets"][row[first]], auction.market[auction.imp[known][first]])
        shaded = pricing.shade(bids[first], median, shape)
        bids[first] = np.maximum(shaded, np.minimum(bids[first], floors))  # shading never takes a bid below the floor
        return bids, whole - bids

    def _reserve(
        self,
        auction: Auction,
        known: npt.NDArray[np.intp],
        row: npt.NDArray[np.int64],
        bids: pricing.Ints,
        order: npt.NDArray[np.intp],
    ) -> AuctionOutcome:
        """Give each impression, or one of each group, to its best bid whose money can be reserved."""
        imps = auction.imp[known[order]]
        groups = imps if auction.group is None else auction.group[imps]
        ceilings = _ceilings(auction, imps, bids[order])
        hold = self._holder(auction, imps, self._table["number"][row[order]], ceilings)
        first = np.flatnonzero(np.diff(groups, prepend=-1))
        winners, held = [], []
        for start, end in pairwise([*first.tolist(), len(groups)]):
            for place in range(start, end):  # nearly always the first
                reservation = hold(place)
                if reservation is not None:
                    winners.append(place)
                    held.append(reservation)
                    if auction.pods is not None:
                        for more in _fill_pod(auction.pods, imps, known[order], place, end):
                            if (reservation := hold(more)) is not None:
                                winners.append(more)
                                held.append(reservation)
                    break
        won = np.array(winners, np.intp)
        chosen = order[won]
        paid = chosen if auction.is_test is None else chosen[~auction.is_test[auction.imp[known[chosen]]]]
        np.add.at(self._usage[:, 1], row[paid], 1)
        identity = np.array(held, np.int64).reshape(-1, 3)
        return AuctionOutcome(
            candidate=known[chosen],
            account=self._table["number"][row[chosen]],
            price_micros=bids[chosen],
            ceiling_micros=ceilings[won],
            multiplier=self._multiplier[row[chosen]],
            lease=identity[:, 0],
            sequence=identity[:, 1],
            expires=identity[:, 2],
            unpaid=np.unique(imps[~np.isin(groups, groups[won])]),
            versions=ModelVersions(
                self._version, self.policy.version, self._challenger.version if self._challenger else ""
            ),
        )

    def _holder(
        self, auction: Auction, imp: npt.NDArray[np.intp], account: npt.NDArray[np.int32], ceilings: pricing.Ints
    ) -> Callable[[int], Reservation | None]:
        """Return a function that reserves the money of a bid, by its index in these arrays; a test needs none.

        Args:
            auction: the auction.
            imp: impression of each bid.
            account: account that pays for each bid.
            ceilings: the most that each bid can cost.
        """
        book, ttl, is_test, market = self.book, auction.ttl, auction.is_test, auction.market

        def hold(place: int) -> Reservation | None:
            seconds = math.inf if ttl is None else ttl.item(imp.item(place))
            if is_test is not None and is_test.item(imp.item(place)):
                return book.reserve_test(seconds)
            caller = 0 if market is None else market_caller(market.item(imp.item(place)))
            return book.reserve(account.item(place), ceilings.item(place), seconds, caller)

        return hold

    def _rows(self, auction: Auction) -> npt.NDArray[np.int64]:
        """Return the row of each candidate in the pacing table; -1 for a campaign not in it yet.

        For a challenger's impression it is the arm's, where the campaign has one.
        """
        rows = _row(self._row_of, auction.campaign)
        if auction.challenger is None or self._arm_row_of is None:
            return rows
        arms = _row(self._arm_row_of, auction.campaign)
        return np.where(auction.challenger[auction.imp] & (arms >= 0), arms, rows)

    def _count(
        self,
        auction: Auction,
        known: npt.NDArray[np.intp],
        row: npt.NDArray[np.int64],
        chance: npt.NDArray[np.float64],
    ) -> None:
        """Count the opportunities, without tests."""
        if auction.is_test is not None:
            real = ~auction.is_test[auction.imp[known]]
            row, chance = row[real], chance[real]
        size = len(self._usage)
        seen = np.bincount(row, minlength=size)
        self._usage[:, 0] += seen
        self._usage[:, 2] += np.bincount(row, chance, size)
        self._usage[:, 3] += seen * self._multiplier * self._table["value_micros"]


def _ceilings(auction: Auction, imp: npt.NDArray[np.intp], prices: pricing.Ints) -> pricing.Ints:
    """Return the most that each bid can cost, by its price of one impression."""
    if auction.quantity is None:
        return prices
    quantities = auction.quantity[imp].tolist()
    pairs = zip(prices.tolist(), quantities, strict=True)
    return np.array([micros_of(price, quantity) for price, quantity in pairs], np.int64)


def _fill_pod(
    pods: PodTerms, imp: npt.NDArray[np.intp], candidate: npt.NDArray[np.intp], first: int, end: int
) -> Iterator[int]:
    """Yield which bids, by index in these arrays, fill the pod that the first one won; outside pods none.

    Args:
        pods: terms of the batch's pods.
        imp: impression of each bid, best first.
        candidate: candidate of each bid.
        first: bid that won the impression.
        end: end of the bids on the same imp.
    """
    here = imp.item(first)
    places = pods.places.item(here) - 1
    left = pods.seconds.item(here) - pods.length.item(candidate.item(first))
    for place in range(first + 1, end):
        seconds = pods.length.item(candidate.item(place))
        if places and imp.item(place) == here and seconds <= left:
            places, left = places - 1, left - seconds
            yield place


def price_curves(
    markets: npt.NDArray[Any], key: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return median and shape of the price to beat in each candidate's market; zeros where it is unknown.

    Args:
        markets: markets of `MARKET_DTYPE`, shape `(k, markets)`.
        key: key of the market, shape `(k,)`.
    """
    is_here = markets["key"] == key[:, None]
    median, shape = (
        np.where(is_here, markets[name], 0.0).sum(axis=1, dtype=np.float64) for name in ("median", "shape")
    )
    return np.where(key > 0, median, 0.0), shape


def _by_campaign(table: PacingTable, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the row of a pacing table by campaign number, for the rows of a mask; -1 where there is none."""
    rows = np.flatnonzero(chosen)
    numbers = campaign_of(table["number"][rows])
    found = np.full(int(numbers.max(initial=0)) + 1, -1, np.int64)
    found[numbers] = rows
    return found


def _row(row_of: npt.NDArray[np.int64], campaign: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    inside = campaign < len(row_of)
    rows: npt.NDArray[np.int64] = np.where(inside, row_of[np.where(inside, campaign, 0)], -1)
    return rows

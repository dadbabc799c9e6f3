"""Auctions held against a platform, their ads shown, and the ledger read after each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from rtb.exchanges import Exchanges
from verification.prebid_server.auctions import LATE_SECONDS, Auction

Json = dict[str, Any]

_REPEATS = 3
_MICROS_PER_CPM = 1_000
_MOST_MESSAGES = 20


@dataclass
class Outcome:
    """The counts of all auctions.

    Attributes:
        auctions: auctions held.
        shown: bids whose ad was shown.
        charged_once: shown bids that cost their price, and nothing more however often they were noticed.
        mistyped: bids that the server took for another format than they are.
        differs_micros: sum of the differences between what bids cost and their prices.
        formats: shown and charged bids by format.
        servers: shown and charged bids by server.
        messages: what was wrong with the first of them.
    """

    auctions: int = 0
    shown: int = 0
    charged_once: int = 0
    mistyped: int = 0
    differs_micros: int = 0
    formats: dict[str, Counter[str]] = field(default_factory=dict)
    servers: dict[str, Counter[str]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether each auction was answered, and each bid paid once, to the micro."""
        return self.auctions == self.shown == self.charged_once and not self.mistyped and not self.differs_micros

    def summary(self) -> Json:
        """Return everything but the messages as one JSON object."""
        told = ("auctions", "shown", "charged_once", "mistyped", "differs_micros")
        return {
            **{name: getattr(self, name) for name in told},
            "by_format": {name: dict(counts) for name, counts in sorted(self.formats.items())},
            "by_server": {name: dict(counts) for name, counts in sorted(self.servers.items())},
        }

    def complain(self, auction: Auction, wrong: str) -> None:
        """Note what is wrong with an auction."""
        if len(self.messages) < _MOST_MESSAGES:
            self.messages.append(f"{auction.server.name} {auction.number} {'+'.join(auction.formats)}: {wrong}")


@dataclass
class Trial:
    """One run of auctions.

    Args:
        client: client of the platform.
        paths: endpoint with the key in it, by profile.
        spent: function that returns the micros spent by all campaigns.
        rates: units of each currency that a dollar is worth.
    """

    client: httpx.Client
    paths: Mapping[str, str]
    spent: Callable[[], int]
    rates: Mapping[str, float]

    def run(self, auctions: Sequence[Auction], tell: Callable[[], object] = lambda: None) -> Outcome:
        """Hold auctions and show their ads, those that are late last."""
        outcome = Outcome()
        waiting: list[tuple[Auction, Json, float]] = []
        for auction in auctions:
            bid = self._bid(auction, outcome)
            if bid is not None and auction.is_late:
                waiting.append((auction, bid, time.monotonic() + LATE_SECONDS))
            elif bid is not None:
                self._show(auction, bid, outcome)
            tell()
        for auction, bid, at in waiting:
            time.sleep(max(0.0, at - time.monotonic()))
            self._show(auction, bid, outcome)
        return outcome

    def _bid(self, auction: Auction, outcome: Outcome) -> Json | None:
        """Return the bid on an auction, with the currency of its response."""
        outcome.auctions += 1
        answer = self.client.post(self.paths[auction.server.exchange], json=auction.request)
        if answer.status_code != httpx.codes.OK:
            outcome.complain(auction, f"no bid, status {answer.status_code}")
            return None
        told = answer.json()
        bid: Json = {**told["seatbid"][0]["bid"][0], "cur": told["cur"]}
        return bid

    def _show(self, auction: Auction, bid: Json, outcome: Outcome) -> None:
        kind = auction.server.type_of(auction.imp, bid)
        if kind != _KINDS.get(bid["mtype"]):
            outcome.mistyped += 1
            outcome.complain(auction, f"a bid of mtype {bid['mtype']} is taken for {kind}")
            return
        outcome.shown += 1
        before = self.spent()
        for address in self._called(auction, bid, kind):
            self.client.get(address.removeprefix(str(self.client.base_url).rstrip("/")))
        cost = self.spent() - before
        price = round(bid["price"] * _MICROS_PER_CPM / self.rates[bid["cur"]])
        outcome.differs_micros += abs(cost - price)
        is_paid = cost == price
        outcome.charged_once += is_paid
        for counts in (
            outcome.formats.setdefault(kind, Counter()),
            outcome.servers.setdefault(auction.server.name, Counter()),
        ):
            counts["shown"] += 1
            counts["charged_once"] += is_paid
        if not is_paid:
            outcome.complain(auction, f"it cost {cost} micros instead of {price}")

    def _called(self, auction: Auction, bid: Json, kind: str) -> list[str]:
        """Return the called addresses: with a page's own price first, all repeated, and any two of the three."""
        adjusted = bid["price"] * auction.adjustment
        fired = list(auction.server.addresses(kind, bid, adjusted))
        priced = [f"{address}{'&' if '?' in address else '?'}price={adjusted}" for address in fired]
        of_server = bid["burl"] if auction.number % 2 else ""  # a page that bills what a player or a tracker bills too
        return [*priced, *fired, *filter(None, [of_server]), *fired * (_REPEATS - 1)]


_KINDS = {1: "banner", 2: "video", 3: "audio", 4: "native"}


def paths_with(key: str, exchanges: Exchanges) -> dict[str, str]:
    """Return the endpoint of each profile with a key behind it."""
    return {profile.name: f"{profile.path}/{key}" for profile in exchanges if profile.key_in == "path"}

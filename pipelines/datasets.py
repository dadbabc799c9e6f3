"""Training rows for the CTR model, made by the types and the encoder that serving uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from rtb.campaigns.campaign import Campaign
from rtb.inventory.impression import hour_of_week, impressions_of
from rtb.models import features
from rtb.openrtb import decode_request
from simulation.auctions import Auctions, SimulatedMarket
from simulation.requests import to_openrtb

_STEP = 5_000


@dataclass(frozen=True)
class ClickData:
    """Impressions in time order.

    Attributes:
        rows: feature buckets, shape `(n, fields)`.
        click: 0 or 1, shape `(n,)`.
        conversion: 0 or 1, only after a click, shape `(n,)`.
        truth: true click probability, shape `(n,)`; None: unknown, as the clicks are real.
    """

    rows: features.Rows
    click: npt.NDArray[np.float32]
    conversion: npt.NDArray[np.float32]
    truth: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def split(self, fraction: float) -> tuple[ClickData, ClickData]:
        """Split into the first `fraction` and the rest: never train on what comes later."""
        cut = int(len(self) * fraction)
        return self.take(slice(None, cut)), self.take(slice(cut, None))

    def take(self, index: slice | npt.NDArray[np.intp]) -> ClickData:
        """Select impressions."""
        truth = None if self.truth is None else self.truth[index]
        return ClickData(self.rows[index], self.click[index], self.conversion[index], truth)


def simulate(
    market: SimulatedMarket, campaigns: list[Campaign], impressions: int, seed: int, on_step: Callable[[int], None]
) -> ClickData:
    """Simulate impressions of a market, each showing a campaign drawn at random.

    Showing campaigns at random, rather than the highest bidders, lets the model learn all of them alike.

    Args:
        market: market to draw from.
        campaigns: campaigns to show.
        impressions: number to draw; a few drop out because the campaign has no creative of their size.
        seed: seed of who is shown what and who clicks.
        on_step: called with the number just drawn, for a progress bar.
    """
    rng = np.random.default_rng([seed, 11])
    parts = []
    for start in range(0, impressions, _STEP):
        auctions = market.step(min(_STEP, impressions - start))
        parts.append(_show(market, auctions, campaigns, rng))
        on_step(len(auctions))
    return ClickData(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _show(
    market: SimulatedMarket, auctions: Auctions, campaigns: list[Campaign], rng: np.random.Generator
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    shown = rng.integers(len(campaigns), size=len(auctions))
    rows = np.zeros((len(auctions), len(features.FIELDS)), np.int32)
    kept = np.zeros(len(auctions), bool)
    names = np.empty(len(auctions), object)
    for i, (row, creative) in enumerate(_encode(market, auctions, campaigns, shown)):
        if row:
            rows[i], kept[i], names[i] = row, True, creative
    click_chance, conversion_chance = np.zeros(len(auctions)), np.zeros(len(auctions))
    for number, campaign in enumerate(campaigns):
        for creative in {name for name in names[shown == number] if name}:
            index = np.flatnonzero((shown == number) & (names == creative))
            part = auctions.take(index)
            click_chance[index] = market.truth.click(part, campaign.id, creative)
            conversion_chance[index] = market.truth.conversion(part, campaign.id)
    click = rng.random(len(auctions)) < click_chance
    conversion = click & (rng.random(len(auctions)) < conversion_chance)
    return rows[kept], click[kept].astype(np.float32), conversion[kept].astype(np.float32), click_chance[kept]


def _encode(
    market: SimulatedMarket, auctions: Auctions, campaigns: list[Campaign], shown: npt.NDArray[np.int64]
) -> Iterator[tuple[list[int], str]]:
    """Yield the feature row and creative id of each auction's campaign; an empty row if no creative has the size."""
    by_size = [{(c.w, c.h): c for c in reversed(campaign.creatives)} for campaign in campaigns]
    for i in range(len(auctions)):
        request = decode_request(msgspec.json.encode(to_openrtb(market, auctions, i)))
        offered, _ = impressions_of(request, hour_of_week(auctions.time[i]), "USD", 1)
        campaign = campaigns[shown[i]]
        creative = next((by_size[shown[i]][s] for s in offered[0].sizes if s in by_size[shown[i]]), None)
        if creative is None:
            yield [], ""
        else:
            yield features.impression_row(offered[0]) + features.creative_row(campaign.id, creative), creative.id

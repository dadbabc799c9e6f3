"""Readings of an experiment from the events: one per campaign and block of time, with both arms side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rtb.experiment.record import Experiment

CHAMPION, CHALLENGER = 0, 1
FIGURES = ("spend", "wins", "clicks", "value")
"""Micros charged, charges, clicks on what was charged, and the value won in micros: clicks predicted x their worth."""

_SPEND, _WINS, _CLICKS, _VALUE = range(len(FIGURES))


class Readings(NamedTuple):
    """The readings of an experiment.

    Attributes:
        figures: figures of shape `(n, 2 arms, FIGURES)`, by block and then campaign.
        block: number of each reading's block, shape `(n,)`.
        seconds: length of a block.
    """

    figures: npt.NDArray[np.float64]
    block: npt.NDArray[np.int64]
    seconds: float

    @property
    def total(self) -> npt.NDArray[np.float64]:
        """Sums, shape `(2 arms, FIGURES)`."""
        summed: npt.NDArray[np.float64] = self.figures.sum(axis=0)
        return summed


class _Notices(NamedTuple):
    """Columns of charges or clicks."""

    bid: pa.ChunkedArray
    cell: npt.NDArray[np.int64]
    arm: npt.NDArray[np.int64]
    micros: npt.NDArray[np.float64]


def read(
    events: Callable[[], Iterable[pa.Table]],
    experiment: Experiment,
    values: Mapping[int, float],
    until: float,
    block_seconds: float,
) -> Readings:
    """Return the readings of all complete blocks of an experiment.

    Charges and clicks count to the block they happen in, so that no block changes once it is over.

    Args:
        events: function that reads the events since the start, tables of `rtb.events.schema.SCHEMA`; called several
            times, since a notice's event may precede its bid's.
        experiment: the experiment.
        values: micros that a click is worth, by campaign number; other campaigns are left out.
        until: Unix time; now, or when the experiment ended.
        block_seconds: length of a block.
    """
    blocks = int(max(0.0, until - experiment.started) // block_seconds)
    began = _began(events(), experiment, values)
    numbers = np.array(sorted(began), np.int64)
    grid = _Grid(experiment, numbers, np.array([began[n] for n in numbers.tolist()]), blocks, block_seconds)
    figures = np.zeros((blocks * len(numbers), 2, len(FIGURES)))
    charges = []
    for table in events():
        settled = grid.place(table.filter(pc.equal(table["outcome"], "settled")))
        is_click = pc.and_(pc.equal(table["kind"], "click"), pc.equal(table["outcome"], "counted"))
        clicks = grid.place(table.filter(is_click))
        np.add.at(figures[:, :, _SPEND], (settled.cell, settled.arm), settled.micros)
        np.add.at(figures[:, :, _WINS], (settled.cell, settled.arm), 1.0)
        np.add.at(figures[:, :, _CLICKS], (clicks.cell, clicks.arm), 1.0)
        charges.append(settled)
    _add_value(figures, charges, events(), values)
    seen = np.array([grid.has(cell) for cell in range(len(figures))], bool)
    return Readings(figures[seen], (np.arange(len(figures)) // max(1, len(numbers)))[seen], block_seconds)


class _Grid(NamedTuple):
    """The grid of readings: cells by block and then campaign.

    Attributes:
        experiment: the experiment.
        numbers: numbers of the campaigns, ascending.
        began: Unix time when each was divided.
        blocks: number of complete blocks.
        seconds: length of a block.
    """

    experiment: Experiment
    numbers: npt.NDArray[np.int64]
    began: npt.NDArray[np.float64]
    blocks: int
    seconds: float

    def has(self, cell: int) -> bool:
        """Return whether the campaign was divided when the block began, or within it."""
        block, place = divmod(cell, len(self.numbers))
        return bool(self.began[place] < self.experiment.started + (block + 1) * self.seconds)

    def place(self, table: pa.Table) -> _Notices:
        """Return the notices that fall into cells."""
        campaign = pc.fill_null(table["campaign"], -1).to_numpy()
        at = pc.cast(table["at"], pa.int64()).to_numpy(zero_copy_only=False) / 1e6
        number = pc.fill_null(table["experiment"], 0).to_numpy()
        block = np.floor((at - self.experiment.started) / self.seconds)
        place = np.searchsorted(self.numbers, campaign)
        place[place == len(self.numbers)] = 0
        counts = (block >= 0) & (block < self.blocks) & ((number == 0) | (number == self.experiment.number))
        if len(self.numbers):
            counts &= (self.numbers[place] == campaign) & (at >= self.began[place])
        else:
            counts[:] = False
        kept = np.flatnonzero(counts)
        cell = block[kept].astype(np.int64) * len(self.numbers) + place[kept]
        micros = pc.fill_null(table["price_micros"], 0).to_numpy()[kept].astype(np.float64)
        return _Notices(table["bid"].take(kept), cell, (number[kept] > 0).astype(np.int64), micros)


def _began(events: Iterable[pa.Table], experiment: Experiment, values: Mapping[int, float]) -> dict[int, float]:
    """Return when each campaign's challenger first bid: earlier figures of its champion have no counterpart."""
    began: dict[int, float] = {}
    for table in events:
        ours = table.filter(pc.equal(table["experiment"], experiment.number))
        first = ours.group_by("campaign").aggregate([("at", "min")])
        moments = pc.cast(first["at_min"], pa.int64()).to_pylist()
        for campaign, at in zip(first["campaign"].to_pylist(), moments, strict=True):
            if campaign in values:
                began[campaign] = min(at / 1e6, began.get(campaign, np.inf))
    return began


def _add_value(
    figures: npt.NDArray[np.float64],
    charges: list[_Notices],
    events: Iterable[pa.Table],
    values: Mapping[int, float],
) -> None:
    """Add the predicted value of bids to the cells of their charges."""
    if not charges:
        return
    bids = pa.chunked_array([chunk for one in charges for chunk in one.bid.chunks], pa.string())
    cell, arm = (np.concatenate([getattr(one, name) for one in charges]) for name in ("cell", "arm"))
    for table in events:
        made = table.filter(pc.equal(table["kind"], "bid"))
        place = pc.index_in(made["bid"], value_set=bids)
        made, place = made.filter(pc.is_valid(place)), pc.drop_null(place).to_numpy()
        worth = np.array([values.get(number, 0.0) for number in made["campaign"].to_pylist()])
        value = pc.fill_null(made["pctr"], 0.0).to_numpy() * worth
        np.add.at(figures[:, :, _VALUE], (cell[place], arm[place]), value)

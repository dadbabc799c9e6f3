"""Simulated auction logs in the format of the iPinYou data, for backtests without data, tests and training.

They have what real logs have and a textbook market lacks: a daily pattern of prices and traffic, drift from day to day,
heavy tails of prices and click rates, prices piled up at floors, and a pctr that is good but not the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from simulation.auction_log import EPISODE, MAX_PRICE, Rows

Floats = npt.NDArray[np.float64]

_FEATURES = 1_000
"""Feature dimension in the first line of an episode file, which nobody reads."""


@dataclass(frozen=True)
class World:
    """Parameters of a simulated campaign's market.

    Attributes:
        median_price: median market price, CPM.
        price_spread: standard deviation of log price at one time.
        ctr: mean click rate.
        ctr_spread: standard deviation of log pctr.
        correlation: correlation of log price and log pctr.
        daily_price: amplitude of the daily wave of log prices.
        daily_traffic: amplitude of the daily wave of traffic, below 1.
        phase: phase of the waves, hours.
        drift: standard deviation of the log price level after a day of its random walk.
        floors: prices at which auctions pile up, and the share of auctions that do.
        auctions_per_hour: mean traffic.
    """

    median_price: float = 60.0
    price_spread: float = 0.6
    ctr: float = 1e-3
    ctr_spread: float = 1.0
    correlation: float = 0.2
    daily_price: float = 0.25
    daily_traffic: float = 0.6
    phase: float = 0.0
    drift: float = 0.2
    floors: tuple[float, ...] = (20.0, 50.0, 80.0)
    floor_share: float = 0.15
    auctions_per_hour: float = 5_000.0


def sample_world(rng: np.random.Generator) -> World:
    """Draw a campaign's market within the range of the real ones."""
    return World(
        median_price=float(np.exp(rng.uniform(np.log(30.0), np.log(90.0)))),
        price_spread=float(rng.uniform(0.4, 0.9)),
        ctr=float(np.exp(rng.uniform(np.log(3e-4), np.log(5e-3)))),
        ctr_spread=float(rng.uniform(0.5, 1.5)),
        correlation=float(rng.uniform(0.0, 0.4)),
        daily_price=float(rng.uniform(0.1, 0.4)),
        daily_traffic=float(rng.uniform(0.3, 0.8)),
        phase=float(rng.uniform(0.0, 24.0)),
        drift=float(rng.uniform(0.05, 0.3)),
        floor_share=float(rng.uniform(0.05, 0.25)),
        auctions_per_hour=float(np.exp(rng.uniform(np.log(1_000.0), np.log(10_000.0)))),
    )


def sample_rows(world: World, auctions: int, rng: np.random.Generator) -> Rows:
    """Draw the auctions of a market in time order, from midnight of a first day on."""
    hour = _hours(world, auctions, rng)
    level = np.log(world.median_price) + world.daily_price * np.sin(2 * np.pi * (hour + world.phase) / 24.0)
    quality, own = rng.standard_normal(auctions), rng.standard_t(4, auctions) / np.sqrt(2.0)  # Student's t: heavy tails
    rest = np.sqrt(1.0 - world.correlation**2)
    log_price = level + _walk(hour, world.drift, rng) + world.price_spread * (world.correlation * quality + rest * own)
    price = np.clip(np.rint(np.exp(log_price)), 1.0, MAX_PRICE)
    piled = rng.random(auctions) < world.floor_share
    price = np.where(piled, rng.choice(world.floors, auctions), price)
    pctr = np.minimum(world.ctr * np.exp(world.ctr_spread * quality - world.ctr_spread**2 / 2), 0.5)
    believed = np.minimum(pctr * np.exp(rng.normal(-0.02, 0.2, auctions)), 0.5)
    return Rows((rng.random(auctions) < pctr).astype(np.int64), price, believed, hour)


def write_logs(folder: Path, *, campaigns: int = 3, streams: int = 1, episodes: int = 40, seed: int = 0) -> None:
    """Write simulated campaigns `gen-1`, ... with episodes, and some of them with a long stream.

    Args:
        folder: output folder, created if missing.
        campaigns: number of campaigns.
        streams: how many of them also have a stream, of eight times and four times `episodes` thousand auctions.
        episodes: episodes per campaign, half of them to learn from; twice as many auctions before them make the totals.
        seed: seed of everything.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, campaigns + 1):
        rng = np.random.default_rng([seed, 21, number])
        world, name = sample_world(rng), f"gen-{number}"
        past = 2 * episodes * EPISODE
        rows = sample_rows(world, past + episodes * EPISODE, rng)
        _write_totals(folder / f"{name}.info.json", rows.part(0, past))
        _write_episodes(folder / f"{name}.episodes.txt", rows.part(past))
        if number <= streams:
            rows = sample_rows(world, 12 * episodes * EPISODE, rng)
            _write_rows(folder / f"{name}.stream.txt", rows.part(0, 8 * episodes * EPISODE))
            _write_rows(folder / f"{name}.stream-test.txt", rows.part(8 * episodes * EPISODE))


def _hours(world: World, auctions: int, rng: np.random.Generator) -> Floats:
    """Draw the times of the auctions in hours: a Poisson process whose rate follows the daily wave of traffic."""
    arrivals = np.cumsum(rng.exponential(1.0 / world.auctions_per_hour, auctions))  # in hours of mean traffic
    clock = np.arange(0.0, 2.0 * arrivals[-1] + 48.0, 0.05)
    wave = 2 * np.pi / 24.0
    risen = np.cos(wave * (world.phase - 6.0)) - np.cos(wave * (clock + world.phase - 6.0))
    hours: Floats = np.interp(arrivals, clock + world.daily_traffic / wave * risen, clock)
    return hours


def _walk(hour: Floats, drift: float, rng: np.random.Generator) -> Floats:
    """Draw a mean-reverting random walk in quarter-hours, with standard deviation `drift` after a day."""
    knots = np.arange(0.0, hour[-1] + 0.5, 0.25)
    shocks = rng.normal(0.0, drift / np.sqrt(96.0), len(knots))
    level, walk = 0.0, np.empty(len(knots))
    for i, shock in enumerate(shocks.tolist()):
        level = 0.995 * level + shock
        walk[i] = level
    drifted: Floats = np.interp(hour, knots, walk)
    return drifted


def _write_totals(path: Path, rows: Rows) -> None:
    counts = np.bincount(rows.price.astype(np.int64), minlength=MAX_PRICE + 1)
    totals = {
        "imp_train": len(rows),
        "clk_train": max(1, int(rows.click.sum())),
        "cost_train": int(rows.price.sum()),
        "price_counter_train": counts.tolist(),
    }
    path.write_bytes(msgspec.json.encode(totals))


def _write_episodes(path: Path, rows: Rows) -> None:
    lines = [f"{_FEATURES}\t{EPISODE}"]
    for number, start in enumerate(range(0, len(rows), EPISODE), 1):
        lines.append(str(number))
        part = rows.part(start, start + EPISODE)
        columns = zip(part.click.tolist(), part.price.astype(int).tolist(), part.pctr.tolist(), strict=True)
        lines += [f"{click}\t{price}\t{pctr:.6g}" for click, price, pctr in columns]
    path.write_text("\n".join(lines) + "\n")


def _write_rows(path: Path, rows: Rows) -> None:
    whole = rows.price.astype(int).tolist(), rows.pctr.tolist(), rows.hour.astype(int).tolist()
    lines = [f"{c}\t{p}\t{v:.6g}\t{h}" for c, p, v, h in zip(rows.click.tolist(), *whole, strict=True)]
    path.write_text("\n".join(lines) + "\n")

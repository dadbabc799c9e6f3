"""The data of a tab: the sources, filtered, each read once per drawing."""

from __future__ import annotations

import math
import time
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from dashboards.console.configuration import Configuration
from dashboards.console.shaping import auctions as auctions_
from dashboards.console.shaping import campaigns as campaigns_
from dashboards.console.sources.api import ApiError, ConsoleApi
from dashboards.console.sources.event_files import EventFiles
from dashboards.console.sources.exposition import Histogram, histograms, of_requests, of_stages, of_times
from dashboards.console.sources.samples import ConsoleSample, Samples

_BOUNDS = np.array([1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 250, 500, 1_000, 2_500]) / 1_000.0
_POINTS = 60


class Sources(NamedTuple):
    """The sources, kept between drawings and shared by all viewers."""

    configuration: Configuration
    api: ConsoleApi
    files: EventFiles
    samples: Samples


def sources_of(configuration: Configuration) -> Sources:
    """Return the sources of a platform."""
    api = ConsoleApi(configuration.url, configuration.key)
    return Sources(configuration, api, EventFiles(configuration.events), Samples())


class Filters(NamedTuple):
    """The choices of the viewer.

    Attributes:
        window: time span of the events, seconds.
        campaigns: campaign ids; empty: all.
        refresh: seconds between two drawings.
        sla_ms: latency limit of an answer.
    """

    window: float
    campaigns: tuple[str, ...]
    refresh: int
    sla_ms: float


class Latency(NamedTuple):
    """The latency of answers.

    Attributes:
        histogram: latencies in the window.
        of_bids: whether they are of bid requests, by the platform; else of this console's calls, measured here.
    """

    histogram: Histogram
    of_bids: bool

    @property
    def what(self) -> str:
        """Description of what was measured."""
        return "bid requests" if self.of_bids else "API calls of this console"

    def quantile_ms(self, part: float) -> float:
        """Return a quantile in milliseconds; NaN without answers."""
        return 1_000.0 * self.histogram.quantile(part)


class Scene:
    """The data of one drawing of a tab."""

    def __init__(self, sources: Sources, filters: Filters) -> None:
        self.sources, self.filters = sources, filters
        self.api = sources.api
        self.now = time.time()

    @cached_property
    def stats(self) -> dict[str, Any]:
        """Answer of `/stats`, which is also added to the samples."""
        found: dict[str, Any] = self.api.get("/stats")
        times = self._times()
        self.sources.samples.add(ConsoleSample(self.now, found["counters"], of_requests(times), of_stages(times)))
        return found

    @cached_property
    def campaigns(self) -> pd.DataFrame:
        """Campaigns that pass the filter."""
        table = campaigns_.table_of(self.api.all_campaigns(), self.now)
        return table[table["id"].isin(self.filters.campaigns)] if self.filters.campaigns else table

    @cached_property
    def events(self) -> pa.Table:
        """Events in the window."""
        return self.sources.files.last(self.filters.window)

    @cached_property
    def auctions(self) -> pd.DataFrame:
        """Bids of the filtered campaigns in the window."""
        return auctions_.auctions_of(self.events, self.campaigns)

    @cached_property
    def over_time(self) -> pd.DataFrame:
        """Sums of the window by time."""
        return auctions_.over_time(self.events, self.campaigns, self.step)

    def whole_steps(self) -> pd.DataFrame:
        """Return the sums by time without the first and the last step, which are incomplete."""
        return self.over_time.iloc[1:-1] if len(self.over_time) > 3 else self.over_time

    @property
    def step(self) -> float:
        """Seconds per point in charts over time."""
        wanted = self.filters.window / _POINTS
        return next((step for step in (1, 5, 10, 30, 60, 300, 600, 1_800) if step >= wanted), 3_600)

    @property
    def samples(self) -> list[ConsoleSample]:
        """Samples of the counters in the window, including the current one."""
        _ = self.stats
        return self.sources.samples.last(self.filters.window, self.now + 1.0)

    @cached_property
    def latency(self) -> Latency:
        """Latency in the window, or since the console was opened if that was later; of all time at first."""
        samples = self.samples
        known = [one for one in samples if one.requests is not None]
        if known and known[-1].requests is not None:
            last = known[-1].requests
            between = last.since(known[0].requests) if len(known) > 1 else last
            return Latency(between if between.total > 0 else last, True)
        since = self.now - self.filters.window
        seconds = np.array([call.seconds for call in list(self.api.calls) if call.at >= since])
        return Latency(of_times(seconds, _BOUNDS), False)

    def portfolios(self) -> list[dict[str, Any]]:
        """Return all portfolios."""
        found: list[dict[str, Any]] = self.api.get("/portfolio")
        return found

    def _times(self) -> dict[str, Histogram]:
        try:
            return histograms(self.api.get("/metrics"))
        except (ApiError, ValueError):  # the counters work without
            return {}


def money(micros: float) -> str:
    """Format an amount in units of currency, with a sensible number of digits."""
    if not math.isfinite(micros):
        return "-"
    amount = micros / campaigns_.MICRO
    return f"{amount:,.{2 if abs(amount) >= 100 or amount == 0 else 4}f}"


def percent(part: float, digits: int = 2) -> str:
    """Format a share of 1 as percent."""
    return f"{100 * part:,.{digits}f}%" if math.isfinite(part) else "-"


def milliseconds(value: float) -> str:
    """Format a time in milliseconds."""
    return f"{value:,.1f} ms" if math.isfinite(value) else "-"

"""The examination: every tab in every window, figures compared with the API, and a pause that must stop bids."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from rtb.explain.reader import DecisionReader
from verification.console_check import expected
from verification.console_check.browser import Browser, Pages, Theme, chromium
from verification.console_check.stage import CheckStage

_LOOKS: tuple[tuple[str, int, int, Theme], ...] = (
    ("desktop-light", 1_400, 1_000, "light"),
    ("desktop-dark", 1_400, 1_000, "dark"),
    ("phone-light", 390, 844, "light"),
    ("phone-dark", 390, 844, "dark"),
)
_CALM = {"refresh": "60"}
_WATCHED_S = 6.0
_PAUSE_S = 4.0
"""Time from a pause until no more bids may be counted: pacing interval, leases, counters in transit."""

_RESUME_S = 30.0
_SWAP_S = 20.0
_GATE_S = 150.0
_LEAST_CHARTS = 15
_POOL = 10_000
"""Number of bids to choose a random one from."""


@dataclass
class PageFindings:
    """The results of an examination.

    Attributes:
        tabs: tabs opened.
        charts: charts of all tabs, in one window.
        empty: empty charts and parts, over all windows.
        errors: error elements, over all windows.
        compared: figures compared with the API's.
        figures_equal: whether they all equal the API's.
        paused_stops: whether a campaign paused through the page stopped bidding, and bid again after resuming.
        rolled_back: whether a model rolled back through the page serves.
        published: whether a candidate published through the page, past its gate, serves.
        screenshots: screenshots taken.
        complaints: failures in words.
    """

    tabs: int = 0
    charts: int = 0
    empty: int = 0
    errors: int = 0
    compared: int = 0
    figures_equal: bool = False
    paused_stops: bool = False
    rolled_back: bool = False
    published: bool = False
    screenshots: int = 0
    complaints: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return the figures for the last line."""
        return {name: value for name, value in asdict(self).items() if name != "complaints"}


class Examination:
    """An examination of the console on a stage.

    Args:
        stage: running platform, traffic and console.
        out: folder for the screenshots.
        console: console for progress.
    """

    def __init__(self, stage: CheckStage, out: Path, console: Console) -> None:
        self._stage, self._out, self._console = stage, out, console
        self._found = PageFindings()

    def run(self) -> PageFindings:
        """Examine everything.

        Raises:
            BrowserMissing: Chromium is missing.
        """
        with chromium(self._stage.url, self._stage.settings.resolve_secret("console_token")) as browser:
            self._look(browser)
            with browser.window(1_400, 1_000, "light") as pages:
                self._pause(pages)
                self._models(pages)
                self._compare(pages)
        if self._found.charts < _LEAST_CHARTS:
            self._complain(f"{self._found.charts} charts: at least {_LEAST_CHARTS} expected")
        return self._found

    def _look(self, browser: Browser) -> None:
        with Progress(console=self._console) as progress:
            task = progress.add_task("tabs, in four looks", total=None)
            for name, width, height, theme in _LOOKS:
                with browser.window(width, height, theme) as pages:
                    tabs = pages.tabs
                    progress.update(task, total=len(tabs) * len(_LOOKS))
                    self._found.tabs, self._found.charts = len(tabs), 0
                    for tab in tabs:
                        self._examine(pages, tab, name)
                        progress.advance(task)
                        if not self._console.is_terminal:
                            self._console.print(f"[dim]{name}: {tab}[/dim]")

    def _examine(self, pages: Pages, tab: str, look: str) -> None:
        pages.open({**_CALM, "tab": tab})
        pages.shoot(self._out / f"{tab.lower()}-{look}.png")
        seen, found = pages.see(), self._found
        found.screenshots += 1
        found.charts += seen.charts
        found.empty += seen.empty
        found.errors += len(seen.errors)
        for text in seen.errors:
            self._complain(f"{tab}, {look}: an error is shown: {text[:300]}")
        if seen.empty:
            self._complain(f"{tab}, {look}: {seen.empty} charts or parts are empty")
        if seen.overflow > 2:
            self._complain(f"{tab}, {look}: the page is {seen.overflow} pixels wider than the window")

    def _pause(self, pages: Pages) -> None:
        """Pause the busiest campaign through the page: its bids must stop, others' go on, and its own come back."""
        before = self._bids()
        time.sleep(_WATCHED_S)
        after = self._bids()
        alone = after.keys() - self._stage.members  # a portfolio gives a paused member's money to others
        name = max(sorted(alone), key=lambda one: after[one] - before[one])
        if after[name] == before[name]:
            self._complain("no campaign bids: the exchanges send nothing")
            return
        pages.open({**_CALM, "tab": "Control", "campaign": name})
        pages.press("Pause")
        said = pages.says(f"{name} is paused")
        status = self._stage.api.get(f"/campaign/{name}").json()["status"]
        time.sleep(_PAUSE_S)
        paused = self._bids()
        time.sleep(_WATCHED_S)
        still = self._bids()
        others = sum(still.values()) - sum(paused.values()) - (still[name] - paused[name])
        pages.press("Resume")
        resumed = self._bids_again(name, still[name])
        stops = status == "paused" and still[name] == paused[name] and others > 0
        self._found.paused_stops = said and stops and resumed
        if not self._found.paused_stops:
            self._complain(
                f"{name} was to be paused through the page: it is {status}, bid {still[name] - paused[name]} times "
                f"after it (others {others}), and {'bids' if resumed else 'does not bid'} since it was resumed"
            )

    def _bids_again(self, name: str, before: int) -> bool:
        """Return whether a campaign soon bids."""
        deadline = time.monotonic() + _RESUME_S
        while time.monotonic() < deadline:
            if self._bids()[name] > before:
                return True
            time.sleep(1.0)
        return False

    def _models(self, pages: Pages) -> None:
        """Roll back to the previous CTR model through the page, and publish the later one again."""
        told = self._stage.api.get("/models/ctr").json()
        champion, former = told["champion"], told["former"]
        pages.open({**_CALM, "tab": "Control"})
        pages.fill("Reason", "a check of the console")
        pages.press("Roll back")
        self._found.rolled_back = self._serves(former, _SWAP_S)
        if not self._found.rolled_back:
            self._complain(f"ctr {former} should serve again: {self._stage.api.get('/models').json()['ctr']}")
        pages.open({**_CALM, "tab": "Control"})
        pages.fill("Publish a candidate", str(self._stage.candidate))
        pages.press("Publish")
        self._found.published = self._serves(champion, _GATE_S)
        if not self._found.published:
            self._complain(
                f"ctr {champion} should be published: {self._stage.api.get('/models/ctr').json()['history'][-1]}"
            )

    def _serves(self, version: str, seconds: float) -> bool:
        """Return whether all replicas soon serve this CTR model."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            replicas = self._stage.api.get("/models").json()["ctr"]["replicas"]
            if {one["version"] for one in replicas} == {version}:
                return True
            time.sleep(1.0)
        return False

    def _compare(self, pages: Pages) -> None:
        """Stop traffic and portfolio, and compare the figures on the pages with the API's."""
        stage, unit = self._stage, self._stage.settings.currency
        one = stage.api.get("/portfolio/season")
        changed = stage.api.patch(
            "/portfolio/season", json={"status": "paused"}, headers={"If-Match": one.headers["etag"]}
        )
        changed.raise_for_status()
        stage.end_trade()  # only now: a portfolio's moves are events and change figures as well
        name = stage.api.get("/campaigns").json()[0]["id"]
        with DecisionReader(stage.settings.decisions_path) as reader:
            bid = random.choice(list(islice(reader.recent(_POOL), _POOL)))
        wanted = {
            "Overview": expected.overview(stage.api, unit),
            "Money": expected.money(stage.api, unit),
            "Portfolio": expected.portfolio(stage.api, "season", unit),
            "Control": expected.control(stage.api, name, unit),
            "Auctions": expected.explanation(stage.api, bid),
        }
        differ = 0
        for tab, figures in wanted.items():
            pages.open({**_CALM, "tab": tab, "campaign": name, "bid": bid})
            shown = pages.see().metrics
            for figure, value in figures.items():
                self._found.compared += 1
                if shown.get(figure) != value:
                    differ += 1
                    self._complain(f"{tab}: {figure} is shown as {shown.get(figure)}, the API's is {value}")
        self._found.figures_equal = differ == 0

    def _bids(self) -> dict[str, int]:
        figures: dict[str, Any] = self._stage.api.get("/stats").json()["campaigns"]
        return {name: one["bids"] for name, one in figures.items()}

    def _complain(self, text: str) -> None:
        self._found.complaints.append(text)

"""The trial: four auctions on a page in Chromium, each won, rendered, billed once and clicked."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Error, FrameLocator, Locator, Page, Request, Response

from rtb.runtime import calls
from rtb.runtime.settings import Settings
from verification.chromium import launched
from verification.given_platform import bidding
from verification.prebid_js.advertiser import AD_UNITS, FILM_SECONDS, TITLE, AdUnit, campaign_of
from verification.prebid_js.advertiser import HOST as ADVERTISER
from verification.prebid_js.books import AdBooks, billing_faults, click_faults
from verification.prebid_js.server_stand_in import PrebidServer
from verification.prebid_js.site import LOOPBACK, PUBLISHER, Site, serving

_TIMEOUT_MS = 20_000
_API_SECONDS = 30.0
_COUNTED_SECONDS = 20.0
_BILL, _VIEW = "/notice/bill/", "/notice/view/"
_VIEWS = ("impression", "start", "firstQuartile", "midpoint", "thirdQuartile", "complete")
_ARGUMENTS = ("--disable-background-networking", "--autoplay-policy=no-user-gesture-required")
_USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
"""A user's: a headless browser names itself in its own, and is refused as no human."""

_HOSTS = (PUBLISHER, ADVERTISER, LOOPBACK)
_COUNTED = ("bills", "spent_micros", "clicks")

Stats = dict[str, dict[str, int]]


@dataclass
class Findings:
    """The results of a trial.

    Attributes:
        auctions: auctions that were won.
        rendered: ads that were seen on the page.
        billed_once: whether each was billed, once and for its price.
        clicked: whether each led to its landing page, and was counted.
        complaints: failures in words.
    """

    auctions: int = 0
    rendered: int = 0
    billed_once: bool = False
    clicked: bool = False
    complaints: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return the figures for the last line."""
        return {name: value for name, value in vars(self).items() if name != "complaints"}


def hold_trial(url: str, settings: Settings, packages: Path) -> Findings:
    """Trade on the page with a platform, and compare its books with what the page did.

    Args:
        url: base URL of the platform.
        settings: settings that have its keys.
        packages: the folder `node_modules`.

    Raises:
        BrowserMissing: Chromium is missing or does not start.
        LaunchError: the platform refuses a campaign.
        httpx.HTTPError: the platform does not answer.
    """
    campaigns = [campaign_of(unit) for unit in AD_UNITS]
    exchange = calls.client(url, headers=settings.key_headers("exchange_key"), timeout=_API_SECONDS)
    admin = calls.client(url, headers=settings.key_headers("admin_key"), timeout=_API_SECONDS)
    with exchange, admin, bidding(url, settings, campaigns):
        site = Site(PrebidServer(exchange, LOOPBACK), packages)
        before = _stats(admin)
        with serving(site), _visited(site) as visit:
            trial = _Trial(site, visit)
            for unit in AD_UNITS:
                trial.trade(unit)
        trial.compare(before, lambda: _stats(admin))
    return trial.found


class _Visit:
    """A visit to the page, and what the browser asked for meanwhile.

    Args:
        page: Playwright's page.

    Attributes:
        page: the page.
        requests: URLs that were requested.
        failed: URLs of requests without a good answer.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.failed: list[str] = []
        page.context.on("request", lambda request: self.requests.append(request.url))
        page.context.on("requestfailed", self._note_failure)
        page.context.on("response", self._note_response)

    def asked_for(self, part: str) -> list[str]:
        """Return the URLs of the requests whose path begins so."""
        return [url for url in self.requests if urlsplit(url).path.startswith(part)]

    def faults(self) -> list[str]:
        """Return in words what the browser should not have asked for, or told."""
        hosts = {urlsplit(url).hostname: url for url in self.requests if urlsplit(url).scheme in ("http", "https")}
        strange = [f"the page asked for {url}" for host, url in hosts.items() if host not in _HOSTS]
        views = [url.rpartition("event=")[2] for url in self.asked_for(_VIEW)]
        told = [] if views == [*_VIEWS] else [f"the player told of {views}"]
        return [*self.failed, *strange, *told]

    def _note_failure(self, request: Request) -> None:
        self.failed.append(f"{request.url} {request.failure}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400 and not response.url.endswith("/favicon.ico"):
            self.failed.append(f"{response.url} {response.status}")


@contextmanager
def _visited(site: Site) -> Iterator[_Visit]:
    """Open the publisher's page, which reaches nothing but the sites and this machine."""
    with launched([*_ARGUMENTS, f"--host-resolver-rules={site.resolver_rules}"]) as browser:
        context = browser.new_context(user_agent=_USER_AGENT, viewport={"width": 1_280, "height": 1_600})
        context.set_default_timeout(_TIMEOUT_MS)
        visit = _Visit(context.new_page())
        visit.page.goto(f"http://{PUBLISHER}/")
        visit.page.wait_for_function("() => window.publisher && window.pbjs.libLoaded")
        site.film = base64.b64decode(visit.page.evaluate(f"() => publisher.film({FILM_SECONDS})"))
        yield visit
        context.close()


class _Trial:
    """The trial while it goes on.

    Args:
        site: the sites.
        visit: the visit to the page.

    Attributes:
        found: the results.
    """

    def __init__(self, site: Site, visit: _Visit) -> None:
        self._site, self._visit, self._page = site, visit, visit.page
        self.found = Findings()

    def trade(self, unit: AdUnit) -> None:
        """Hold the auction of an ad unit, render what won, and click on it."""
        bids = self._page.evaluate("code => publisher.auction(code)", unit.code)
        if not bids or not bids[0]["creativeId"].startswith(f"prebid-js-{unit.code}-"):
            self._complain(f"{unit.code}: no bid of its campaign, but {bids}")
            return
        try:
            self._page.evaluate("([code, id]) => publisher.render(code, id)", [unit.code, bids[0]["adId"]])
            self._see(unit)
            self._send_bill_again(unit)
            self._click(unit)
        except Error as error:
            self._complain(f"{unit.code}: {error}")
        seen = self._page.evaluate("() => publisher.seen")
        if unit.code in seen["bidWon"]:
            self.found.auctions += 1
        if seen["adRenderFailed"]:
            self._complain(f"Prebid.js did not render: {seen['adRenderFailed']}")

    def compare(self, before: Stats, stats: Callable[[], Stats]) -> None:
        """Compare the platform's books with what the page did.

        Args:
            before: the platform's figures of its campaigns before the first auction.
            stats: returns them as they are now; notices may still be under way.
        """
        deadline = time.monotonic() + _COUNTED_SECONDS
        while True:
            books = self._books(before, stats())
            billing, clicks = billing_faults(books), click_faults(books)
            if not (billing or clicks) or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        self.found.billed_once, self.found.clicked = not billing, not clicks
        refused = [f"the platform answered {status} to a bid request" for status in self._site.server.refused]
        for text in (*refused, *billing, *clicks, *self._visit.faults()):
            self._complain(text)

    def _books(self, before: Stats, after: Stats) -> dict[str, AdBooks]:
        def of(unit: AdUnit) -> AdBooks:
            name = campaign_of(unit).id
            bills, spent, clicks = (after[name][kind] - before.get(name, {}).get(kind, 0) for kind in _COUNTED)
            landings = self._site.landed.count(unit.landing)
            offer = self._site.server.offers.get(unit.code)
            if offer is None:
                return AdBooks(bills, spent, clicks, None, 0, landings)
            sent = self._visit.requests.count(offer.burl)
            return AdBooks(bills, spent, clicks, offer.price, sent, landings, offer.bills_by_markup)

        return {unit.code: of(unit) for unit in AD_UNITS}

    def _send_bill_again(self, unit: AdUnit) -> None:
        """Send the billing notice of an ad again, as callers do that saw no answer."""
        answer = calls.get(self._site.server.offers[unit.code].burl, timeout=_API_SECONDS)
        if answer.is_error:
            self._complain(f"{unit.code}: a repeated billing notice got {answer.status_code} {answer.text[:200]}")

    def _see(self, unit: AdUnit) -> None:
        """Wait until the ad is on the page: its image in its size, its text, its film played to the end."""
        ad = self._ad(unit)
        ad.wait_for()
        if unit.code == "video":
            ad.evaluate("video => video.ended || new Promise(done => video.addEventListener('ended', done))")
            is_seen = ad.evaluate("video => video.getVideoPlaybackQuality().totalVideoFrames > 0")
        else:
            image = ad.locator("img")
            image.evaluate("image => image.complete || new Promise(done => image.addEventListener('load', done))")
            size = image.evaluate("image => [image.naturalWidth, image.naturalHeight, image.width, image.height]")
            is_seen = size == [*unit.size, *unit.size] if unit.size else TITLE in ad.inner_text() and size[0] == 300
        if is_seen:
            self.found.rendered += 1
        else:
            self._complain(f"{unit.code}: its ad is not seen")

    def _ad(self, unit: AdUnit) -> Locator:
        if unit.code == "video":
            return self._page.locator("#video video")
        frame: FrameLocator = self._page.frame_locator(f"#{unit.code}")
        if unit.size:  # Prebid.js puts the markup of a banner into a frame of its own
            frame = frame.frame_locator("iframe:visible")
        return frame.locator("a").first

    def _click(self, unit: AdUnit) -> None:
        with self._page.expect_popup() as opened:
            self._ad(unit).click()
        opened.value.wait_for_url(lambda url: _is_landing(url, unit))
        opened.value.close()

    def _complain(self, text: str) -> None:
        self.found.complaints.append(text)


def _is_landing(url: str, unit: AdUnit) -> bool:
    """Return whether this is the landing page of an ad, with the token by which a conversion is attributed."""
    parts = urlsplit(url)
    return parts.path == unit.landing and parts.query.startswith("rb_click=")


def _stats(admin: httpx.Client) -> Stats:
    answer = admin.get("/stats")
    answer.raise_for_status()
    campaigns: Stats = answer.json()["campaigns"]
    return campaigns

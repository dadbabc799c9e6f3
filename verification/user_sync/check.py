"""The check: a person with a browser on two publishers' pages, another without consent, and whoever tries redirects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from playwright.sync_api import BrowserContext, Error

from rtb.campaigns.campaign import Budget, Campaign, FrequencyCap, Goal
from rtb.campaigns.creative import Creative
from rtb.openrtb import NoBid
from rtb.user_sync.cookies import PARTITIONED, SHARED
from verification.chromium import person
from verification.user_sync.attempts import Attempt, attempts
from verification.user_sync.certificates import Certificate
from verification.user_sync.hosts import BIDDER, EVIL, PREBID, PUBLISHERS, Hosts
from verification.user_sync.prebid import EXCHANGE, SyncLog

LEAST_ATTEMPTS = 40

_PAGE_MS = 20_000
_CONSENT = (
    "CAAAAAAAAAAAAAAAAAAAAAEAAPIAAAAAAAAAF5sAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgAAAAA"
)
"""A consent string of TCF 2 with consent to the purposes 1, 2, 3, 4 and 7."""
_NO_CONSENT = "CAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAA"
"""One without any consent."""

Say = Callable[[str], None]


def campaign() -> Campaign:
    """Return a campaign that everybody sees once."""
    image = "https://cdn.example/a.png"
    return Campaign(
        id="once",
        name="once",
        adomain=("shoes.example",),
        budget=Budget(total_micros=10**12),
        frequency=FrequencyCap(count=1, seconds=3_600),
        goal=Goal(kind="click", value_micros=50_000_000),
        creatives=(Creative(id="banner", w=300, h=250, image_url=image, landing_url="https://shoes.example/"),),
    )


def profile(hosts: Hosts) -> dict[str, Any]:
    """Return the profile of the exchange, as its file has it."""
    return {
        "name": EXCHANGE,
        "currency": "USD",
        "auction_type": 1,
        "no_bid": "nbr",
        "own_reasons": True,
        "user_sync": {"hosts": [hosts.place(PREBID)]},
    }


@dataclass
class SyncFindings:
    """The results of the check.

    Attributes:
        syncs: syncs that told Prebid Server an id.
        shown: ads that the person with consent was shown on two pages.
        open_redirects: attempts that led elsewhere.
        tried: attempts.
        others_shown: ads that another person was shown meanwhile.
        kept: whether the second page found the id of the first.
        withdrawn: whether the id was gone, from both hosts, once consent was.
        forgotten: counters that `DELETE /users/<id>` removed.
        partitioned: whether a browser that blocks third-party cookies kept an id on one site.
        complaints: what is wrong, in words.
    """

    syncs: int = 0
    shown: int = 0
    open_redirects: int = 0
    tried: int = 0
    others_shown: int = 0
    kept: bool = False
    withdrawn: bool = False
    forgotten: int = 0
    partitioned: bool = False
    complaints: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return the figures for the last line."""
        return {name: value for name, value in vars(self).items() if name != "complaints"}


class SyncCheck:
    """The check against a running platform.

    Args:
        folder: folder for the profiles of browsers.
        hosts: where everything is.
        certificate: of all hosts.
        api: client of the platform with an administrator's key.
        log: what the hosts see.
        say: called with progress, a line at a time.
    """

    def __init__(
        self, folder: Path, hosts: Hosts, certificate: Certificate, api: httpx.Client, log: SyncLog, *, say: Say
    ) -> None:
        self._folder, self._hosts, self._api, self._log, self._say = folder, hosts, api, log, say
        self._arguments = (
            "--host-resolver-rules=MAP * 127.0.0.1",
            f"--ignore-certificate-errors-spki-list={certificate.pin}",
        )
        self._found = SyncFindings()

    def run(self) -> SyncFindings:
        """Check everything.

        Raises:
            BrowserMissing: Chromium is missing.
        """
        self._say("a person on pages of two publishers, and consent withdrawn")
        with self._person("first") as context:
            self._capped(context)
            self._withdrawn(context)
        self._say("a person who opts out, and another one")
        with self._person("opted-out", extra_http_headers={"Sec-GPC": "1"}) as context:
            self._opted_out(context)
        with self._person("other") as context:
            self._other(context)
        self._say("a person whose browser blocks third-party cookies")
        with self._person("blocking", takes_third_party_cookies=False) as context:
            self._blocking(context)
        self._say("attempts at a redirect elsewhere")
        with self._person("attacker") as context:
            self._attempts(context)
        self._found.syncs = sum(map(bool, self._log.uids))
        return self._found

    def _person(self, name: str, **options: Any) -> AbstractContextManager[BrowserContext]:
        return person(self._folder / name, self._arguments, **options)

    def _capped(self, context: BrowserContext) -> None:
        found, (news, shop) = self._found, PUBLISHERS
        self._bought(self._visit(context, news, form="i", gdpr="1", gdpr_consent=_CONSENT), "the first page")
        first = self._id(context)
        self._expect(self._log.uids, [first], "the id at Prebid Server")
        for cookie in self._cookies(context):
            told = [cookie.get(name) for name in ("secure", "httpOnly", "sameSite", "path")]
            self._expect(told, [True, True, "None", "/"], "the attributes of a cookie")
        self._log.reasons.clear()
        self._expect(self._visit(context, shop, form="b", us_privacy="1YNN"), "empty", "the second page")
        self._expect(set(self._log.reasons), {int(NoBid.USER_CAP)}, "the reasons of no bid on the second page")
        found.kept = bool(first) and self._id(context) == first == self._log.uids[-1]
        found.shown = self._log.shown
        found.forgotten = self._api.delete(f"/users/{first}").json().get("frequency_counters", 0)
        self._expect((found.kept, found.forgotten), (True, 1), "the id kept, and its counters removed")

    def _withdrawn(self, context: BrowserContext) -> None:
        self._visit(context, PUBLISHERS[0], form="i", gdpr="1", gdpr_consent=_NO_CONSENT)
        left = [*self._cookies(context), *self._cookies(context, PREBID)]
        self._found.withdrawn = not left and self._log.uids[-1] == ""
        self._expect(self._found.withdrawn, True, f"the id is gone with consent, but for {left}")

    def _opted_out(self, context: BrowserContext) -> None:
        title = self._visit(context, PUBLISHERS[0], form="i")
        got = (self._cookies(context), self._log.uids[-1], title)
        self._expect(got, ([], "", "shown"), "whoever opts out has no id and no cap")

    def _other(self, context: BrowserContext) -> None:
        before = self._log.shown
        self._bought(self._visit(context, PUBLISHERS[1], form="i", gpp_sid="-1"), "somebody else's page")
        self._found.others_shown = self._log.shown - before

    def _blocking(self, context: BrowserContext) -> None:
        ids = []
        for _ in range(2):
            self._visit(context, PUBLISHERS[0], form="b")
            ids.append(self._id(context))
        names = {cookie["name"] for cookie in self._cookies(context)}
        self._found.partitioned = names == {PARTITIONED} and ids[0] == ids[1] == self._log.uids[-1]
        self._expect(self._found.partitioned, True, f"an id kept by site, not {names} with {ids}")

    def _attempts(self, context: BrowserContext) -> None:
        """Try each attempt as a browser would follow it, and as it comes back on the wire."""
        good, page = self._hosts.place(PREBID), context.new_page()
        page.set_default_timeout(_PAGE_MS)
        for attempt in attempts(EXCHANGE, good, self._hosts.place(EVIL)):
            self._log.strays.clear()
            location = self._location(attempt)
            try:
                page.goto(f"{self._hosts.bidder}{attempt.path}?{attempt.query}")
            except Error:  # an address that no browser opens leads nowhere
                page.goto("about:blank")
            leads_away = location != "" and not location.startswith(f"https://{good}/")
            self._found.tried += 1
            if leads_away or self._log.strays:
                self._found.open_redirects += 1
                self._complain(f"{attempt} leads to {location or self._log.strays}")

    def _location(self, attempt: Attempt) -> str:
        raw = httpx.URL(str(self._api.base_url)).copy_with(
            raw_path=f"{attempt.path}?{attempt.query}".encode("ascii", "backslashreplace")
        )
        found: str = self._api.get(raw).headers.get("location", "")
        return found

    def _visit(self, context: BrowserContext, publisher: str, **parameters: str) -> str:
        """Open a publisher's page; return what became of its slot."""
        page = context.new_page()
        page.set_default_timeout(_PAGE_MS)
        page.goto(f"{self._hosts.address(publisher)}/page?{urlencode(parameters)}")
        page.wait_for_function("document.title !== 'loading'")
        title = page.title()
        page.close()
        return title

    def _cookies(self, context: BrowserContext, host: str = BIDDER) -> list[Any]:
        return [cookie for cookie in context.cookies() if cookie["domain"] == host]

    def _id(self, context: BrowserContext) -> str:
        """Return the id in our cookies; empty where there is none, or several."""
        found = {cookie["value"] for cookie in self._cookies(context) if cookie["name"] in (SHARED, PARTITIONED)}
        return found.pop() if len(found) == 1 else ""

    def _bought(self, title: str, what: str) -> None:
        self._expect(title, "shown", f"{what}, with the reasons {self._log.reasons}")

    def _expect(self, found: Any, expected: Any, what: str) -> None:
        if found != expected:
            self._complain(f"{what}: {found!r}, not {expected!r}")

    def _complain(self, text: str) -> None:
        self._found.complaints.append(text)
        self._say(text)


def faults(summary: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the figures of a check, a line each."""
    found = []
    if summary["shown"] != 1:
        found.append(f"a person whom a campaign may reach once was shown {summary['shown']} ads")
    if summary["open_redirects"]:
        found.append(f"{summary['open_redirects']} attempts were redirected elsewhere")
    if summary["tried"] < LEAST_ATTEMPTS:
        found.append(f"only {summary['tried']} attempts were made")
    if not (summary["syncs"] and summary["kept"] and summary["withdrawn"] and summary["partitioned"]):
        found.append("an id was not set, not kept, or not withdrawn")
    return found

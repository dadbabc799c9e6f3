"""A Prebid Server as far as user sync and one auction go, and publishers' pages that use it, as one application.

The sync address and `/setuid` have the form that Prebid Server gives them (docs/user_sync.md); its adapter fills the
price into the billing address, and the page calls it when it has shown the ad.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rtb.runtime import calls
from verification.user_sync.hosts import PREBID, PUBLISHERS, Hosts

EXCHANGE = "prebid_sync"
"""Name of the exchange at the platform."""

_SYNC = (
    "{base}/sync/{exchange}?gdpr={gdpr}&gdpr_consent={gdpr_consent}&us_privacy={us_privacy}"
    "&gpp={gpp}&gpp_sid={gpp_sid}&r={redirect}"
)
_SETUID = (
    "{base}/setuid?bidder=raybid&gdpr={gdpr}&gdpr_consent={gdpr_consent}&gpp={gpp}&gpp_sid={gpp_sid}&f={form}&uid="
)
_SIGNALS = ("gdpr", "gdpr_consent", "us_privacy", "gpp", "gpp_sid")
_COOKIE = "uids"
_USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_COOKIE_SECONDS = 14 * 86_400

_PAGE = """<!doctype html><title>loading</title><body><script>
const prebid = "%s";
const loaded = (kind, address) => new Promise(done => {
  const element = document.createElement(kind);
  element.onload = element.onerror = done;
  element.src = address;
  document.body.append(element);
});
(async () => {
  const asked = location.search;
  const sync = await (await fetch(prebid + "/cookie_sync" + asked, {credentials: "include"})).json();
  await loaded(sync.type === "iframe" ? "iframe" : "img", sync.url);
  let bid = {};
  for (let offer = 0; offer < 4 && !bid.adm; offer++) {  // as pages refresh a slot; an idle bidder first leases budget
    if (offer) await new Promise(done => setTimeout(done, 500));
    bid = await (await fetch(prebid + "/auction" + asked, {credentials: "include"})).json();
  }
  if (bid.adm) {
    const slot = document.createElement("iframe");
    slot.srcdoc = bid.adm;
    document.body.append(slot);
    await loaded("img", bid.burl);
  }
  document.title = bid.adm ? "shown" : "empty";
})().catch(error => { document.title = "failed: " + error; });
</script>"""


@dataclass
class SyncLog:
    """What the hosts have seen.

    Attributes:
        uids: ids that `/setuid` was called with; empty where it was without one.
        shown: bids that pages were given.
        reasons: codes of auctions without a bid; where there is none, the status of the answer.
        strays: addresses at hosts that nobody should have been led to.
    """

    uids: list[str] = field(default_factory=list)
    shown: int = 0
    reasons: list[int] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)


def application(hosts: Hosts, api: str, key: str, log: SyncLog) -> ASGIApp:
    """Return the application of all hosts but the platform's.

    Args:
        hosts: where they are.
        api: address of the platform for exchanges.
        key: the exchange's key.
        log: is told what happens.
    """
    client = calls.async_client(api, is_ours=True, headers={"X-API-Key": key}, timeout=10)

    async def page(request: Request) -> Response:
        return HTMLResponse(_PAGE % hosts.address(PREBID))

    async def cookie_sync(request: Request) -> Response:
        is_frame = request.query_params.get("form") == "b"
        told = {name: quote(request.query_params.get(name, ""), safe="") for name in _SIGNALS}
        setuid = _SETUID.format_map({**told, "base": hosts.address(PREBID), "form": "b" if is_frame else "i"})
        target = quote(setuid, safe="") + "$UID"
        url = _SYNC.format_map({**told, "base": hosts.bidder, "exchange": EXCHANGE, "redirect": target})
        return JSONResponse({"url": url, "type": "iframe" if is_frame else "redirect"}, headers=_shared(request))

    async def setuid(request: Request) -> Response:
        uid = request.query_params.get("uid", "")
        log.uids.append(uid)
        answer = HTMLResponse("") if request.query_params.get("f") == "b" else Response(status_code=204)
        seconds = _COOKIE_SECONDS if uid else 0
        answer.set_cookie(_COOKIE, uid, max_age=seconds, secure=True, httponly=True, samesite="none")
        return answer

    async def auction(request: Request) -> Response:
        site = request.headers.get("origin", "").partition("://")[2].partition(":")[0]
        answer = await client.post(f"/openrtb2/{EXCHANGE}", json=_bid_request(site, request))
        said: dict[str, Any] = answer.json() if answer.status_code == 200 else {"nbr": answer.status_code}
        bid = said["seatbid"][0]["bid"][0] if "seatbid" in said else {}
        if not bid:
            log.reasons.append(said["nbr"])
        else:
            log.shown += 1
            bid["burl"] = bid["burl"].replace("${AUCTION_PRICE}", str(bid["price"]))
        told = {name: bid[name] for name in ("adm", "burl") if bid}
        return JSONResponse(told, headers=_shared(request))

    routes = [Route("/page", page), Route("/cookie_sync", cookie_sync), Route("/setuid", setuid)]
    app = Starlette(routes=[*routes, Route("/auction", auction)])

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        host = headers.get(b"host", b"").decode("latin-1").partition(":")[0]
        if scope["type"] == "http" and host not in (PREBID, *PUBLISHERS):
            log.strays.append(f"{host}{scope['path']}")
        await app(scope, receive, send)

    return answer


def _shared(request: Request) -> Mapping[str, str]:
    """Return headers by which a page of another site may read an answer made with cookies."""
    origin = request.headers.get("origin", "")
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}


def _bid_request(site: str, request: Request) -> dict[str, Any]:
    uid, gdpr = request.cookies.get(_COOKIE, ""), request.query_params.get("gdpr", "")
    consent = request.query_params.get("gdpr_consent", "")
    return {
        "id": secrets.token_hex(8),
        "at": 1,
        "cur": ["USD"],
        "tmax": 5_000,
        "imp": [{"id": "1", "secure": 1, "banner": {"w": 300, "h": 250, "format": [{"w": 300, "h": 250}]}}],
        "site": {"domain": site, "page": f"https://{site}/page"},
        "device": {"ua": _USER_AGENT, "geo": {"country": "USA"}},
        "user": {"ext": {"consent": consent}} | ({"buyeruid": uid} if uid else {}),
        "regs": {"ext": {"gdpr": int(gdpr)}} if gdpr else {},
    }

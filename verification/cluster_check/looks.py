"""What must hold on a cluster without faults: the same from every host, whichever is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from verification.cluster_check.site import HOSTS, Site, any_but, controllers_host, everywhere

_SETTLE_SECONDS = 30.0
_SERVED_SECONDS = 60.0
_JOB_SECONDS = 240.0
_LOOK_SECONDS = 0.5
_REQUEST = {
    "id": "look",
    "at": 2,
    "imp": [{"id": "1", "banner": {"w": 300, "h": 250}}],
    "site": {"domain": "news-001.example", "page": "https://news-001.example/today"},
    "device": {"devicetype": 2, "geo": {"country": "USA"}},
}


def look(site: Site, key: str) -> list[str]:
    """Return what is wrong, a line each: bids and keys by each host, notices by another, equal figures."""
    wrong = []
    for host in HOSTS:
        other = any_but(site, host)
        if not _trades(site, key, host, other):
            wrong.append(f"a bid of {site.url(host)} cannot be billed at {site.url(other)}")
    if not _within(_SETTLE_SECONDS, lambda: _is_same(everywhere(site, _figures))):
        wrong.append("the hosts tell different figures in /stats")
    return wrong


def published_from_elsewhere(site: Site, folder_of_candidate: str) -> bool:
    """Publish a policy on a host without the Controller; return whether all replicas of all hosts serve it then."""
    host = any_but(site, controllers_host(site))
    said = site.hosts[host].run(
        f"set -a; . ./cluster.env; set +a\n.venv/bin/python -m pipelines.publish --kind policy {folder_of_candidate}"
        " --force 'the check of the cluster'",
        seconds=_JOB_SECONDS,
    )
    version = msgspec.json.decode(said.splitlines()[-1])["version"]

    def is_served() -> bool:
        return all(
            told["published"] == version and {one["version"] for one in told["replicas"]} == {version}
            for told in everywhere(site, lambda client: client.get("/models").json()["policy"])
        )

    return _within(_SERVED_SECONDS, is_served)


def _trades(site: Site, key: str, host: int, other: int) -> bool:
    """Return whether a bid of one host is billed by another."""
    with site.client(host, **{"X-API-Key": key}) as bidder, site.client(other, **{"X-API-Key": key}) as biller:
        for _ in range(50):
            answer = bidder.post("/openrtb2/bid", json=_REQUEST)
            if answer.status_code == 200:
                bid = answer.json()["seatbid"][0]["bid"][0]
                path = httpx.URL(bid["burl"].replace("${AUCTION_PRICE}", str(bid["price"]))).raw_path.decode()
                return biller.get(path).is_success
            time.sleep(_LOOK_SECONDS / 5)
    return False


def _figures(client: httpx.Client) -> Any:
    found = client.get("/stats").raise_for_status().json()["campaigns"]
    return {name: [one[f"{pot}_micros"] for pot in ("budget", "spent")] for name, one in found.items()}


def _is_same(found: list[Any]) -> bool:
    return all(one == found[0] for one in found)


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if holds():
                return True
        except (httpx.HTTPError, KeyError, ValueError):
            pass
        time.sleep(_LOOK_SECONDS)
    return False

"""Who may settle a bid: the exchange it was made to, the key that asked for it, an administrator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from rtb.exchanges import key_id
from tests.conftest import Valkey
from tests.deployments.in_process import ADMIN_KEY, Platform, running
from tests.rtb.builders import make_campaign, make_request

ACME, ACME_TOO, ONE, OTHER = (f"Kq8mW3zR{name}Tv6yN1" for name in ("Acme", "Acm2", "Fst1", "Scd2"))


@pytest.fixture(scope="module")
def platform(valkey_server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    valkey_server.flush()
    profiles = tmp_path_factory.mktemp("profiles")
    (profiles / "acme.yaml").write_text(yaml.safe_dump({"name": "acme", "keys": [key_id(ACME), key_id(ACME_TOO)]}))
    keys = ",".join((ACME, ACME_TOO, ONE, OTHER))
    fields: dict[str, Any] = {"exchange_keys": keys, "exchanges_dir": profiles}
    with running(valkey_server, tmp_path_factory.mktemp("var"), **fields) as platform:
        platform.register(make_campaign("spring", value=50_000_000, budget=10**12))
        yield platform


def _flat(client: httpx.Client) -> str:
    return str(client.post("/bid", json={"w": 300, "h": 250}).json().get("token", ""))


def _openrtb(client: httpx.Client) -> str:
    answer = client.post("/openrtb2/bid", json=make_request())
    url = answer.json()["seatbid"][0]["bid"][0]["burl"] if answer.status_code == 200 else ""
    return str(url).partition("/notice/bill/")[2].partition("?")[0]


@pytest.mark.parametrize("asked", [_flat, _openrtb])
@pytest.mark.parametrize(
    ("asker", "teller", "status"),
    [
        (ONE, ONE, 200),
        (ONE, OTHER, 403),
        (ONE, ACME, 403),
        (ACME, ACME, 200),
        (ACME, ACME_TOO, 200),
        (ACME, ONE, 403),
        (ONE, ADMIN_KEY, 200),
        (ACME, ADMIN_KEY, 200),
    ],
)
def test_a_bid_is_settled_by_whose_it_is(platform: Platform, asked: Any, asker: str, teller: str, status: int) -> None:
    with platform.client(asker) as client:
        deadline = time.monotonic() + 30
        while not (token := asked(client)):  # a lease may be renewed a moment too late for one
            assert time.monotonic() < deadline
    with platform.client(teller) as client:
        answer = client.post("/auction-result", json={"token": token, "won": True, "price": 0.01})
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["type"].endswith("foreign-bid")
        with platform.client(asker) as client:  # nothing was settled: its own exchange still can
            told = client.post("/auction-result", json={"token": token, "won": True, "price": 0.01})
        assert told.json()["outcome"] == "settled"

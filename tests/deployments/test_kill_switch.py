"""Bidding can be stopped while nothing can be written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from deployments.stopping import KEY
from tests.conftest import Valkey
from tests.deployments.in_process import Platform, running
from tests.rtb.builders import make_campaign
from tests.support import until


@pytest.fixture
def platform(valkey: Valkey, tmp_path: Path) -> Iterator[Platform]:
    with running(valkey, tmp_path) as made:
        made.register(make_campaign("spring"), make_campaign("summer"))
        yield made


def fill_disk(platform: Platform) -> None:
    """Let the catalog's file grow no more, nor take writes: what SQLite says on a full disk."""
    for catalog in (platform.router.parts.stores.catalog, platform.controller.parts.catalog):
        _pragma(catalog, "PRAGMA max_page_count = 1")
        _pragma(catalog, "PRAGMA query_only = 1")


def make_room(platform: Platform) -> None:
    for catalog in (platform.router.parts.stores.catalog, platform.controller.parts.catalog):
        _pragma(catalog, "PRAGMA query_only = 0")
        _pragma(catalog, "PRAGMA max_page_count = 1000000")


def _pragma(catalog: Any, text: str) -> None:
    from sqlalchemy import event  # noqa: PLC0415

    engine = catalog._database._engine
    engine.dispose()

    @event.listens_for(engine, "connect")
    def _(connection: Any, record: Any) -> None:
        connection.execute(text)


def bidders(platform: Platform, of: int = 6) -> set[str]:
    with platform.client() as client:
        answers = [client.post("/bid", json={"w": 300, "h": 250}).json() for _ in range(of)]
    return {answer["campaign"] for answer in answers if answer["bid"]}


def test_a_campaign_is_stopped_at_once_and_paused_when_the_disk_has_room(platform: Platform) -> None:
    fill_disk(platform)
    with platform.client() as client:
        assert client.patch("/campaign/spring", json={"name": "x"}, headers={"If-Match": '"1"'}).status_code == 503
        answer = client.post("/campaign/spring/pause")
        assert (answer.status_code, answer.json()["status"]) == (202, "stopped")
        assert bidders(platform) == {"summer"}
        assert client.post("/campaign/ghost/pause").status_code in (404, 503)
        assert client.delete("/campaign/summer", headers={"If-Match": '"1"'}).status_code == 202
        assert bidders(platform) == set()
        assert client.get("/health").json()["parts"]["bidding"]["stopped_campaigns"] == 2
        make_room(platform)
        until(lambda: client.get("/campaign/spring").json()["status"] == "paused")
        until(lambda: client.get("/health").json()["parts"]["bidding"]["stopped_campaigns"] == 0)
        assert bidders(platform) == set()
        assert client.post("/campaign/spring/resume").status_code == 200
        until(lambda: bidders(platform) == {"spring"})


def test_all_bidding_stops_and_starts_again_without_a_disk(platform: Platform, valkey: Valkey) -> None:
    fill_disk(platform)
    with platform.client() as client:
        assert client.post("/admin/stop").json() == {"stopped": True}
        assert bidders(platform) == set()
        told = client.get("/health")
        assert (told.status_code, told.json()["parts"]["bidding"]["state"]) == (200, "stopped")
        with redis.Redis(port=valkey.port) as server:
            until(lambda: server.exists(KEY) == 1)  # for a platform that is started anew
        assert client.post("/admin/start").json() == {"stopped": False}
        until(lambda: bidders(platform) == {"spring", "summer"} or bool(bidders(platform)))


def test_it_needs_an_administrators_key(platform: Platform) -> None:
    with platform.client(None) as client:
        assert client.post("/admin/stop").status_code == 401
    assert bidders(platform)

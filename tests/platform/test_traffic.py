"""Real traffic through the real platform: every micro-unit is accounted for."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import yaml

from raybid.local import Platform
from raybid.local.environment import ROOT, authentication, client_environment, dashboard_headers
from rtb.events.parquet import read_events
from rtb.runtime.settings import Settings
from rtb.store import event_store
from simulation.auctions import SimulatedMarket
from simulation.requests import to_openrtb
from tests.support import SHARED_DATA, environment_of, require, until
from verification.faults.audit import read_charges

pytestmark = pytest.mark.cluster


def replay(settings: Settings, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "pipelines.replay", "--url", settings.base_url, *arguments]
    environment = environment_of(settings)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def serve(settings: Settings, method: str, **options: Any) -> httpx.Response:
    """Ask Serve's own API, as `serve status` and `serve deploy` do."""
    url = f"http://127.0.0.1:{settings.dashboard_port}/api/serve/applications/"
    headers = dashboard_headers(authentication(settings))
    answer = httpx.request(method, url, headers=headers, timeout=60, **options)
    assert answer.is_success, answer.text
    return answer


def applications(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = serve(settings, "GET").json()["applications"]
    return found


def deploy(settings: Settings, config: dict[str, Any]) -> None:
    serve(settings, "PUT", json=config)


def requests_of(seed: int, count: int) -> list[bytes]:
    market = SimulatedMarket(seed)
    auctions = market.step(count)
    return [json.dumps(to_openrtb(market, auctions, i)).encode() for i in range(count)]


def submitted(settings: Settings, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a job to its end. On a busy machine the agent that takes jobs comes up after the dashboard."""
    given = {**os.environ, **client_environment(settings), "RAYBID_VAR_DIR": str(settings.var_dir)}
    whole = [str(Path(sys.executable).parent / "ray"), "job", "submit", "--", *command]
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run(whole, cwd=ROOT, env=given, capture_output=True, text=True, timeout=280, check=False)
        if "No available agent" not in done.stdout + done.stderr or time.monotonic() > deadline:
            return done
        time.sleep(1)


def test_every_deployment_is_healthy_and_scales(platform: Platform, settings: Settings) -> None:
    application = applications(settings)["raybid"]
    assert application["status"] == "RUNNING"
    states = {name: item["status"] for name, item in application["deployments"].items()}
    assert states == dict.fromkeys(("Router", "CTRModel", "RLBidder", "Controller"), "HEALTHY")
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())["applications"][0]
    assert {item["name"] for item in config["deployments"]} == set(states)
    assert all(item["autoscaling_config"]["min_replicas"] >= 1 for item in config["deployments"])


def test_what_the_exchange_is_owed_is_what_the_ledger_spent(
    platform: Platform, settings: Settings, api: httpx.Client, admin: dict[str, str]
) -> None:
    before = platform.spent_micros()
    figures = replay(settings, "--duration", "8", "--rate", "150", "--connections", "8")
    assert figures["errors"] == 0, figures
    assert figures["invalid_responses"] == 0, figures["violations"]
    assert figures["wins"] > 0
    assert figures["spend_micros"] > 0
    assert platform.spent_micros() - before == figures["spend_micros"]
    for campaign in api.get("/stats", headers=admin).json()["campaigns"].values():
        pots = [campaign[f"{name}_micros"] for name in ("available", "leased", "reserved", "spent")]
        assert min(pots) >= 0
        assert sum(pots) == campaign["budget_micros"]


def test_a_notice_counts_once_however_often_it_is_sent(platform: Platform, api: httpx.Client) -> None:
    bid = next(b for b in bids_of(api, requests_of(5, 200)) if b)
    before = platform.spent_micros()
    burl = bid["burl"].replace("${AUCTION_PRICE}", str(bid["price"] / 2))
    assert [api.get(burl).status_code for _ in range(3)] == [204, 204, 204]
    assert platform.spent_micros() - before == pytest.approx(bid["price"] * 1000 / 2, abs=1)
    assert api.get(bid["burl"].replace("/bill/", "/click/")).status_code == 403


def test_bids_do_not_wait_for_serve_to_make_a_record_of_them(platform: Platform, api: httpx.Client) -> None:
    serves_own = "x-request-id"  # Serve puts it on what takes its whole way
    assert serves_own in api.get("/health").headers
    assert serves_own not in api.post("/openrtb2/bid", content=requests_of(1, 3)[0]).headers
    assert serves_own not in api.get("/notice/win/unknown").headers


def bids_of(api: httpx.Client, bodies: list[bytes], path: str = "/openrtb2/bid") -> list[dict[str, Any] | None]:
    answers = [api.post(path, content=body) for body in bodies]
    return [answer.json()["seatbid"][0]["bid"][0] if answer.status_code == 200 else None for answer in answers]


def test_real_requests_get_valid_answers(platform: Platform, settings: Settings) -> None:
    files = [SHARED_DATA / "openrtb" / name for name in ("xrtb_requests.jsonl", "prebid_requests.jsonl")]
    require(all(file.exists() for file in files), "the shared OpenRTB requests")
    figures = replay(settings, *(part for file in files for part in ("--requests", str(file))))
    assert figures["requests"] == sum(len(file.read_text().splitlines()) for file in files)
    assert figures["invalid_responses"] == 0, figures["violations"]
    assert figures["errors"] == 0, figures
    assert figures["status"]["other"] == 0
    assert figures["status"]["200"] > 0


def test_composed_and_colocated_answer_the_same_bytes(
    platform: Platform, settings: Settings, api: httpx.Client
) -> None:
    """Two applications beside each other; only the bid's identity, and so its signature, may differ."""
    config = yaml.safe_load((settings.var_dir / "serve_config.yaml").read_text())
    composed = config["applications"][0]
    colocated = {
        **composed,
        "name": "colocated",
        "route_prefix": "/colocated",
        "args": {"graph": "colocated"},
        "deployments": [item for item in composed["deployments"] if item["name"] in ("Router", "Controller")],
    }
    deploy(settings, {**config, "applications": [composed, colocated]})
    try:
        until(lambda: api.get("/colocated/health").is_success, 90, "it does not come up", every=0.5)
        until(lambda: any(bids_of(api, requests_of(9, 20), "/colocated/openrtb2/bid")), 30, "it does not bid")
        compared = 0
        for body in requests_of(9, 120):
            compared += await_the_same(api, body) == 200
        assert compared > 20
    finally:
        deploy(settings, config)


def await_the_same(api: httpx.Client, body: bytes) -> int:
    """Status of an answer that both give. Levels move each second, and for a moment one may have the newer ones."""
    for _ in range(30):
        left, right = api.post("/openrtb2/bid", content=body), api.post("/colocated/openrtb2/bid", content=body)
        if without_identity(left.content) == without_identity(right.content):
            break
        time.sleep(0.1)
    assert without_identity(left.content) == without_identity(right.content)
    assert left.status_code == right.status_code
    return left.status_code


def without_identity(body: bytes) -> bytes:
    body = re.sub(rb'"(id|bidid)":"[0-9a-f]{16}-[0-9a-f]+"', rb'"\1":"BID"', body)
    body = re.sub(rb"<AdServingId>[0-9a-f-]+", rb"<AdServingId>BID", body)
    return re.sub(rb"/notice/(\w+)/[\w-]+", rb"/notice/\1/TOKEN", body)


def test_a_killed_bidder_costs_no_5xx_and_comes_back(platform: Platform, api: httpx.Client, settings: Settings) -> None:
    bodies = requests_of(11, 400)
    statuses: list[int] = []
    stop = threading.Event()

    def traffic() -> None:
        with httpx.Client(base_url=settings.base_url, headers=settings.key_headers(), timeout=30) as client:
            while not stop.is_set():
                statuses.append(client.post("/openrtb2/bid", content=bodies[len(statuses) % len(bodies)]).status_code)

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        until(lambda: statuses.count(200) > 20, 30, "nothing is bid")
        os.kill(replica_pid(settings, "RLBidder"), signal.SIGKILL)
        killed_at = len(statuses)
        until(lambda: statuses[killed_at + 20 :].count(200) >= 20, 60, "it does not come back")
    finally:
        stop.set()
        thread.join()
    assert set(statuses) <= {200, 204}


def test_a_killed_ledger_server_comes_back_and_nothing_acknowledged_is_lost(
    platform: Platform, settings: Settings, api: httpx.Client, admin: dict[str, str]
) -> None:
    with redis.Redis.from_url(settings.ledger_url) as client:
        killed = client.info("server")["process_id"]
        began, before = time.time(), platform.spent_micros()
        with ThreadPoolExecutor(1) as background:
            replaying = background.submit(replay, settings, "--duration", "14", "--rate", "60", "--connections", "8")
            until(lambda: platform.spent_micros() > before, 30, "nothing is bought")
            os.kill(killed, signal.SIGKILL)
            figures = replaying.result()
        until(lambda: api.get("/health/ready").is_success, 30, "it does not come back")
        assert client.info("server")["process_id"] != killed
    assert figures["status"]["other"] == 0, figures
    # What was charged as the answer got lost is charged, and owed by nobody's word.
    assert platform.spent_micros() - before >= figures["spend_micros"] > 0

    def charged() -> list[list[int]]:
        events = read_events(event_store(settings), began, time.time() + 5)
        return list(read_charges([events]).by_bid.values())

    until(lambda: sum(map(sum, charged())) == platform.spent_micros() - before, 30, "events and ledger differ")
    assert {len(prices) for prices in charged()} == {1}
    stats = api.get("/stats", headers=admin).json()
    for campaign in stats["campaigns"].values():
        pots = [campaign[f"{name}_micros"] for name in ("available", "leased", "reserved", "spent")]
        assert min(pots) >= 0
        assert sum(pots) == campaign["budget_micros"]


def replica_pid(settings: Settings, deployment: str) -> int:
    return int(applications(settings)["raybid"]["deployments"][deployment]["replicas"][0]["pid"])


def test_a_policy_trains_as_a_job_while_the_cluster_serves(
    platform: Platform, settings: Settings, api: httpx.Client, tmp_path: Path
) -> None:
    statuses: list[int] = []
    stop = threading.Event()
    bodies = requests_of(13, 100)

    def traffic() -> None:
        with httpx.Client(base_url=settings.base_url, headers=settings.key_headers(), timeout=30) as client:
            while not stop.is_set():
                statuses.append(client.post("/openrtb2/bid", content=bodies[len(statuses) % len(bodies)]).status_code)
                time.sleep(0.05)

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        verb = ("-m", "pipelines.train_policy", "--algo", "dqn", "--steps", "2000", "--out", str(tmp_path / "dqn"))
        done = submitted(settings, sys.executable, *verb)
    finally:
        stop.set()
        thread.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "dqn" / "meta.json").exists()
    assert set(statuses) <= {200, 204}
    assert statuses.count(200) > 0

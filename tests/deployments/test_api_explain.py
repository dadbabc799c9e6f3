"""Why this bid, over the whole way: HTTP, models, auction, ledger, notices, and the bid decided again."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import typer
from typer.testing import CliRunner

from raybid import explain as command
from rtb.ledger.embedded import EmbeddedServer
from rtb.models import ctr, policy
from rtb.models.features import FIELDS
from rtb.models.registry import Registry
from simulation import reference
from simulation.requests import to_openrtb
from tests.conftest import Valkey
from tests.deployments.in_process import Platform, running
from tests.made_explanation import explanation
from tests.rtb.builders import make_campaign
from tests.rtb.explain.worlds import continuous, network
from tests.support import until

Bids = list[dict[str, Any]]


@pytest.fixture(scope="module", params=["colocated", "composed"])
def platform(
    request: pytest.FixtureRequest, valkey_server: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Models that nobody published, so that replicas bring them; both graphs."""
    valkey_server.flush()
    folder = tmp_path_factory.mktemp("var")
    ctr.save(folder / "models" / "ctr", network(1), metrics={}, trained_on="nothing")
    policy.save(folder / "models" / "policy", continuous(1), metrics={}, trained_on="nothing")
    composed = request.param == "composed"
    with running(valkey_server, folder, composed=composed, event_seconds=0.2) as platform:
        platform.register(*reference.campaigns(12))
        yield platform


def offered(seed: int, count: int) -> list[bytes]:
    market = reference.market(traffic_seed=seed)
    auctions = market.step(count)
    return [json.dumps(to_openrtb(market, auctions, i, "first" if i % 2 else "second")).encode() for i in range(count)]


def bid_on(client: httpx.Client, bodies: list[bytes]) -> Bids:
    answers = [client.post("/openrtb2/bid", content=body) for body in bodies]
    return [bid for one in answers if one.status_code == 200 for seat in one.json()["seatbid"] for bid in seat["bid"]]


def var_of(platform: Platform) -> Path:
    return Path(platform.router.parts.stores.settings.var_dir)


def run(monkeypatch: pytest.MonkeyPatch, platform: Platform, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setenv("RAYBID_VAR_DIR", str(var_of(platform)))
    app = typer.Typer()
    app.command()(command.main)
    done = CliRunner().invoke(app, [*arguments])
    return done.exit_code, done.stdout, done.stderr


def test_every_bid_of_a_run_comes_out_again_while_things_change(platform: Platform, client: httpx.Client) -> None:
    bids: Bids = []
    for seed in range(4):
        bids += bid_on(client, offered(seed, 60))
        _publish(var_of(platform), seed)
        platform.register(make_campaign(f"added-{seed}", value=80_000_000, budget=10**12))
    assert len(bids) > 60
    bids = random.sample(bids, 60)
    told = [client.get(f"/explain/{bid['id']}") for bid in bids]
    assert {one.status_code for one in told} == {200}, [one.text for one in told if one.status_code != 200][:1]
    for bid, one in zip(bids, (answer.json() for answer in told), strict=True):
        assert one["equal"] is True, one
        assert (one["bid_id"], one["campaign"]) == (bid["id"], bid["cid"])
        assert one["price"]["sent"]["cpm"] == bid["price"]
        assert one["price_micros"] == one["recomputed_micros"] == round(bid["price"] * 1_000)
    made_by = [answer.json()["made_by"] for answer in told]
    assert len({one["ctr_model"] for one in made_by}) > 1
    assert len({one["policy"] for one in made_by}) > 1
    assert len({one["pacing_table"] for one in made_by}) > 2
    assert len({one["catalog"] for one in made_by}) > 1


def _publish(var: Path, seed: int) -> None:
    ctr.save(var / "candidate" / "ctr", network(seed + 10), metrics={}, trained_on="nothing")
    policy.save(var / "candidate" / "policy", continuous(seed + 10), metrics={}, trained_on="nothing")
    for kind in ("ctr", "policy"):
        registry = Registry(var / "published", kind)
        with registry.deciding():
            version = registry.add(var / "candidate" / kind).version
            registry.decide("published", version, "a test")


def form(value: Any) -> Any:
    """Names, all the way down; of a list those of its first element."""
    if isinstance(value, dict):
        return {name: form(one) for name, one in value.items() if name != "by_reason"}
    return form(value[0]) if isinstance(value, list) and value and isinstance(value[0], dict) else None


def test_what_other_tests_show_has_this_form(client: httpx.Client) -> None:
    bid = next(iter(bid_on(client, offered(7, 20))))
    told, made = client.get(f"/explain/{bid['id']}").json(), explanation()
    assert form({**told, "outcome": None}) == form({**made, "outcome": None})


def test_an_explanation_has_all_that_led_to_the_price(client: httpx.Client) -> None:
    bodies = offered(20, 60)
    bid, user = next((bids[0], json.loads(body)["user"]["id"]) for body in bodies if (bids := bid_on(client, [body])))
    assert client.get(_path(bid["burl"], bid["price"])).status_code == 204
    assert client.get(_path(bid["nurl"], bid["price"])).status_code == 204
    told = client.get(f"/explain/{bid['id']}").json()
    assert [one["field"] for one in told["features"]] == list(FIELDS)
    values = {one["field"]: one["value"] for one in told["features"]}
    assert (values["campaign"], values["country"]) == (bid["cid"], told["imp"]["country"])
    assert {one["ended"] for one in told["candidates"]} >= {"won"}
    assert told["lease"]["lease"] == bid["id"].split("-")[0]
    assert {(one["kind"], one["outcome"]) for one in told["outcome"]} == {("bill", "settled"), ("win", "counted")}
    assert [one["price_micros"] for one in told["outcome"] if one["kind"] == "bill"] == [told["price_micros"]]
    assert told["dropped"]["campaigns"] == sum(1 for _ in told["dropped"]["each"])
    assert told["price"]["pctr"] == pytest.approx(told["price"]["pctr_again"], rel=1e-4)
    assert f'"{user}"' not in json.dumps(told), "who saw it is not told"


def _path(url: str, price: float) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}".replace("${AUCTION_PRICE}", str(price))


def test_a_flat_bid_comes_out_again(client: httpx.Client) -> None:
    for _ in range(50):
        found = client.post("/bid", json={"w": 300, "h": 250, "geo": "USA/CA", "first_price": True}).json()
        if found["bid"]:
            break
        time.sleep(0.1)
    told = client.get(f"/explain/{found['bid_id']}")
    assert told.status_code == 200, told.text
    assert told.json()["equal"] is True
    assert told.json()["price"]["sent"]["cpm"] == found["price"]


@pytest.mark.parametrize("bid_id", ["no-bid", "00000000000000ab-1", "x" * 64])
def test_an_unknown_bid_is_a_404_that_says_what_to_do(client: httpx.Client, bid_id: str) -> None:
    answer = client.get(f"/explain/{bid_id}")
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("bid-not-kept")
    assert (
        "RAYBID_DECISION_HOURS" in answer.json()["detail"]
        or "id of a bid" in answer.json()["detail"]
        or ("not the id of a bid" in answer.json()["detail"])
    )


def is_known(caller: httpx.Client, path: str) -> bool:
    return caller.get(path).status_code != 401


def test_who_may_ask(platform: Platform, client: httpx.Client) -> None:
    made = {
        scope: client.post("/admin/keys", json={"name": f"of {scope} {random.random()}", "scopes": [scope]}).json()
        for scope in ("exchange", "report")
    }
    path = "/explain/00000000000000ab-1"
    with platform.client(None) as nobody:
        assert nobody.get(path).status_code == 401
    for scope, status in (("exchange", 403), ("report", 404)):
        with platform.client(made[scope]["key"]) as caller:
            until(partial(is_known, caller, path), 10, "the key is not known")
            assert caller.get(path).status_code == status


def test_the_command_decides_again_beside_the_platform(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    bid = bid_on(client, offered(50, 40))[-1]
    assert client.get(f"/explain/{bid['id']}").status_code == 200
    code, out, err = run(monkeypatch, platform, bid["id"])
    last = json.loads(out.splitlines()[-1])
    assert (code, last["equal"], last["bid_id"]) == (0, True, bid["id"]), err
    assert last["price_micros"] == last["recomputed_micros"]
    assert "multiplier" in err
    code, out, _ = run(monkeypatch, platform, "--sample", "30", "--seed", "1")
    assert (code, json.loads(out.splitlines()[-1])) == (0, {"sampled": 30, "equal": 30})
    code, out, _ = run(monkeypatch, platform, bid["id"], "--full")
    assert code == 0
    assert json.loads(out[: out.rindex('{"bid_id"')])["candidates"]


def test_the_command_says_what_is_wrong(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run(monkeypatch, platform, "00000000000000ab-1")
    assert (code, out) == (1, "")
    assert "RAYBID_DECISION_HOURS" in err
    assert run(monkeypatch, platform)[0] == 2
    monkeypatch.setattr(
        platform.router.parts.stores.settings.__class__, "decisions_path", property(lambda _: Path("/nowhere/x"))
    )
    assert "RAYBID_VAR_DIR" in run(monkeypatch, platform, "--sample", "3")[2]


def test_a_controller_that_is_away_is_a_503(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(bid_id: str) -> None:
        raise RuntimeError("an actor died")

    monkeypatch.setattr(platform.controller, "explain", gone)
    answer = client.get("/explain/00000000000000ab-1")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_bidding_goes_on_where_nothing_can_be_recorded(
    platform: Platform, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[object] = []

    async def refuses(parcel: object) -> None:
        refused.append(parcel)
        raise RuntimeError("an actor died")

    with monkeypatch.context() as patch:
        patch.setattr(platform.controller, "keep", refuses)
        bids = bid_on(client, offered(60, 40))
        until(lambda: refused, 10, "nothing is handed on")
    assert bids
    until(lambda: client.get(f"/explain/{bids[0]['id']}").is_success, 10, "it is not sent again", every=0.2)


@pytest.fixture
def other_valkey(free_port: int, tmp_path: Path) -> Iterator[Valkey]:
    """Start a separate server: the module's platform still publishes to the run's."""
    server = EmbeddedServer(free_port, tmp_path / "valkey")
    yield Valkey(free_port)
    server.stop()


def test_where_it_is_off_nothing_is_kept(other_valkey: Valkey, tmp_path: Path) -> None:
    with running(other_valkey, tmp_path, decision_hours=0) as platform, platform.client() as client:
        platform.register(*reference.campaigns(3))
        bids = bid_on(client, offered(70, 40))
        assert bids
        answer = client.get(f"/explain/{bids[0]['id']}")
        assert answer.status_code == 404
        assert "RAYBID_DECISION_HOURS above 0" in answer.json()["detail"]
        assert not (tmp_path / "decisions.sqlite").exists()

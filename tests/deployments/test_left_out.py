"""What cannot be used is left out by itself, and told: rates, exchange profiles, pacing tables. The others go on."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import redis
from typer.testing import CliRunner

from raybid.cli.main import app
from rtb.exchanges import key_id
from rtb.pacing import snapshot
from tests.conftest import Valkey
from tests.deployments.in_process import ADMIN_KEY, Platform, running
from tests.rtb.builders import make_campaign
from tests.support import until

SLOT = {"w": 300, "h": 250}


def left_out(client: httpx.Client) -> list[str]:
    answer = client.get("/health")
    assert answer.status_code == 200
    names: list[str] = answer.json()["parts"]["records"]["names"]
    return names


def status_of(platform: Platform) -> int:
    return CliRunner().invoke(app, ["status", "--url", platform.url, "--key", ADMIN_KEY]).exit_code


def test_each_kind_is_told_and_nothing_else_stops(valkey: Valkey, tmp_path: Path) -> None:
    profiles, rates = tmp_path / "exchanges", tmp_path / "rates.yaml"
    profiles.mkdir()
    rates.write_text("rates: {EUR: 0.9}")
    with (
        running(valkey, tmp_path / "var", exchanges_dir=profiles, rates=rates) as platform,
        platform.client() as client,
    ):
        platform.register(make_campaign("spring"))
        assert (left_out(client), status_of(platform)) == ([], 0)
        assert 'raybid_records_left_out{kind="rates"} 0.0' in client.get("/metrics").text
        rates.write_text("rates: {EUR: minus one}")
        until(lambda: left_out(client) == ["rates rates.yaml"])
        assert status_of(platform) == 4
        assert 'raybid_records_left_out{kind="rates"} 1.0' in client.get("/metrics").text
        assert client.post("/bid", json=SLOT | {"currency": "EUR"}).json()["bid"]  # by what was known before
        with redis.Redis(port=valkey.port) as server:
            table = snapshot.encode_pacing(platform.router.parts.replica.snapshots.pacing)
            until(lambda: _bad_table(server, table, client))
        assert client.post("/bid", json=SLOT).json()["bid"]
        rates.write_text("rates: {EUR: 0.8}")
        until(lambda: left_out(client) == [])
        assert status_of(platform) == 0


def _bad_table(server: redis.Redis, table: bytes, client: httpx.Client) -> bool:
    """Publish what another release might; the Controller's next tick puts it right again."""
    server.hset(snapshot.PACING, mapping={"version": "of another release", "body": b"v2" + table})
    return any("pacing the pacing table's snapshot" in left_out(client) for _ in range(8))


def test_an_exchange_is_refused_until_its_profile_is_corrected(valkey: Valkey, tmp_path: Path) -> None:
    profiles = tmp_path / "exchanges"
    profiles.mkdir()
    with running(valkey, tmp_path / "var", exchanges_dir=profiles) as platform:
        platform.register(make_campaign("spring", value=50_000_000))
        with platform.client() as client:
            made = client.post("/admin/keys", json={"name": "acme", "scopes": ["exchange"]}).json()["key"]
    request = {"id": "1", "imp": [{"id": "1", "banner": {"w": 300, "h": 250}}]}
    good = f"name: acme\nkeys: [{key_id(made)}]\nnotice_networks: [127.0.0.0/8]\n"
    (profiles / "acme.yaml").write_text(good)
    with running(valkey, tmp_path / "var", exchanges_dir=profiles) as platform:
        until(lambda: platform.client(made).post("/openrtb2/acme", json=request).status_code == 200)
        bid = platform.client(made).post("/openrtb2/acme", json=request).json()["seatbid"][0]["bid"][0]
    (profiles / "acme.yaml").write_text(good + "qsp: 5\n")
    path = "/notice/" + bid["burl"].split("/notice/")[1].replace("${AUCTION_PRICE}", "0.1")
    with (
        running(valkey, tmp_path / "var", exchanges_dir=profiles) as platform,
        platform.client() as client,
        platform.client(made) as acme,
    ):
        until(lambda: bool(client.post("/bid", json=SLOT).json()["bid"]))
        assert left_out(client) == ["exchange acme.yaml"]
        assert [acme.post(f"/openrtb2/{where}", json=request).status_code for where in ("bid", "acme")] == [403, 404]
        assert acme.post("/bid", json=SLOT).status_code == 403
        assert client.get(path).status_code == 503
    (profiles / "acme.yaml").write_text(good)
    with running(valkey, tmp_path / "var", exchanges_dir=profiles) as platform, platform.client() as client:
        assert client.get(path).status_code == 204


@pytest.mark.parametrize("body", [b"", b"x", b"v1" * 500])
def test_a_table_of_another_release_is_none(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a pacing table"):
        snapshot.decode_pacing(body)

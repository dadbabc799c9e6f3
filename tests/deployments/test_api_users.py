"""What is kept of a person goes when an administrator says so, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from fastapi.testclient import TestClient

from deployments.api import users
from rtb.campaigns.campaign import FrequencyCap
from rtb.catalog import Catalog, KeyRing, configured_keys
from rtb.runtime.settings import Settings
from rtb.targeting.frequency import FrequencyGate, ImpressionCap
from rtb.targeting.users import UserKeys
from tests.conftest import Valkey
from tests.deployments.rest import rest
from tests.rtb.builders import make_campaign

_KEY, _EXCHANGE_KEY = "an administrator's key of the tests", "an exchange's own key of the tests"
USERS = ("ann", "Bob/2?x=1&y#z", "ünï code", "a" * 512)


@pytest.fixture
def keys() -> UserKeys:
    return UserKeys("a secret of the tests")


@pytest.fixture
def client(valkey: Valkey, keys: UserKeys, tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(admin_key=_KEY, exchange_keys=_EXCHANGE_KEY, var_dir=tmp_path)
    catalog = Catalog(settings.catalog_url)
    for name in ("spring", "summer"):
        catalog.add(make_campaign(name, frequency=FrequencyCap(count=3, seconds=3_600)))
    catalog.archive("summer", "anna", 1)
    gate = FrequencyGate(valkey.client(), timeout=10)
    calls = [users.routes(catalog, keys, gate, ["liveramp.com"])]
    with TestClient(
        rest(calls, settings, KeyRing(catalog.keys, configured_keys(settings))), headers={"X-API-Key": _KEY}
    ) as client:
        yield client
    catalog.close()


def shown(valkey: Valkey, keys: UserKeys, users: tuple[str, ...], *names: str) -> None:
    """Each user was shown both campaigns, as either kind of user or under these names."""

    async def main() -> None:
        async with valkey.client() as server:
            gate = FrequencyGate(server, timeout=10)
            gate.recap({1: ImpressionCap(3, 3_600.0), 2: ImpressionCap(3, 3_600.0)})
            for user in users:
                for name in names or (f"buyer:{user}", f"exchange:{user}"):
                    for campaign in (1, 2):
                        assert await gate.count(campaign, keys.key(name))

    asyncio.run(main())


def counters(valkey: Valkey) -> int:
    with redis.Redis(port=valkey.port) as server:
        return len(list(server.scan_iter("raybid:frequency:*")))


def test_counters_of_a_user_go_and_those_of_others_stay(client: TestClient, valkey: Valkey, keys: UserKeys) -> None:
    shown(valkey, keys, USERS)
    for place, user in enumerate(USERS, start=1):
        for count in (4, 0):
            answer = client.delete(f"/users/{quote(user, safe='')}")
            assert (answer.status_code, answer.json()) == (200, {"frequency_counters": count})
        assert counters(valkey) == 4 * (len(USERS) - place)


@pytest.mark.parametrize(("key", "status"), [("", 401), ("wrong", 401), (_EXCHANGE_KEY, 403)])
def test_only_an_administrator_forgets(
    client: TestClient, valkey: Valkey, keys: UserKeys, key: str, status: int
) -> None:
    shown(valkey, keys, ("ann",))
    client.headers["X-API-Key"] = key
    if not key:
        del client.headers["X-API-Key"]
    assert client.delete("/users/ann").status_code == status
    assert counters(valkey) == 4


def test_an_id_without_bounds_is_refused(client: TestClient) -> None:
    assert client.delete(f"/users/{'a' * 513}").status_code in (400, 422)
    assert client.delete("/users/").status_code in (400, 404, 405, 422)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("ifa:8f3e6a1c", "8F3E6A1C"),
        ("eid:liveramp.com:XY1", "XY1"),
        ("eid:other.example:XY1", "XY1?source=other.example"),
        ("eid:other.example:XY1", "XY1?source=Other.example"),
    ],
)
def test_a_user_is_forgotten_by_whichever_id_it_was_known(
    client: TestClient, valkey: Valkey, keys: UserKeys, name: str, path: str
) -> None:
    shown(valkey, keys, ("?",), name)
    assert client.delete(f"/users/x{path}").json() == {"frequency_counters": 0}
    assert client.delete(f"/users/{path}").json() == {"frequency_counters": 2}
    assert counters(valkey) == 0

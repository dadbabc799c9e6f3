"""A replica refuses a cluster of several hosts that its own is not like; one host is asked nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployments.bootstrap.controller import controller_parts
from deployments.bootstrap.router import router_parts
from deployments.ctr_model import CTRModel
from deployments.hosts import HostsDiffer, check_hosts
from deployments.rl_bidder import RLBidder
from rtb.runtime.settings import Settings
from rtb.store import StoreAway, cluster_record
from tests.cluster_settings import RIGHT, WRONG, environment, spoilt

HEAD = "10.9.0.1"


def node(address: str, *, is_head: bool = False, is_alive: bool = True) -> dict[str, Any]:
    resources = {f"node:{address}": 1.0, "CPU": 2.0} | ({"node:__internal_head__": 1.0} if is_head else {})
    return {"NodeManagerAddress": address, "Alive": is_alive, "Resources": resources}


TWO = [node(HEAD, is_head=True), node("10.9.0.3")]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes replicas believe in a cluster of these nodes."""

    def believe(nodes: list[dict[str, Any]], listening: str = "0.0.0.0") -> None:
        client = SimpleNamespace(http_config=SimpleNamespace(host=listening))
        monkeypatch.setattr("ray.is_initialized", lambda: True)
        monkeypatch.setattr("ray.nodes", lambda: nodes)
        for module in ("hosts", "wiring"):
            monkeypatch.setattr(f"deployments.{module}._get_global_client", lambda: client)

    return believe


def settings_of(told: dict[str, str], patch: pytest.MonkeyPatch) -> Settings:
    for name in RIGHT:
        patch.delenv(name, raising=False)
    patch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)  # that of the tests' own Ray
    patch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)
    for name, value in told.items():
        patch.setenv(name, value)
    return Settings()


def test_without_ray_nothing_is_asked() -> None:
    check_hosts(Settings())


@pytest.mark.parametrize(
    "nodes",
    [
        [node("127.0.0.1", is_head=True)],
        [node(HEAD, is_head=True), node(HEAD)],
        [node(HEAD, is_head=True), node("10.9.0.3", is_alive=False)],
    ],
    ids=["one", "two on one host", "one that is dead"],
)
def test_one_host_is_never_refused(nodes: list[dict[str, Any]], cluster: Any, tmp_path: Path) -> None:
    cluster(nodes, "127.0.0.1")
    check_hosts(Settings(var_dir=tmp_path))


def test_hosts_like_the_head_are_not_refused(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(TWO)
    settings = settings_of(environment(tmp_path), monkeypatch)
    cluster_record.write_record(settings, RIGHT["RAY_AUTH_TOKEN"], HEAD)
    check_hosts(settings)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_setting_is_refused_with_its_line(
    wrong: tuple[str, str | None, str], cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, value, line = wrong
    cluster(TWO)
    settings = settings_of(spoilt(tmp_path, name, value), monkeypatch)
    with pytest.raises(HostsDiffer) as refused:
        check_hosts(settings)
    assert str(refused.value).startswith(line)


def test_a_loopback_ingress_is_refused(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(TWO, "127.0.0.1")
    with pytest.raises(HostsDiffer, match=r"http_options\.host"):
        check_hosts(settings_of(environment(tmp_path), monkeypatch))


def test_a_folder_of_its_own_is_refused(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(TWO)
    with pytest.raises(HostsDiffer, match=r"is not that of the head at 10\.9\.0\.1"):
        check_hosts(settings_of(environment(tmp_path), monkeypatch))


def test_another_secret_is_refused(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(TWO)
    settings = settings_of(environment(tmp_path), monkeypatch)
    theirs = settings.model_copy(update={"notice_secret": "ns-another-1c9e7b50d2"})
    cluster_record.write_record(theirs, RIGHT["RAY_AUTH_TOKEN"], HEAD)
    with pytest.raises(HostsDiffer, match="RAYBID_NOTICE_SECRET is not that of the head"):
        check_hosts(settings)


def test_a_store_that_is_away_keeps_no_replica_from_starting(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> list[str]:
        raise StoreAway("no route")

    cluster(TWO)
    monkeypatch.setattr(cluster_record, "differences", away)
    check_hosts(settings_of(environment(tmp_path), monkeypatch))


class _Bidder(RLBidder):
    """Without Serve, nobody awaits this."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


def _router() -> None:
    stages: Any = SimpleNamespace()
    router_parts(stages, None)


@pytest.mark.parametrize("start", [CTRModel, _Bidder, controller_parts, _router])
def test_every_stage_asks_before_it_does_anything(
    start: Any, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(TWO)
    settings_of({"RAYBID_VAR_DIR": str(tmp_path / "var")}, monkeypatch)
    with pytest.raises(HostsDiffer, match="RAYBID_REDIS_URL is not set"):
        start()
    assert not (tmp_path / "var").exists()

"""What the platform says of published models, as operators see it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from rtb import policy
from rtb.artefacts import WEIGHTS
from rtb.registry import Registry
from tests.conftest import Valkey, find_free_port
from tests.deployments.in_process import running


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _publish(folder: Path, version_of: float) -> str:
    neutral = policy.neutral()
    neutral.layers[0][1][0] = version_of
    policy.save(folder / "candidate", neutral, metrics={}, trained_on="nothing")
    registry = Registry(folder / "published", "policy")
    with registry.deciding():
        version = registry.add(folder / "candidate").version
        registry.decide("published", version, "a test")
    return version


def test_what_is_published_and_what_each_replica_serves(valkey: Valkey, tmp_path: Path):
    with running(valkey, tmp_path, find_free_port()) as platform, platform.client() as client:

        def told() -> dict[str, Any]:
            found: dict[str, Any] = client.get("/models").json()
            return found

        assert httpx.get(f"{platform.url}/models").status_code == 401
        _until(lambda: all(told()[kind]["replicas"] for kind in ("ctr", "policy")))
        assert [told()[kind]["published"] for kind in ("ctr", "policy")] == [None, None]
        assert told()["policy"]["replicas"][0]["version"] == "prior"

        good = _publish(tmp_path, 1.0)
        _until(lambda: [one["version"] for one in told()["policy"]["replicas"]] == [good])
        assert told()["policy"]["published"] == good
        assert client.get("/admin/artefacts").json()["policy"]["version"] == good
        assert client.get("/health").json()["parts"]["models"]["policy"] == good

        bad = _publish(tmp_path, 2.0)
        (tmp_path / "published" / "policy" / "versions" / bad / WEIGHTS).write_bytes(b"")
        _until(lambda: [one["state"] for one in told()["policy"]["replicas"]] == ["refused"])
        (replica,) = told()["policy"]["replicas"]
        assert (replica["version"], told()["policy"]["published"]) == (good, bad)
        health = client.get("/health").json()
        assert (health["status"], health["parts"]["models"]["state"]) == ("degraded", "refused")
        families = {one.name: one for one in text_string_to_metric_families(client.get("/metrics").text)}
        counts = {tuple(one.labels.values()): one.value for one in families["raybid_model_replicas"].samples}
        assert counts["policy", "refused"] == counts["ctr", "ok"] == 1
        assert counts["policy", "ok"] == 0

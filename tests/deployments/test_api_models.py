"""What the platform says of published models, as operators see it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from rtb.models import policy
from rtb.models.artefacts import META, WEIGHTS
from rtb.models.registry import Registry
from tests.conftest import Valkey
from tests.deployments.in_process import publish, running
from tests.support import until


def test_an_earlier_model_serves_again(valkey: Valkey, tmp_path: Path):
    with running(valkey, tmp_path) as platform, platform.client() as client:
        assert client.get("/models/policy").json() == {"champion": None, "former": None, "history": []}
        refused = client.post("/models/policy/rollback", json={})
        assert (refused.status_code, "is the first" in refused.json()["detail"]) == (409, True)

        first, second = publish(tmp_path, 1.0), publish(tmp_path, 2.0)
        told = client.get("/models/policy").json()
        assert (told["champion"], told["former"]) == (second, first)
        assert [line["version"] for line in told["history"]] == [first, second]

        body = {"to": first, "reason": "wins too little"}
        assert httpx.post(f"{platform.url}/models/policy/rollback", json=body).status_code == 401
        done = client.post("/models/policy/rollback", json=body)
        assert (done.status_code, done.json()["action"], done.json()["version"]) == (200, "rolled back", first)
        assert done.json()["reason"].startswith("wins too little (key:")
        until(lambda: [one["version"] for one in client.get("/models").json()["policy"]["replicas"]] == [first])
        for bad in ({"to": "0" * 12}, {"to": first}):
            assert client.post("/models/policy/rollback", json=bad).status_code == 409
        for bad in ({"to": "../x"}, {"reason": ""}, {"until": first}):
            assert client.post("/models/policy/rollback", json=bad).status_code == 422
        assert client.get("/models/none").status_code == 422
        assert Registry(tmp_path / "published", "policy").read().champion == first


def test_a_record_that_is_damaged_is_told(valkey: Valkey, tmp_path: Path):
    (tmp_path / "published" / "ctr").mkdir(parents=True)
    with running(valkey, tmp_path) as platform, platform.client() as client:
        (tmp_path / "published" / "ctr" / "record.json").write_text("{")
        assert client.get("/models/ctr").status_code == 503
        assert client.post("/models/ctr/rollback", json={}).status_code == 409


def test_a_candidate_that_is_none_is_refused_before_a_job_is_sent(valkey: Valkey, tmp_path: Path):
    policy.save(tmp_path / "candidate", policy.neutral(), metrics={}, trained_on="nothing")
    with running(valkey, tmp_path) as platform, platform.client() as client:
        for folder in (str(tmp_path / "none"), ""):
            assert client.post("/models/policy/publish", json={"folder": folder}).status_code == 422
        other = client.post("/models/ctr/publish", json={"folder": str(tmp_path / "candidate")})
        assert (other.status_code, "policy" in other.json()["detail"]) == (422, True)
        outside = tmp_path.parent / f"{tmp_path.name}-outside"
        policy.save(outside, policy.neutral(), metrics={}, trained_on="nothing")
        (tmp_path / "link").symlink_to(outside)
        hidden = [str(outside), str(tmp_path / "link"), str(tmp_path / ".." / outside.name), "/etc/passwd", "/nowhere"]
        refused = {client.post("/models/policy/publish", json={"folder": folder}).text for folder in hidden}
        assert len(refused) == 1  # nothing is told of what is elsewhere
        (tmp_path / "pipe").mkdir()
        os.mkfifo(tmp_path / "pipe" / META)
        assert client.post("/models/policy/publish", json={"folder": str(tmp_path / "pipe")}).status_code == 422
        good = {"folder": str(tmp_path / "candidate")}
        told = client.post("/models/policy/publish", json=good)  # without Ray there are no jobs
        assert (told.status_code, "pipelines.publish" in told.json()["detail"]) == (409, True)
        assert client.get("/models/policy/publish/raysubmit_x").status_code == 409


def test_what_is_published_and_what_each_replica_serves(valkey: Valkey, tmp_path: Path):
    with running(valkey, tmp_path) as platform, platform.client() as client:

        def told() -> dict[str, Any]:
            found: dict[str, Any] = client.get("/models").json()
            return found

        assert httpx.get(f"{platform.url}/models").status_code == 401
        until(lambda: all(told()[kind]["replicas"] for kind in ("ctr", "policy")))
        assert [told()[kind]["published"] for kind in ("ctr", "policy")] == [None, None]
        assert told()["policy"]["replicas"][0]["version"] == "prior"

        good = publish(tmp_path, 1.0)
        until(lambda: [one["version"] for one in told()["policy"]["replicas"]] == [good])
        assert told()["policy"]["published"] == good
        assert client.get("/admin/artefacts").json()["policy"]["version"] == good
        assert client.get("/health").json()["parts"]["models"]["policy"] == good

        bad = publish(tmp_path, 2.0)
        (tmp_path / "published" / "policy" / "versions" / bad / WEIGHTS).write_bytes(b"")
        until(lambda: [one["state"] for one in told()["policy"]["replicas"]] == ["refused"])
        (replica,) = told()["policy"]["replicas"]
        assert (replica["version"], told()["policy"]["published"]) == (good, bad)
        health = client.get("/health").json()
        assert (health["status"], health["parts"]["models"]["state"]) == ("degraded", "refused")
        families = {one.name: one for one in text_string_to_metric_families(client.get("/metrics").text)}
        counts = {tuple(one.labels.values()): one.value for one in families["raybid_model_replicas"].samples}
        assert counts["policy", "refused"] == counts["ctr", "ok"] == 1
        assert counts["policy", "ok"] == 0

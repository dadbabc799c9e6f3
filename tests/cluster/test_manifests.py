"""The manifests are current and safe."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from cluster.manifests import build, generate, validate
from cluster.manifests.__main__ import main
from cluster.manifests.crds import Crds
from cluster.manifests.faults import Object
from rtb.runtime.settings import Settings
from rtb.runtime.several_hosts import faults
from tests.cluster.built import HEAD, KUBERAY, ROOT, WORKERS, at, built, one

COMMAND = typer.Typer()
COMMAND.command()(main)

# Serve's configuration, and other generated files


@pytest.mark.parametrize(("overlay", "folder"), [("overlays/local", "base"), ("overlays/production",) * 2])
def test_a_cluster_serves_what_serve_config_says_but_for_the_changes_it_names(overlay: str, folder: str) -> None:
    plain = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    changes = yaml.safe_load((KUBERAY / folder / "serve.yaml").read_text())
    config = yaml.safe_load(one("RayService", overlay)["spec"]["serveConfigV2"])

    assert config["http_options"].pop("host") == changes["http_options"]["host"] == "0.0.0.0"
    plain["http_options"].pop("host")
    for named, change in changes.get("deployments", {}).items():
        for whose in (config, plain):
            deployment = next(d for d in whose["applications"][0]["deployments"] if d["name"] == named)
            had = deployment.pop("max_replicas_per_node")
            assert (
                whose is plain or had == change["max_replicas_per_node"] < change["autoscaling_config"]["min_replicas"]
            )
            for field, value in change["autoscaling_config"].items():
                had = deployment["autoscaling_config"].pop(field)
                assert whose is plain or had == value
    assert config == plain


def test_a_change_of_a_deployment_that_is_not_there_is_refused() -> None:
    plain = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    with pytest.raises(ValueError, match="no deployment Ruoter"):
        generate.with_changes(plain, {"deployments": {"Ruoter": {"max_ongoing_requests": 1}}})


def test_generated_files_are_current() -> None:
    assert generate.check(ROOT) == []


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Copy the generated files and their sources."""
    for name in ("serve_config.yaml", "cluster/ray.env"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(KUBERAY, tmp_path / "cluster/kuberay")
    for name in ("cluster/prometheus/alerts.yaml", "dashboards/grafana"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name)
        elif (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def _stale(root: Path) -> list[tuple[str, str]]:
    return [(Path(fault.place).name, fault.reason.partition(":")[0]) for fault in generate.check(root)]


def test_stale_missing_and_left_over_files_are_found_and_mended(copied: Path) -> None:
    assert _stale(copied) == []
    (copied / "cluster/ray.env").write_text("RAY_AUTH_MODE=token\nRAY_worker_niceness=1\n")
    (copied / "cluster/kuberay/base/generated/serve-config.yaml").unlink()
    (copied / "cluster/kuberay/base/generated/old.yaml").write_text("")
    assert _stale(copied) == [
        ("ray.env", "is stale"),
        ("serve-config.yaml", "is missing"),
        ("old.yaml", "is obsolete"),
    ]
    assert len(generate.write(copied)) == 3
    assert _stale(copied) == []
    environment = (copied / "cluster/kuberay/environment/generated/ray.env").read_text()
    assert "RAY_AUTH_MODE=token" in environment and "RAY_worker_niceness=1" in environment


def test_alerts_and_dashboards_become_objects_of_their_own(copied: Path, crds: Crds) -> None:
    alerts = {"groups": [{"name": "raybid", "rules": [{"alert": "Down", "expr": "up == 0", "for": "1m"}]}]}
    (copied / "cluster/prometheus").mkdir(parents=True, exist_ok=True)
    (copied / "cluster/prometheus/alerts.yaml").write_text(yaml.safe_dump(alerts))
    board = json.dumps({"title": "A {{board}}", "panels": [{"expr": 'rate(x{a="b"}[5m]) > 1\n# two lines'}]}, indent=1)
    (copied / "dashboards/grafana").mkdir(parents=True, exist_ok=True)
    (copied / "dashboards/grafana/overview_test.json").write_text(board)
    why = {reason for name, reason in _stale(copied) if name == "prometheus-rule.yaml"}
    assert why & {"is missing", "is stale"}
    generate.write(copied)
    objects = build.build(copied / "cluster/kuberay/overlays/production")
    assert [fault for body in objects for fault in validate.check("", body, crds)] == []
    rule = next(body for body in objects if body["kind"] == "PrometheusRule")
    assert rule["spec"] == alerts
    kept = next(body for body in objects if body["metadata"]["name"] == "raybid-dashboard-overview-test")
    assert kept["data"]["overview_test.json"] == board
    assert kept["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_a_dashboard_too_large_for_a_configmap_is_refused() -> None:
    with pytest.raises(ValueError, match="a ConfigMap holds"):
        generate.dashboard("large", json.dumps({"text": "x" * 1_000_000}))


@pytest.mark.parametrize(
    "text", ["A=1\n", "RAY_AUTH_MODE=token\n" * 2, "RAY_AUTH_MODE=disabled\n", "RAY_AUTH_MODE=token\nB='c d'\n"]
)
def test_an_environment_that_kustomize_would_read_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cluster/ray\.env"):
        generate.ray_environment(text)


# What production may not do


def _pods(body: Object) -> Iterator[tuple[str, Object]]:
    """Pod specs anywhere in an object, the submitter's included."""

    def walk(value: Any, path: str) -> Iterator[tuple[str, Object]]:
        if isinstance(value, dict):
            if "containers" in value:
                yield path, value
            for key, child in value.items():
                yield from walk(child, f"{path}.{key}")
        elif isinstance(value, list):
            for index, child in enumerate(value):
                yield from walk(child, f"{path}.{index}")

    yield from walk(body, f"{body['kind']}/{body['metadata']['name']}")


@pytest.mark.parametrize("name", build.BUILT)
def test_no_container_is_more_than_it_needs_to_be(name: str) -> None:
    pods = [pod for body in built(name) for pod in _pods(body)]
    assert pods
    for where, pod in pods:
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True and security["runAsUser"] > 0, where
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert pod["automountServiceAccountToken"] is False, where
        assert not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), where
        assert not any("hostPath" in volume for volume in pod["volumes"]), where
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            own = container["securityContext"]
            assert own["readOnlyRootFilesystem"] is True, where
            assert own["allowPrivilegeEscalation"] is False, where
            assert own["capabilities"] == {"drop": ["ALL"]}, where
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), where
            assert "memory" in container["resources"]["limits"], where


@pytest.mark.parametrize("name", build.BUILT)
def test_no_secret_is_in_the_manifests(name: str) -> None:
    for body in built(name):
        assert body["kind"] != "Secret"
        for _, pod in _pods(body):
            for container in (*pod["containers"], *pod.get("initContainers", ())):
                for variable in container.get("env", ()):
                    is_secret = any(word in variable["name"] for word in ("PASSWORD", "TOKEN", "KEY", "AUTH"))
                    plain = variable["name"] in ("RAY_AUTH_MODE", "POSTGRES_PASSWORD_FILE")
                    assert plain or not (is_secret and "value" in variable), variable["name"]


def test_only_the_autoscaler_has_a_token_of_the_api_server() -> None:
    service = one("RayService")
    assert {"name": "api-access"}.items() <= at(
        service, "spec.rayClusterConfig.autoscalerOptions.volumeMounts.0"
    ).items()
    for _, pod in _pods(service):
        mounted = [mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]]
        assert "api-access" not in mounted


@pytest.mark.parametrize("name", ["overlays/local", "overlays/production", "overlays/upgrade"])
def test_everything_is_denied_that_no_policy_allows(name: str) -> None:
    policies = [body for body in built(name) if body["kind"] == "NetworkPolicy"]
    deny = next(body for body in policies if body["metadata"]["name"] == "default-deny")
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for body in policies:  # only the doors of the upgrade overlay are open to everyone
        for rule in body["spec"].get("ingress", ()):
            assert rule.get("from") or body["metadata"]["name"] == "gateways", body["metadata"]["name"]
            assert all(peer for peer in rule.get("from", ())), body["metadata"]["name"]


def test_prometheus_is_let_in_where_it_looks() -> None:
    policy = one("NetworkPolicy", name="serving-from-prometheus")
    allowed = {port["port"] for port in at(policy, "spec.ingress.0.ports")}
    head = at(one("RayService"), f"{HEAD}.template.spec.containers.0.ports")
    worker = at(one("RayService"), f"{WORKERS}.template.spec.containers.0.ports")
    numbers = {port["name"]: port["containerPort"] for port in [*head, *worker]}
    looked_at = {
        endpoint["port"]
        for body in built("overlays/production")
        if body["kind"] == "PodMonitor"
        for endpoint in body["spec"]["podMetricsEndpoints"]
    }
    assert looked_at == {"metrics", "as-metrics", "dash-metrics", "haproxy-metrics", "serve"}
    assert {numbers[name] for name in looked_at} == allowed


def test_jobs_are_named_as_alerts_and_dashboards_ask_for_them() -> None:
    monitors = [body for body in built("overlays/production") if body["kind"] == "PodMonitor"]
    jobs = {
        endpoint["port"]: next(one["replacement"] for one in endpoint["relabelings"] if one["targetLabel"] == "job")
        for body in monitors
        for endpoint in body["spec"]["podMetricsEndpoints"]
    }
    assert jobs == {
        **dict.fromkeys(("metrics", "as-metrics", "dash-metrics"), "ray"),
        "haproxy-metrics": "haproxy",
        "serve": "raybid",
    }
    configuration = ROOT / "cluster" / "prometheus" / "prometheus.yaml"
    if configuration.exists():
        scraped = yaml.safe_load(configuration.read_text())["scrape_configs"]
        assert set(jobs.values()) == {one["job_name"] for one in scraped}


def test_workers_scale_from_three_to_ten_over_zones_and_a_drain_leaves_some() -> None:
    service = one("RayService")
    assert at(service, "spec.rayClusterConfig.enableInTreeAutoscaling") is True
    group = at(service, WORKERS)
    assert (group["minReplicas"], group["maxReplicas"]) == (3, 10)
    zones = group["template"]["spec"]["topologySpreadConstraints"][0]
    assert (zones["topologyKey"], zones["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "DoNotSchedule")
    labels = group["template"]["metadata"]["labels"] | {"ray.io/node-type": "worker"}
    for selector in (zones["labelSelector"], one("PodDisruptionBudget")["spec"]["selector"]):
        assert selector["matchLabels"].items() <= labels.items()


def test_a_training_fits_on_its_workers_and_is_on_all_of_them() -> None:
    from pipelines.policy_training.hosts import Host, Processes, places  # noqa: PLC0415 - here alone

    job = one("RayJob", "train")
    words = at(job, "spec.entrypoint").split()
    runners = int(words[words.index("--num-env-runners") + 1])
    (group,) = at(job, "spec.rayClusterSpec.workerGroupSpecs")
    cpus = float(at(group, "template.spec.containers.0.resources.limits.cpu"))
    workers = [Host(f"id-{number}", f"worker-{number}", cpus, cpus) for number in range(group["replicas"])]
    assert set(places(workers, Processes(runners, 0))) == set(workers)
    assert at(job, "spec.rayClusterSpec.headGroupSpec.rayStartParams.num-cpus") == "0"
    assert Path(words[words.index("--out") + 1]).is_absolute()  # in the folder that all pods mount


def test_head_and_workers_have_the_environment_of_ray_env() -> None:
    lines = (ROOT / "cluster" / "ray.env").read_text().splitlines()
    wanted = dict(line.split("=", 1) for line in lines if line and not line.startswith("#")) | {
        "RAY_AUTH_MODE": "token"
    }
    objects = built("overlays/production")
    maps = {body["metadata"]["name"]: body["data"] for body in objects if body["kind"] == "ConfigMap"}
    for _, pod in _pods(one("RayService")):
        has: dict[str, str] = {}
        for source in pod["containers"][0]["envFrom"]:
            has |= maps.get(source.get("configMapRef", {}).get("name"), {})
        assert wanted.items() <= has.items()


def test_every_setting_is_one_that_the_platform_has() -> None:
    known = {f"RAYBID_{name.upper()}" for name in Settings.model_fields}
    for name in ("overlays/local", "overlays/production"):
        settings = [b["data"] for b in built(name) if b["metadata"]["name"].startswith("raybid-settings-")]
        assert settings and {key for key in settings[0] if key.startswith("RAYBID_")} <= known


@pytest.mark.parametrize("name", ["overlays/local", "overlays/production", "overlays/upgrade"])
def test_pods_have_what_several_hosts_need(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = next(body["data"] for body in built(name) if body["metadata"]["name"].startswith("raybid-settings-"))
    ray = next(body["data"] for body in built(name) if body["metadata"]["name"].startswith("raybid-ray-"))
    secrets = dict.fromkeys(
        re.findall(r'"(RAYBID_\w+)=', (KUBERAY / "secrets.sh").read_text()), "of a test 4f1c9e7b50d2f8a6"
    )
    places = {
        "RAYBID_REDIS_URL": "redis://raybid-ledger/0",
        "RAYBID_DATABASE_URL": "postgresql://raybid-catalog/raybid",
    }
    told = ray | settings | secrets | places | {"RAY_AUTH_TOKEN": "of the operator's Secret"}
    for variable, value in told.items():
        if variable.startswith("RAYBID_"):
            monkeypatch.setenv(variable, value)
    assert faults(Settings(), told) == []


def test_the_head_records_what_pods_have_in_common_before_ray_starts() -> None:
    pod = at(one("RayService"), f"{HEAD}.template.spec")
    (record,) = pod["initContainers"]
    assert record["command"][-2:] == ["cluster", "record"]
    assert record["image"] == pod["containers"][0]["image"]
    assert record["envFrom"] == pod["containers"][0]["envFrom"]
    own = {variable["name"]: variable for variable in record["env"]}
    assert own["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "raybid-ray-token", "key": "auth_token"}
    assert own["RAYBID_NODE_IP"]["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    assert record["volumeMounts"] == pod["containers"][0]["volumeMounts"]


# The command


def test_the_last_line_is_json(crds: Crds) -> None:
    done = CliRunner().invoke(COMMAND)
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["invalid"] == 0 and said["objects"] > 80
    built_from = [int(count) for count in re.findall(r": (\d+) objects, 0 faults$", done.stderr, re.M)]
    assert len(built_from) == len(build.BUILT) and min(built_from) > 0


def test_without_crds_it_says_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(COMMAND, env={"CRDS": str(tmp_path)})
    assert done.exit_code == 1
    assert "CRDS=DIR" in done.stderr and str(tmp_path) in done.stderr


def test_a_broken_kustomization_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [nothing.yaml]\n")
    with pytest.raises(ValueError, match=r"nothing\.yaml"):
        build.build(tmp_path)

"""An error of each kind, planted in what is built, is found where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from cluster.manifests import generate, references, validate
from cluster.manifests.crds import Crds
from cluster.manifests.faults import ManifestFault, Object
from tests.cluster.built import HEAD, WORKERS, at, built, one


def put(path: str, value: Any) -> Callable[[Object], None]:
    parent, _, last = path.rpartition(".")

    def change(body: Object) -> None:
        (at(body, parent) if parent else body)[last] = value

    return change


def in_serve(change: Callable[[Object], None]) -> Callable[[Object], None]:
    def changed(body: Object) -> None:
        config = yaml.safe_load(body["spec"]["serveConfigV2"])
        change(config)
        body["spec"]["serveConfigV2"] = yaml.safe_dump(config)

    return changed


def faults_of(body: Object, crds: Crds) -> list[ManifestFault]:
    return validate.check("here", body, crds)


_PLANTED: list[tuple[str, str, Callable[[Object], None], str, str]] = [
    # kind, overlay, what is changed, where the fault is, what its reason says
    ("PodDisruptionBudget", "overlays/production", put("spec.minAvailabel", 1), "spec", "minAvailabel"),
    ("NetworkPolicy", "overlays/production", put("spec.podSelector", []), "spec.podSelector", "is not of type"),
    ("CronJob", "overlays/production", put("spec.schedule", 3), "spec.schedule", "is not of type"),
    ("StatefulSet", "overlays/local", put("spec.replicas", "one"), "spec.replicas", "is not of type"),
    ("Ingress", "overlays/local", put("apiVersion", "extensions/v1beta1"), "", "unknown kind"),
    ("Service", "overlays/local", put("kind", "Sevrice"), "", "unknown kind"),
    ("Service", "overlays/local", put("metadata", {}), "metadata.name", "needs a name"),
    # The structure of KubeRay's CRDs
    ("RayService", "overlays/production", put("spec.rayClusterConfig.headGroupSpecs", {}), "spec.rayClusterConfig", ""),
    ("RayService", "overlays/production", put(f"{WORKERS}.maxReplicas", "10"), f"{WORKERS}.maxReplicas", "integer"),
    (
        "RayService",
        "overlays/production",
        put("spec.rayClusterConfig.authOptions.mode", "tokens"),
        "spec.rayClusterConfig.authOptions.mode",
        "is not one of",
    ),
    (
        "RayService",
        "overlays/production",
        put(f"{HEAD}.template.spec.containers.0.livenes", {}),
        f"{HEAD}.template.spec.containers.0",
        "livenes",
    ),
    ("RayJob", "train", put("spec.activeDeadlineSeconds", 0.5), "spec.activeDeadlineSeconds", "integer"),
    ("RayCronJob", "checks/retrain-on-ray", put("spec.jobTemplate", {"schedule": 1}), "spec.jobTemplate", "schedule"),
    ("RayService", "overlays/production", put("apiVersion", "ray.io/v2"), "", "no CRD has this kind"),
    ("RayService", "overlays/production", put("kind", "RayServer"), "", "no CRD has this kind"),
    # Their rules in CEL
    ("RayService", "overlays/production", put("spec.managedBy", "me"), "spec.managedBy", "must be either"),
    (
        "RayJob",
        "train",
        put("spec.deletionStrategy", {"onSuccess": {"policy": "DeleteCluster"}}),
        "spec.deletionStrategy",
        "BOTH onSuccess and onFailur",
    ),
    # What the operator refuses beyond them
    ("RayService", "overlays/production", put("metadata.name", "r" * 48), "metadata.name", "47"),
    ("RayJob", "train", put("metadata.name", "r" * 48), "metadata.name", "47"),
    (
        "RayService",
        "overlays/upgrade",
        put("spec.upgradeStrategy.clusterUpgradeOptions.stepSizePercent", 60),
        "spec.upgradeStrategy.clusterUpgradeOptions",
        "at most maxSurgePercent 50",
    ),
    (
        "RayService",
        "overlays/upgrade",
        put("spec.rayClusterConfig.enableInTreeAutoscaling", False),
        "spec.rayClusterConfig.enableInTreeAutoscaling",
        "needs the autoscaler",
    ),
    ("RayService", "overlays/production", put(f"{WORKERS}.replicas", 11), f"{WORKERS}.replicas", "is not between"),
    (
        "RayService",
        "overlays/production",
        put(f"{HEAD}.template.spec.restartPolicy", "Always"),
        f"{HEAD}.template.spec.restartPolicy",
        "Never",
    ),
    (
        "RayService",
        "overlays/production",
        put(f"{HEAD}.template.spec.containers.0.env", [{"name": "REDIS_PASSWORD", "value": "x"}]),
        f"{HEAD}.template.spec.containers",
        "gcsFaultToleranceOptions",
    ),
    (
        "RayService",
        "overlays/production",
        put(f"{WORKERS}.template.spec.containers.0.env", []),
        f"{WORKERS}.template.spec.containers.0.env",
        "RAY_AUTH_MODE",
    ),
    (
        "RayService",
        "overlays/production",
        put("spec.rayClusterConfig.authOptions", {}),
        "spec.rayClusterConfig.auth",
        "",
    ),
    # Serve's configuration
    ("RayService", "overlays/production", put("spec.serveConfigV2", "a: ["), "spec.serveConfigV2", "not YAML"),
    ("RayService", "overlays/production", put("spec.serveConfigV2", ""), "spec.serveConfigV2", "serves nothing"),
    (
        "RayService",
        "overlays/production",
        in_serve(put("applications.0.import_path", "deployments")),
        "spec.serveConfigV2.applications.0.import_path",
        "",
    ),
    (
        "RayService",
        "overlays/production",
        in_serve(put("applications.0.deployments.0.max_ongoing_request", 3)),
        "spec.serveConfigV2.applications.0.deployments.0.max_ongoing_request",
        "no such field",
    ),
    (
        "RayService",
        "overlays/production",
        in_serve(put("applications.0.deployments.0.autoscaling_config.upscale_delay", 3)),
        "spec.serveConfigV2.applications.0.deployments.0.autoscaling_config.upscale_delay",
        "no such field",
    ),
    (
        "RayService",
        "overlays/production",
        in_serve(put("http_options.host", "127.0.0.1")),
        "spec.serveConfigV2.http_options.host",
        "0.0.0.0",
    ),
    # What other operators read
    ("PodMonitor", "overlays/production", put("spec.selector", {}), "spec.selector", ""),
    (
        "PodMonitor",
        "overlays/production",
        put("spec.podMetricsEndpoints.0.intervall", "15s"),
        "spec.podMetricsEndpoints.0",
        "intervall",
    ),
    ("PodMonitor", "overlays/production", put("kind", "PodMonitors"), "", "has no PodMonitors"),
    ("Gateway", "overlays/upgrade", put("spec.listeners.0.tls", None), "spec.listeners.0.tls", ""),
    ("HTTPRoute", "overlays/upgrade", put("spec.rules.0.backendRefs.0.port", 0), "spec.rules.0.backendRefs.0.port", ""),
]


@pytest.mark.parametrize("planted", _PLANTED, ids=lambda planted: f"{planted[0]}-{planted[3] or planted[4]}")
def test_a_planted_error_is_found(crds: Crds, planted: tuple[str, str, Callable[[Object], None], str, str]) -> None:
    kind, overlay, plant, where, reason = planted
    body = one(kind, overlay)
    assert faults_of(body, crds) == []
    plant(body)
    found = faults_of(body, crds)
    assert any(fault.path.startswith(where) and reason in fault.reason for fault in found), found


def test_defaults_are_applied_before_the_structure_is_looked_at(crds: Crds) -> None:
    body = one("RayService")
    group = at(body, WORKERS)
    del group["minReplicas"], group["maxReplicas"]
    assert faults_of(body, crds) == []
    group["replicas"] = -1
    assert any("minReplicas 0" in fault.reason or "-1" in fault.reason for fault in faults_of(body, crds))


def test_an_alert_rule_with_an_unknown_field_is_refused(crds: Crds) -> None:
    text = "groups: [{name: a, rules: [{alert: Late, expr: 'up == 0', for: 1m}]}]"
    rule = yaml.safe_load(generate.prometheus_rule(text))
    assert faults_of(rule, crds) == []
    rule["spec"]["groups"][0]["rules"][0]["four"] = "1m"
    assert "four" in faults_of(rule, crds)[0].reason


def test_a_configmap_that_nobody_makes_and_an_object_made_twice_are_found() -> None:
    objects = built("train")
    container = at(next(o for o in objects if o["kind"] == "RayJob"), "spec.rayClusterSpec.headGroupSpec.template.spec")
    container["containers"][0]["envFrom"][0]["configMapRef"]["name"] = "raybid-ray"
    found = references.check("train", [*objects, objects[0]])
    assert [fault.reason for fault in found] == [
        "ConfigMap raybid-ray is not in this build",
        "is there twice; the later one would replace the other",
    ]


def test_a_name_longer_than_a_cluster_may_have_is_refused(crds: Crds) -> None:
    spec = at(one("RayService"), "spec.rayClusterConfig")
    body = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "r" * 53}, "spec": spec}
    assert faults_of(body, crds) == []
    body["metadata"] = {"name": "r" * 54}
    assert [fault.path for fault in faults_of(body, crds)] == ["metadata.name"]

"""Rules of KubeRay's operator that its CRDs do not enforce: what it refuses or silently changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cluster.manifests.crds import Reason
from cluster.manifests.faults import Object

_MAX_NAME = {"RayCluster": 53, "RayService": 47, "RayJob": 47, "RayCronJob": 47}
_RESERVED = ("RAY_REDIS_ADDRESS", "REDIS_PASSWORD")


def reasons(body: Object) -> Iterator[Reason]:
    """Yield everything wrong with an object of `ray.io`."""
    name, limit = body.get("metadata", {}).get("name", ""), _MAX_NAME.get(body["kind"], 53)
    if len(name) > limit:
        yield "metadata.name", f"{len(name)} characters; at most {limit}, as names of derived objects are longer"
    spec = body.get("spec", {})
    where, cluster = _cluster(spec)
    yield from _upgrade(spec, cluster)
    if not cluster:
        return
    if not cluster.get("authOptions", {}).get("mode"):
        yield f"{where}.authOptions.mode", "must be set: else a stray token file decides"
    autoscales = bool(cluster.get("enableInTreeAutoscaling"))
    for index, group in enumerate(cluster.get("workerGroupSpecs", ())):
        yield from _group(f"{where}.workerGroupSpecs.{index}", group)
    for at, template in _templates(where, cluster):
        yield from _pod(at, template.get("spec", {}), cluster, autoscales=autoscales)


def _cluster(spec: Object) -> tuple[str, Object]:
    """Return where a Ray cluster is described, and the description."""
    for path in (("rayClusterConfig",), ("rayClusterSpec",), ("jobTemplate", "rayClusterSpec")):
        found: Any = spec
        for part in path:
            found = found.get(part, {})
        if found:
            return ".".join(("spec", *path)), found
    return ("spec", spec) if "headGroupSpec" in spec else ("spec", {})


def _templates(where: str, cluster: Object) -> Iterator[tuple[str, Object]]:
    yield f"{where}.headGroupSpec.template", cluster.get("headGroupSpec", {}).get("template", {})
    for index, group in enumerate(cluster.get("workerGroupSpecs", ())):
        yield f"{where}.workerGroupSpecs.{index}.template", group.get("template", {})


def _upgrade(spec: Object, cluster: Object) -> Iterator[Reason]:
    strategy = spec.get("upgradeStrategy", {})
    if strategy.get("type") != "NewClusterWithIncrementalUpgrade":
        return
    at = "spec.upgradeStrategy.clusterUpgradeOptions"
    options = strategy.get("clusterUpgradeOptions")
    if not options:
        yield at, "an incremental upgrade needs these"
        return
    if not cluster.get("enableInTreeAutoscaling"):
        yield "spec.rayClusterConfig.enableInTreeAutoscaling", "an incremental upgrade needs the autoscaler"
    step, surge = options.get("stepSizePercent", 0), options.get("maxSurgePercent", 100)
    if not 0 < step <= surge <= 100:
        yield at, f"stepSizePercent {step} must be above 0 and at most maxSurgePercent {surge}, which is at most 100"
    if options.get("intervalSeconds", 0) <= 0:
        yield f"{at}.intervalSeconds", "must be above 0"


def _group(at: str, group: Object) -> Iterator[Reason]:
    least, most = group.get("minReplicas", 0), group.get("maxReplicas", 2**31 - 1)
    if not least <= group.get("replicas", least) <= most:
        yield f"{at}.replicas", f"{group.get('replicas')} is not between minReplicas {least} and maxReplicas {most}"


def _pod(at: str, pod: Object, cluster: Object, *, autoscales: bool) -> Iterator[Reason]:
    if autoscales and pod.get("restartPolicy", "Never") != "Never":
        yield f"{at}.spec.restartPolicy", "must be Never or absent: the autoscaler replaces pods itself"
    containers = pod.get("containers", ())
    if "gcsFaultToleranceOptions" in cluster:
        for container in containers:
            for variable in container.get("env", ()):
                if variable["name"] in _RESERVED:
                    yield f"{at}.spec.containers", f"{variable['name']} is set by gcsFaultToleranceOptions"
    if containers and not _says_mode(containers[0]):
        yield f"{at}.spec.containers.0.env", "RAY_AUTH_MODE is not set"


def _says_mode(container: Object) -> bool:
    return any(variable["name"] == "RAY_AUTH_MODE" for variable in container.get("env", ()))

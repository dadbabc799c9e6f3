"""Files of cluster/kuberay that are made of others: Serve's configuration, Ray's environment, alerts, dashboards."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from cluster.manifests.faults import Fault, Object

_NOTE = "# Made by `make manifests WRITE=1`; do not edit.\n"
_MAX_BYTES = 1_000_000
"""Of a ConfigMap, with some room under the API server's limit of 1 MiB."""


class _Text(str):
    """Text that is shown as lines."""


class _Dumper(yaml.SafeDumper):
    """YAML as people write it: lists indented, long text as a block."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists as well."""
        super().increase_indent(flow, False)


_Dumper.add_representer(
    _Text, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def wanted(root: Path) -> dict[Path, str]:
    """Every generated file with what should be in it.

    Args:
        root: of the repository.

    Raises:
        ValueError: a file to make them of is malformed.
        OSError: one is missing.
    """
    kuberay = root / "cluster" / "kuberay"
    files = {kuberay / "environment/generated/ray.env": ray_environment((root / "cluster/ray.env").read_text())}
    plain = yaml.safe_load((root / "serve_config.yaml").read_text())
    for folder in (kuberay / "base", kuberay / "overlays/production"):
        changes = yaml.safe_load((folder / "serve.yaml").read_text())
        files[folder / "generated/serve-config.yaml"] = serve_patch(plain, changes)
    return files | _monitoring(root, kuberay / "components/monitoring/generated")


def check(root: Path) -> list[Fault]:
    """Generated files that are missing, stale, or made of nothing any more."""
    faults = []
    files = wanted(root)
    for path, text in files.items():
        if not path.exists():
            faults.append(_stale(root, path, "is missing"))
        elif path.read_text() != text:
            faults.append(_stale(root, path, "is not what it is made of now"))
    faults += [_stale(root, path, "is made of nothing that is there") for path in _left_over(files)]
    return faults


def write(root: Path) -> list[Path]:
    """Make generated files current; which ones changed."""
    files = wanted(root)
    changed = _left_over(files)
    for path in changed:
        path.unlink()
    for path, text in files.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(path)
    return changed


def serve_patch(plain: Object, changes: Object) -> str:
    """A patch of the RayService that carries Serve's configuration.

    Args:
        plain: `serve_config.yaml`.
        changes: what a cluster changes in it: objects are merged, `deployments` by their names.

    Raises:
        ValueError: a change is of a deployment that there is not.
    """
    config = yaml.dump(with_changes(plain, changes), Dumper=_Dumper, sort_keys=False, width=120)
    patch = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "raybid"},
        "spec": {"serveConfigV2": _Text(config)},
    }
    return _NOTE + yaml.dump(patch, Dumper=_Dumper, sort_keys=False, width=120)


def with_changes(plain: Object, changes: Object) -> Object:
    """Serve's configuration with a cluster's changes; see `serve_patch`."""
    by_name: dict[str, Any] = dict(changes.get("deployments", {}))
    config: Object = _merged(plain, {key: value for key, value in changes.items() if key != "deployments"})
    for application in config["applications"]:
        application["deployments"] = [
            _merged(one, by_name.pop(one["name"], {})) for one in application.get("deployments", [])
        ]
    if by_name:
        raise ValueError(f"serve_config.yaml has no deployment {', '.join(sorted(by_name))} to change")
    return config


def ray_environment(text: str) -> str:
    """Return `cluster/ray.env` for a cluster, whose nodes prove who they are.

    Raises:
        ValueError: it does not say how nodes authenticate, or not in the form `NAME=value`.
    """
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for line in lines:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=[^\s\"'$`]*", line):
            raise ValueError(f"cluster/ray.env: {line!r} is not NAME=value without quotes and spaces")
    if [line for line in lines if line.startswith("RAY_AUTH_MODE=")] != ["RAY_AUTH_MODE=token"]:
        raise ValueError("cluster/ray.env has to say RAY_AUTH_MODE=token once")
    return _NOTE + "\n".join(lines) + "\n"


def prometheus_rule(text: str) -> str:
    """A PrometheusRule of a Prometheus rule file."""
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "raybid"},
        "spec": {"groups": yaml.safe_load(text)["groups"]},
    }
    return _NOTE + yaml.dump(rule, Dumper=_Dumper, sort_keys=False, width=120)


def dashboard(name: str, text: str) -> str:
    """A ConfigMap of one Grafana dashboard.

    Raises:
        ValueError: it is no JSON, or too large for a ConfigMap.
    """
    json.loads(text)
    if len(text.encode()) > _MAX_BYTES:
        raise ValueError(f"{name}.json has {len(text.encode()):,} bytes; a ConfigMap holds {_MAX_BYTES:,}")
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"raybid-dashboard-{_label(name)}", "labels": {"grafana_dashboard": "1"}},
        "data": {f"{name}.json": _Text(text)},
    }
    return _NOTE + yaml.dump(body, Dumper=_Dumper, sort_keys=False, width=120)


def _monitoring(root: Path, folder: Path) -> dict[Path, str]:
    files = {}
    alerts = root / "cluster" / "prometheus" / "alerts.yaml"
    if alerts.exists():
        files[folder / "prometheus-rule.yaml"] = prometheus_rule(alerts.read_text())
    for path in sorted((root / "dashboards" / "grafana").glob("*.json")):
        files[folder / f"dashboard-{_label(path.stem)}.yaml"] = dashboard(path.stem, path.read_text())
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [path.name for path in files],
    }
    files[folder / "kustomization.yaml"] = _NOTE + yaml.dump(kustomization, Dumper=_Dumper, sort_keys=False)
    return files


def _label(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _merged(plain: Any, changes: Any) -> Any:
    if not (isinstance(plain, dict) and isinstance(changes, dict)):
        return changes
    merged = {key: _merged(value, changes[key]) if key in changes else value for key, value in plain.items()}
    return merged | {key: value for key, value in changes.items() if key not in plain}


def _left_over(files: dict[Path, str]) -> list[Path]:
    folders = {path.parent for path in files}
    return sorted(path for folder in folders for path in folder.glob("*") if path.is_file() and path not in files)


def _stale(root: Path, path: Path, what: str) -> Fault:
    return Fault(str(path.relative_to(root)), "generated file", "", f"{what}: run `make manifests WRITE=1`")

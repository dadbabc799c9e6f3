"""Addresses of hosts, and replicas spread over them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from raybid.local import LaunchError, nodes
from raybid.local.configuration import spread
from raybid.local.environment import ROOT
from rtb.runtime.settings import Settings
from tests.support import until

STAGES = ("Router", "CTRModel", "RLBidder")


def spread_over(hosts: int, per_host: int, most: int = 4, least: int = 1) -> dict[str, Any]:
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    for item in config["applications"][0]["deployments"]:
        if item["name"] in STAGES:
            item["autoscaling_config"] |= {"min_replicas": least, "initial_replicas": least, "max_replicas": most}
    spread(config, hosts, per_host)
    return {item["name"]: item for item in config["applications"][0]["deployments"]}


def test_on_one_host_nothing_changes() -> None:
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    spread(config, 1, 3)
    assert config == yaml.safe_load((ROOT / "serve_config.yaml").read_text())


def test_on_three_hosts_each_has_a_router_and_two_have_models() -> None:
    told = spread_over(3, 1)
    bounds = {name: told[name]["autoscaling_config"] for name in STAGES}
    assert {name: (one["min_replicas"], one["max_replicas"]) for name, one in bounds.items()} == {
        "Router": (3, 3),
        "CTRModel": (2, 3),
        "RLBidder": (2, 3),
    }
    assert {told[name]["max_replicas_per_node"] for name in STAGES} == {1}
    assert "max_replicas_per_node" not in told["Controller"]
    assert told["Controller"]["autoscaling_config"]["max_replicas"] == 1


@given(hosts=st.integers(2, 40), per_host=st.integers(1, 8), most=st.integers(1, 60), data=st.data())
def test_replicas_fit_on_the_hosts_and_bounds_are_in_order(hosts: int, per_host: int, most: int, data: Any) -> None:
    least = data.draw(st.integers(1, most))
    for name, item in spread_over(hosts, per_host, most, least).items():
        scaling = item["autoscaling_config"]
        if name not in STAGES:
            continue
        assert 2 <= scaling["min_replicas"] <= scaling["initial_replicas"] <= scaling["max_replicas"]
        assert scaling["max_replicas"] <= hosts * item["max_replicas_per_node"]
        assert name != "Router" or scaling["min_replicas"] >= hosts


def test_the_address_is_that_which_faces_the_other() -> None:
    assert nodes.address_towards("127.0.0.1", 6379) == "127.0.0.1"
    assert nodes.ledger_side(Settings(redis_url="redis://127.0.0.1/0")) == "127.0.0.1"
    with pytest.raises(LaunchError, match=r"does not reach redis\.invalid"):
        nodes.address_towards("redis.invalid", 6379)


def test_a_head_is_at_the_address_that_hosts_join() -> None:
    settings = Settings(redis_url="redis://127.0.0.1/0")
    assert nodes.head_side(settings, "") == "127.0.0.1"
    assert nodes.head_side(settings, "127.0.0.1") == "127.0.0.1"
    with pytest.raises(LaunchError, match=r"RAYBID_HEAD is 192\.0\.2\.1, which is not this host"):
        nodes.head_side(settings, "192.0.2.1")


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ("127.0.0.1", ("127.0.0.1", 6380)),
        ("127.0.0.1:7000", ("127.0.0.1", 7000)),
        ("[::1]:7000", ("::1", 7000)),
        ("localhost:7000", ("127.0.0.1", 7000)),
    ],
)
def test_a_head_is_told_with_or_without_a_port(told: str, place: tuple[str, int]) -> None:
    found = nodes.head_place(told, 6380)
    assert found.port == place[1]
    assert found.address == place[0] or told.startswith("localhost")


@pytest.mark.parametrize("told", ["", "127.0.0.1:x", "127.0.0.1:99999", "head.invalid"])
def test_what_is_no_head_is_told(told: str) -> None:
    with pytest.raises(LaunchError):
        nodes.head_place(told, 6380)


def test_a_command_takes_this_process_place_in_the_repository_with_private_files(tmp_path: Path) -> None:
    """And what it leaves behind ends with it."""
    shell = "echo $PPID; pwd; umask; echo $TOLD; setsid sleep 600 & echo $!"
    script = f"from raybid.local import nodes; nodes.become(['/bin/sh', '-c', '{shell}'], {{'TOLD': 'yes'}})"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    said, _ = process.communicate(timeout=60)
    *told, left = said.split()
    assert told == [str(process.pid), str(ROOT), "0077", "yes"]
    until(lambda: not psutil.pid_exists(int(left)), 10, "it is left")

"""What the check of the compose stack derives from files and answers; it runs itself by `make compose-check`."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from raybid.local.environment import ROOT
from verification.compose_check import engine, images, plan

COMPOSE = yaml.safe_load((ROOT / "cluster" / "compose.yaml").read_text())
STAND_INS = ROOT / "verification" / "compose_check" / "stand_ins"
IMAGES = [service["image"] for service in COMPOSE["services"].values()]
KNOWN = plan.targets((STAND_INS / "Containerfile").read_text())


def report(**changed: Any) -> plan.ComposeReport:
    good = {"healthy": 9, "bids": 100, "spend_equal": True, "restarts_survived": 8} | changed
    return plan.ComposeReport(services=9, left_out=["grafana"], **good)


def test_every_image_but_grafanas_has_a_stand_in() -> None:
    found = plan.stand_ins(IMAGES, KNOWN)
    assert found["prometheus"] == COMPOSE["services"]["prometheus"]["image"]
    services = plan.runnable(COMPOSE["services"], found.values())
    assert set(COMPOSE["services"]) - set(services) == {"grafana"}


def test_services_follow_what_they_depend_on() -> None:
    order = plan.runnable(COMPOSE["services"], IMAGES)
    assert sorted(order) == sorted(COMPOSE["services"])
    for name, service in COMPOSE["services"].items():
        assert all(order.index(other) < order.index(name) for other in service.get("depends_on", {}))


def test_only_what_deploys_ends() -> None:
    assert [name for name, service in COMPOSE["services"].items() if plan.ends(service)] == ["deploy"]


def test_the_adapted_file_stays_within_the_machines_limits_and_has_addresses_that_are_trusted() -> None:
    found = plan.adapted(COMPOSE, ["head", "nginx", "redis"], most_files=20_000, most_processes=9_000)
    assert list(found["services"]) == ["head", "nginx", "redis"]
    assert found["services"]["head"]["ulimits"] == {
        "nofile": {"soft": 20_000, "hard": 20_000},
        "nproc": {"soft": 9_000, "hard": 9_000},
    }
    assert found["services"]["head"]["secrets"] == COMPOSE["services"]["head"]["secrets"]
    assert found["networks"]["back"]["internal"] is True
    assert set(found["services"]["nginx"]["networks"]) == {"front", "back"}
    addresses = [net["ipv4_address"] for one in found["services"].values() for net in one["networks"].values()]
    assert len(set(addresses)) == len(addresses) == 4
    trusted = COMPOSE["services"]["head"]["environment"]["RAYBID_TRUSTED_PROXIES"].split(",")[0]
    assert all(ip_address(one) in ip_network(trusted) for one in addresses)
    assert found["services"]["head"]["tmpfs"] == COMPOSE["services"]["head"]["tmpfs"]
    assert found["services"]["nginx"]["tmpfs"] == ["/tmp"]
    unchanged = plan.adapted(COMPOSE, ["head"], most_files=1_000_000, most_processes=9_000)["services"]["head"]
    assert unchanged["ulimits"]["nofile"] == COMPOSE["services"]["head"]["ulimits"]["nofile"]


def test_containers_are_found_by_their_service() -> None:
    label = {"com.docker.compose.service": "head"}
    told = [
        {"Names": ["raybid_head_1"], "State": "exited", "ExitCode": 3, "Labels": label},
        {"Names": ["another"], "State": "running", "ExitCode": 0, "Labels": None},
    ]
    assert plan.containers(json.dumps(told)) == {"head": plan.Container("raybid_head_1", "exited", 3)}
    assert plan.containers("[]") == {}


def test_targets_that_are_not_scraped_are_told() -> None:
    def told(*targets: tuple[str, str, str]) -> str:
        found = [{"labels": {"job": job}, "health": health, "lastError": error} for job, health, error in targets]
        return json.dumps({"data": {"activeTargets": found}})

    assert plan.targets_down(told(("raybid", "up", ""), ("ray", "up", ""))) == []
    assert plan.targets_down(told(("raybid", "down", "401"), ("ray", "unknown", ""))) == ["raybid: 401", "ray: unknown"]
    assert plan.targets_down(told()) == ["nothing is scraped"]


def test_money_is_budget_and_spend_by_campaign() -> None:
    stats = {"campaigns": {"a": {"budget_micros": 9, "spent_micros": 4, "leased_micros": 2}}}
    assert plan.money(stats) == {"a": (9, 4)}
    assert plan.spent({"a": (9, 4), "b": (9, 5)}) == 9


def test_a_stack_that_held_has_no_fault() -> None:
    assert report().wrong(restarts=8) == []
    assert report().summary() == {
        "services": 9,
        "healthy": 9,
        "bids": 100,
        "spend_equal": True,
        "restarts_survived": 8,
        "left_out": ["grafana"],
    }


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"healthy": 7}, "2 of 9 services are not healthy"),
        ({"bids": 0}, "no bid came"),
        ({"spend_equal": False}, "disagree on the money"),
        ({"restarts_survived": 3}, "after 3 of 8 restarts"),
        ({"faults": ["the console answers 500"]}, "the console answers 500"),
    ],
)
def test_each_fault_of_the_stack_is_told(changed: dict[str, Any], told: str) -> None:
    (fault,) = report(**changed).wrong(restarts=8)
    assert told in fault


def test_pip_in_a_build_has_this_machines_settings() -> None:
    listing = """:env:.find-links='/wheels'
global.find-links='/else'
global.extra-index-url='\\nfile:///a/simple\\nhttps://b/'
"""
    settings = images.pip_settings(listing)
    assert settings == {"find-links": "/wheels", "extra-index-url": "\nfile:///a/simple\nhttps://b/"}
    assert images.named_paths(settings) == [Path("/a"), Path("/wheels")]
    assert images.pip_configuration(settings).splitlines() == [
        "[global]",
        "find-links = /wheels",
        "extra-index-url = file:///a/simple https://b/",
    ]
    assert images.pip_settings("") == {}


def test_podman_keeps_everything_below_its_folders(tmp_path: Path) -> None:
    environment = engine.configure(tmp_path / "state", tmp_path / "root", [tmp_path / "others"])
    for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
        text = Path(environment[name]).read_text()
        absolute = re.findall(
            r'^(?:static_dir|tmp_dir|volume_path|network_config_dir|graphroot|runroot) = "(.+)"$', text, re.M
        )
        assert absolute
        assert all(Path(one).is_relative_to(tmp_path) for one in absolute)
    assert f'additionalimagestores = ["{tmp_path}/others"]' in text

"""Panels and alerts: files are as defined, each is asked, and each alert has a case and a runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.dashboards.__main__ import FOLDER
from pipelines.dashboards.definition import DASHBOARDS
from pipelines.dashboards.grafana import rendered
from raybid.local.environment import ROOT
from tests.support import require_package
from verification.watching.expressions import Expression, judge, metrics_in, of_alerts, of_panels, tested
from verification.watching.servers import CONFIG

HISTOGRAM = re.compile(r"_(bucket|count|sum)$")


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("promtool")
    require_package(found, "prometheus")
    return subprocess.run([str(found), *arguments], capture_output=True, text=True, check=False)


def test_the_files_are_what_the_definition_makes() -> None:
    files = {path.stem: path.read_text() for path in FOLDER.glob("*.json")}
    made = {dashboard.name: rendered(dashboard) for dashboard in DASHBOARDS}
    assert files == made, "run python -m pipelines.dashboards"


def test_no_two_panels_lie_on_one_another_and_each_says_what_it_is() -> None:
    for dashboard in DASHBOARDS:
        panels = json.loads(rendered(dashboard))["panels"]
        places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
        assert len(places) == len(panels) == len({panel["id"] for panel in panels})
        assert all(panel["title"] and panel["description"] and panel["targets"] for panel in panels)


def test_money_is_shown_in_whole_units() -> None:
    micros = [panel for dashboard in DASHBOARDS for panel in dashboard.panels if panel.unit == "micros"]
    assert micros
    for dashboard in DASHBOARDS:
        for made, panel in zip(json.loads(rendered(dashboard))["panels"], dashboard.panels, strict=True):
            assert all(t["expr"].endswith("/ 1e6") for t in made["targets"]) or panel.unit != "micros"


def test_prometheus_own_checks_hold(tmp_path: Path) -> None:
    """As compose mounts it: with the file of a key, which `cluster/secrets.sh` makes."""
    shutil.copytree(CONFIG, tmp_path / "config")
    config, key = tmp_path / "config" / "prometheus.yaml", tmp_path / "prometheus_key"
    key.touch()
    config.write_text(config.read_text().replace("/run/secrets/prometheus_key", str(key)))
    for arguments in (("check", "config", "prometheus.yaml"), ("test", "rules", "tests/alerts.yaml")):
        done = promtool(*arguments[:2], str(tmp_path / "config" / arguments[2]))
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_never_fires_fails_its_case(tmp_path: Any) -> None:
    shutil.copytree(CONFIG, tmp_path / "config")
    rules = tmp_path / "config" / "alerts.yaml"
    rules.write_text(rules.read_text().replace("raybid_event_lag_seconds) > 120", "raybid_event_lag_seconds) > 999"))
    assert promtool("test", "rules", str(tmp_path / "config" / "tests" / "alerts.yaml")).returncode == 1


def test_each_alert_has_a_case_and_a_section_in_the_runbooks() -> None:
    names = [alert.where for alert in of_alerts()]
    assert set(names) == tested()
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.M)
    assert sections == names
    rules = yaml.safe_load((CONFIG / "alerts.yaml").read_text())["groups"][0]["rules"]
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert'].lower()}"


def test_each_metric_that_is_asked_is_documented() -> None:
    documented = (ROOT / "docs" / "metrics.md").read_text()
    asked = {HISTOGRAM.sub("", name) for one in (*of_panels(), *of_alerts()) for name in metrics_in(one.expr)}
    assert not [name for name in asked if f"`{name}`" not in documented and name != "up"]


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ('sum by (le) (rate(raybid_a_bucket{kind="bid"}[1m]))', ["raybid_a_bucket"]),
        ('absent(up{job="raybid"}) or max(raybid_ready) == 0', ["raybid_ready", "up"]),
        ("increase(x_up[1m]) > startup", []),
    ],
)
def test_names_of_metrics_are_found(expr: str, names: list[str]) -> None:
    assert metrics_in(expr) == names


def test_an_empty_panel_is_empty_unless_it_says_why() -> None:
    assert judge(Expression("p", "raybid_x"), lambda _: []).is_empty
    assert not judge(Expression("p", "raybid_x", "nothing came"), lambda _: []).is_empty
    assert judge(Expression("p", "raybid_x"), lambda _: [1, 2]).series == 2


def test_an_alert_that_reads_what_nobody_tells_is_empty() -> None:
    alert = Expression("A", "raybid_x > 1 and raybid_y > 2", is_alert=True)
    assert judge(alert, lambda expr: [1] if expr == "raybid_x" else []).is_empty
    assert not judge(alert, lambda expr: [1] if expr in ("raybid_x", "raybid_y") else []).is_empty

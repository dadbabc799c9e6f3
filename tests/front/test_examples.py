"""Every program of `examples/`, against a real platform."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from raybid.local.environment import ROOT
from tests.front.conftest import Front
from tests.support import until

pytestmark = pytest.mark.cluster

SAID = {
    "bid_once": r"cleared at [\d.]+ CPM: [1-9]\d* micros were charged",
    "campaign_spends": r"spent (9\d,\d{3}|100,000) of 100,000 micros with [1-9]\d* impressions",
    "explain_bid": r"bid (\d+) micros, recomputed \1\n",
    "portfolio": r"micros from unsold-\d+ to sold-\d+: .+\n(.*\n)*now [\d,]+ and [\d,]+ micros, together 10,000,000",
    "read_events": r"spent_micros",
}
"""What each prints."""


def example(front: Front, name: str) -> subprocess.CompletedProcess[str]:
    given = front.env | {"RAYBID_URL": front.url}
    return Front(given, front.settings).run([sys.executable, "-m", f"examples.{name}"], timeout=120)


def test_every_example_is_run_and_listed() -> None:
    programs = {path.stem for path in (ROOT / "examples").glob("*.py") if "def main()" in path.read_text()}
    assert programs == set(SAID)
    assert set(re.findall(r"\]\((\w+)\.py\)", (ROOT / "examples" / "README.md").read_text())) == programs


@pytest.mark.parametrize("name", SAID)
def test_it_does_what_it_says(front: Front, name: str) -> None:
    if name == "read_events":
        assert example(front, "bid_once").returncode == 0
        events = front.settings.var_dir / "events"
        until(lambda: any(events.glob("**/*.parquet")), 60, "no event is written", every=0.5)
    done = example(front, name)
    assert done.returncode == 0, done.stderr
    assert re.search(SAID[name], done.stdout), done.stdout


@pytest.mark.parametrize("name", sorted(SAID.keys() - {"read_events"}))
def test_where_nothing_answers_one_line_says_so(front: Front, free_port: int, name: str) -> None:
    away = Front(front.env | {"RAYBID_URL": f"http://127.0.0.1:{free_port}"}, front.settings)
    done = away.run([sys.executable, "-m", f"examples.{name}"])
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "make up" in done.stderr


def test_where_there_are_no_events_one_line_says_so(front: Front, tmp_path: Path) -> None:
    empty = Front(front.env | {"RAYBID_VAR_DIR": str(tmp_path)}, front.settings)
    done = empty.run([sys.executable, "-m", "examples.read_events"])
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert str(tmp_path) in done.stderr


def test_a_key_that_is_refused_ends_with_one_line(front: Front) -> None:
    wrong = Front(front.env | {"RAYBID_URL": front.url, "RAYBID_KEY": "wrong"}, front.settings)
    done = wrong.run([sys.executable, "-m", "examples.campaign_spends"])
    assert done.returncode == 1
    assert re.fullmatch(r"\w+ /\S+: 401 .+\n", done.stderr)


@pytest.mark.parametrize("name", SAID)
def test_each_is_short(name: str) -> None:
    assert len((ROOT / "examples" / f"{name}.py").read_text().splitlines()) <= 60

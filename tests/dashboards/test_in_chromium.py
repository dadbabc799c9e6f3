"""What `console-check` relies on: a browser tells a good page from one with errors, empty charts, or other figures."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from raybid.local.environment import ROOT
from raybid.local.ports import free_port
from tests.dashboards.fake_platform import KEY, FakePlatform, serving
from tests.dashboards.made_events import few
from tests.support import require_package, until
from verification.browsing import BrowserMissing
from verification.console_check.browser import Browser, chromium

TOKEN = "a-token-of-the-tests"


def _lightness(picture: Path) -> int:
    """On average: 0 is black, 255 is white."""
    return Image.open(picture).convert("L").resize((1, 1)).tobytes()[0]


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    with serving(FakePlatform()) as running:
        yield running


@pytest.fixture
def browser(platform: FakePlatform, tmp_path: Path) -> Iterator[Browser]:
    require_package(shutil.which("chromium") or os.environ.get("RAYBID_CHROMIUM"), "chromium")
    few(time.time() - 30).write(tmp_path / "events")
    port = free_port()
    told = {"RAYBID_URL": platform.url, "RAYBID_KEY": KEY, "RAYBID_VAR_DIR": str(tmp_path)}
    told |= {"RAYBID_CONSOLE_PORT": str(port), "RAYBID_CONSOLE_TOKEN": TOKEN}
    command = [sys.executable, "-m", "dashboards.console"]
    with (tmp_path / "log").open("w") as log:
        console = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **told}, stdout=log, stderr=log)
    try:
        until(lambda: answers(port) or console.poll() is not None, 60, "the console does not come up", every=0.2)
        assert console.poll() is None, (tmp_path / "log").read_text()
        with chromium(f"http://127.0.0.1:{port}", TOKEN) as found:
            yield found
    finally:
        console.terminate()
        console.wait(20)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def test_a_good_page_and_bad_ones_are_told_apart(browser: Browser, platform: FakePlatform, tmp_path: Path):
    with browser.window(1_400, 1_000, "dark") as pages:
        assert pages.tabs[0] == "Overview"
        assert len(pages.tabs) == 10
        pages.open({"tab": "Overview", "refresh": "60"})
        good = pages.see()
        assert (good.charts, good.empty, good.errors, good.overflow) == (2, 0, [], 0)
        assert (good.metrics["Requests"], good.metrics["Win rate"]) == ("500", "25.00%")
        pages.shoot(tmp_path / "dark.png")
        assert _lightness(tmp_path / "dark.png") < 80

        pages.open({"tab": "Market", "refresh": "60"})  # three auctions that have ended make no win-rate curve
        assert pages.see().empty == 1

        platform.answers["/health"] = (500, {"detail": "this should not have happened"})

        def tells() -> bool:  # the answer before serves for a moment
            pages.open({"tab": "Overview", "refresh": "60"})
            return any("this should not have happened" in text for text in pages.see().errors)

        until(tells, 20, "the failure is not shown")

    with browser.window(390, 844, "light") as pages:
        pages.open({"tab": "Control", "campaign": "c1"})
        assert pages.see().overflow == 0
        pages.press("Pause")
        assert pages.says("c1 is paused")
        assert [one.path for one in platform.told] == ["/campaign/c1/pause"]
        pages.shoot(tmp_path / "light.png")
        assert _lightness(tmp_path / "light.png") > 180


def test_no_chromium_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAYBID_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(BrowserMissing, match="did not start"), chromium("http://127.0.0.1:9", TOKEN):
        pass
    monkeypatch.delenv("RAYBID_CHROMIUM")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(BrowserMissing, match="RAYBID_CHROMIUM"), chromium("http://127.0.0.1:9", TOKEN):
        pass

"""Exchange rates as a platform tells of them: their age, and what is bid by old ones."""

from __future__ import annotations

import time
from pathlib import Path

from tests.conftest import Valkey
from tests.deployments.in_process import running
from tests.rtb.builders import make_campaign
from tests.support import until


def test_health_tells_the_age_of_rates(valkey: Valkey, tmp_path: Path) -> None:
    rates = tmp_path / "rates.csv"
    rates.write_text("Date, USD, \n27 November 2020, 1.2, \n")
    with running(valkey, tmp_path / "var", rates=rates) as platform, platform.client() as client:
        platform.register(make_campaign("spring", value=50_000_000))
        until(lambda: client.get("/health").json()["parts"]["rates"]["state"] == "old")
        part = client.get("/health").json()["parts"]["rates"]
        assert part["age_seconds"] > 5 * 365 * 86_400
        assert client.post("/bid", json={"w": 300, "h": 250, "currency": "EUR"}).json()["bid"] is False
        today = time.strftime("%d %B %Y", time.gmtime())
        rates.write_text(f"Date, USD, \n{today}, 1.25, \n")
        until(lambda: client.get("/health").json()["parts"]["rates"]["state"] == "ok")
        assert client.post("/bid", json={"w": 300, "h": 250, "currency": "EUR"}).json()["bid"]
        rates.unlink()
        until(lambda: client.get("/health").json()["parts"]["records"]["left_out"] == 1)
        assert client.post("/bid", json={"w": 300, "h": 250, "currency": "EUR"}).json()["bid"]  # by those of before

"""The market needs numpy only."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_market_loads_no_ray_torch_or_web() -> None:
    modules = "auctions, campaigns, competition, library, optimum, population, requests, truth, paced, sample_logs"
    code = f"import sys; from simulation import {modules}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "simulation.truth" in loaded
    assert not {"ray", "torch", "fastapi", "gymnasium"} & set(loaded)

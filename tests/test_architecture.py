"""The house rules hold, and whoever checks them notices when they do not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "rtb",
    "portfolio",
    "simulation",
    "rllib_configs",
    "raybid",
    "pipelines",
    "deployments",
    "cluster",
    "dashboards",
    "verification",
)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_arrows_point_down(copy: Path) -> None:
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "planted"),
    [
        ("rtb/money/micros.py", "import deployments.tally"),
        ("portfolio/__init__.py", "import rllib_configs"),
        ("simulation/reference.py", "import deployments.tally"),
        ("deployments/tally.py", "import simulation.reference"),
        ("deployments/tally.py", "import pipelines.publish"),
        ("rtb/money/micros.py", "import ray"),
        ("rtb/money/micros.py", "import fastapi"),
        ("rtb/money/micros.py", "import rtb.auction.edge"),
        ("dashboards/console/sources/api.py", "import deployments.tally"),
        ("dashboards/console/sources/api.py", "import simulation.reference"),
        ("simulation/reference.py", "import dashboards.console.sources.api"),
        ("simulation/reference.py", "import verification.attacks.case"),
    ],
)
def test_a_planted_upward_import_is_caught(copy: Path, file: str, planted: str) -> None:
    path = copy / file
    path.write_text(path.read_text() + f"\n{planted}\n")
    done = lint_imports(copy)
    assert done.returncode != 0
    assert "BROKEN" in done.stdout
    assert file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") in done.stdout


def test_no_files_import_each_other_in_a_circle() -> None:
    """An import for type checking counts."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=False)
    files = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(files).prepare()  # raises CycleError, which names a circle


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_has_no_effect(package: str, tmp_path: Path) -> None:
    script = (
        "import importlib, pkgutil, sys, threading\n"
        f"package = importlib.import_module({package!r})\n"
        "for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "ray = sys.modules.get('ray')\n"
        "assert ray is None or not ray.is_initialized()\n"
        "print(sum(not t.daemon for t in threading.enumerate()))\n"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1"]
    assert [path.name for path in tmp_path.iterdir() if path.name not in (".cache", ".config")] == []


def test_only_who_scores_needs_torch() -> None:
    script = (
        "import sys\n"
        "import deployments.app, deployments.api, deployments.controller, deployments.rl_bidder, deployments.router\n"
        "assert 'torch' not in sys.modules\n"
        "deployments.ctr_model.CTRModel()\n"
        "assert 'torch' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

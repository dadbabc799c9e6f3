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
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


PLANTED = (
    ("rtb/money/micros.py", "deployments.tally"),
    ("portfolio/__init__.py", "rllib_configs"),
    ("simulation/reference.py", "deployments.tally"),
    ("deployments/tally.py", "simulation.reference"),
    ("deployments/tally.py", "pipelines.publish"),
    ("rtb/money/micros.py", "ray"),
    ("rtb/money/micros.py", "fastapi"),
    ("rtb/money/micros.py", "rtb.auction.edge"),
    ("dashboards/console/sources/api.py", "deployments.tally"),
    ("dashboards/console/sources/api.py", "simulation.reference"),
    ("simulation/reference.py", "dashboards.console.sources.api"),
    ("simulation/reference.py", "verification.attacks.case"),
)


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what import-linter says of a copy in which all of `PLANTED` is imported."""
    copy = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for file, target in PLANTED:
        with (copy / file).open("a") as module:
            module.write(f"\nimport {target}\n")
    done = lint_imports(copy)
    assert done.returncode != 0
    return done.stdout


def test_arrows_point_down() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("file", "target"), PLANTED)
def test_a_planted_upward_import_is_caught(complaints: str, file: str, target: str) -> None:
    importer = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert f"{importer} -> {target} " in complaints


def test_no_files_import_each_other_in_a_circle() -> None:
    """An import for type checking counts."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=False)
    files = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(files).prepare()  # raises CycleError, which names a circle


def test_importing_a_package_has_no_effect(tmp_path: Path) -> None:
    script = (
        "import importlib, pkgutil, sys, threading\n"
        f"for name in {PACKAGES!r}:\n"
        "    package = importlib.import_module(name)\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "    ray = sys.modules.get('ray')\n"
        "    assert ray is None or not ray.is_initialized(), name\n"
        "    assert sum(not t.daemon for t in threading.enumerate()) == 1, name\n"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
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

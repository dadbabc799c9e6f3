"""The models that a first start needs."""

from __future__ import annotations

import sys
from collections.abc import Callable

from raybid.local.checks import LaunchError
from raybid.local.environment import ROOT
from rtb.models.artefacts import META
from rtb.runtime import processes
from rtb.runtime.settings import Settings

_STDERR = 2  # as a number: a replacement of `sys.stderr` may have no `fileno`


def train_missing(settings: Settings, say: Callable[[str], None]) -> None:
    """Train a small reference click model if there is none.

    Raises:
        LaunchError: the training fails.
    """
    if (settings.ctr_dir / META).exists():
        return
    command = ["pipelines.train_ctr", "--out", str(settings.ctr_dir.resolve())]
    say(f"training {settings.ctr_dir} (once)")
    # Its output is a training's result, so here it goes where progress goes.
    done = processes.run([sys.executable, "-m", *command], cwd=ROOT, stdout=_STDERR)
    if done.returncode:
        raise LaunchError(f"`python -m {' '.join(command)}` failed: see its output above")

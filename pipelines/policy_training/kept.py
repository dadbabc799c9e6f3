"""Checkpoints of a training, so that it can be resumed: RLlib's state and the best policy."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from pipelines.policy_training.validation import Gains
from rtb.models import policy
from rtb.models.policy import Policy

_STATE, _BEST = "training.json", "best"


class TrainingState(msgspec.Struct):
    """The progress of a training.

    Attributes:
        algo: name of the algorithm.
        data: fingerprint of its data.
        seed: seed of the training.
        steps: decisions so far.
        seconds: time trained so far.
        missed: validations since the best one.
        best_steps: decisions at the best policy.
        gains: gains of the best policy.
        score: score of the best policy; see `validation.score`.
        rllib: name of the folder with RLlib's own checkpoint.
    """

    algo: str
    data: str
    seed: int
    steps: int = 0
    seconds: float = 0.0
    missed: int = 0
    best_steps: int = 0
    gains: Gains = {}
    score: float = 0.0
    rllib: str = ""


class CheckpointError(RuntimeError):
    """An error for a checkpoint that cannot be resumed; the message says why."""


def write(folder: Path, save: Callable[[Path], object], state: TrainingState, best: Policy) -> None:
    """Write a checkpoint; if the process dies meanwhile, the previous one remains.

    Args:
        folder: folder of the checkpoint.
        save: what writes RLlib's own checkpoint into a folder.
        state: progress of the training, whose `rllib` is the previous checkpoint's until this one is written.
        best: best policy so far.

    Raises:
        OSError: the folder is not writable.
    """
    former, state.rllib = state.rllib, f"rllib-{state.steps}"
    save(folder / state.rllib)
    policy.save(folder / _BEST, best, metrics={"score": state.score}, trained_on="unfinished")
    draft = folder / f".{_STATE}"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2))
    draft.replace(folder / _STATE)
    if former and former != state.rllib:
        shutil.rmtree(folder / former, ignore_errors=True)


def read(folder: Path, expected: TrainingState) -> tuple[TrainingState, Policy]:
    """Read the progress of the training in a folder, and its best policy.

    Raises:
        CheckpointError: it is missing, damaged, or of a training other than expected.
    """
    try:
        state = msgspec.json.decode((folder / _STATE).read_bytes(), type=TrainingState)
    except FileNotFoundError:
        raise CheckpointError(f"no training to resume in {folder}: omit --resume to start one") from None
    except msgspec.MsgspecError as error:
        raise CheckpointError(f"{folder / _STATE} is damaged ({error}): start again without --resume") from error
    for name in ("algo", "data", "seed"):
        was, is_ = getattr(state, name), getattr(expected, name)
        if was != is_:
            raise CheckpointError(f"the training in {folder} has {name} {was!r}, not {is_!r}: use another folder")
    return state, policy.load(folder / _BEST)


def pack(folder: Path) -> bytes:
    """Return a folder as one archive, to be sent to another host.

    Raises:
        OSError: it cannot be read.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    return archive.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Make a folder of an archive.

    Raises:
        OSError: the folder is not writable.
    """
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")

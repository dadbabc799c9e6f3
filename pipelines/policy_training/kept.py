"""What a training keeps on disk as it goes, so that it can be taken up again: RLlib's state and the best policy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec

from pipelines.policy_training.validation import Gains
from rtb.models import policy
from rtb.models.policy import Policy

_STATE, _BEST = "training.json", "best"


class State(msgspec.Struct):
    """Where a training stands.

    Attributes:
        algo: which algorithm.
        data: fingerprint of what it learns from.
        seed: of the training.
        steps: decisions so far.
        seconds: of training so far.
        missed: validations since the best one.
        best_steps: decisions until the best policy.
        gains: of that one.
        score: its score; see `validation.score`.
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
    """A checkpoint cannot be taken up; the message says why."""


def write(folder: Path, algorithm: Any, state: State, best: Policy) -> None:
    """Keep a training; one that dies meanwhile leaves the former checkpoint.

    Raises:
        OSError: the folder cannot be written.
    """
    former, state.rllib = state.rllib, f"rllib-{state.steps}"
    algorithm.save_to_path(str(folder / state.rllib))
    policy.save(folder / _BEST, best, metrics={"score": state.score}, trained_on="unfinished")
    draft = folder / f".{_STATE}"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2))
    draft.replace(folder / _STATE)
    if former and former != state.rllib:
        shutil.rmtree(folder / former, ignore_errors=True)


def read(folder: Path, expected: State) -> tuple[State, Policy]:
    """Where the training of that folder stands, and its best policy.

    Raises:
        CheckpointError: there is none, it is damaged, or of another training than expected.
    """
    try:
        state = msgspec.json.decode((folder / _STATE).read_bytes(), type=State)
    except FileNotFoundError:
        raise CheckpointError(f"no training to resume in {folder}: leave --resume out to begin one") from None
    except msgspec.MsgspecError as error:
        raise CheckpointError(f"{folder / _STATE} is damaged ({error}): begin again without --resume") from error
    for name in ("algo", "data", "seed"):
        was, is_ = getattr(state, name), getattr(expected, name)
        if was != is_:
            raise CheckpointError(f"the training in {folder} has {name} {was!r}, not {is_!r}: begin another elsewhere")
    return state, policy.load(folder / _BEST)

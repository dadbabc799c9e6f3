"""What a stage is said to lack."""

from __future__ import annotations

import pytest

from deployments.readiness import UNAVAILABLE, LastAnswer, ReplicaReadiness, StageReadiness, stage_readiness


@pytest.mark.parametrize(
    ("lacks", "is_silent", "told"),
    [
        ([[], []], False, StageReadiness("ok", 2, [])),
        ([[], ["ledger", "model"]], False, StageReadiness("partial", 2, ["ledger", "model"])),
        ([[]], True, StageReadiness("partial", 1, ["replica"])),
        ([["pacing"], ["ledger"]], False, StageReadiness("incomplete", 2, ["ledger", "pacing"])),
        ([["ledger"]], True, StageReadiness("incomplete", 1, ["ledger", "replica"])),
        ([], True, UNAVAILABLE),
    ],
)
def test_a_stage_is_as_its_replicas_say(lacks: list[list[str]], is_silent: bool, told: StageReadiness):
    assert stage_readiness([ReplicaReadiness(one) for one in lacks], is_silent=is_silent) == told


def test_an_answer_is_fresh_for_some_seconds():
    now = 100.0
    last = LastAnswer(lambda: now)
    assert not last.is_fresh()
    last.note()
    assert last.is_fresh(2.0)
    now = 102.5
    assert not last.is_fresh(2.0)

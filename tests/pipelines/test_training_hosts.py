"""Where processes of a training go, what is said when they do not fit, and when a training with a time limit ends."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.policy_training import kept
from pipelines.policy_training.hosts import (
    RESERVE,
    SHARE,
    Host,
    NoRoom,
    Processes,
    check_shared,
    places,
    room_for_all,
    share_of_seconds,
    trials_at_once,
)
from pipelines.policy_training.kept import TrainingState
from pipelines.policy_training.time_limit import CLOSING, TimeLimit
from rtb.models.policy import neutral


def host(name: str, cpus: float, free: float) -> Host:
    return Host(f"id-{name}", name, cpus, free)


@st.composite
def clusters(draw: st.DrawFn) -> list[Host]:
    """Draw hosts that serve: whole CPUs, of which replicas reserved tenths."""
    cpus = draw(st.lists(st.integers(1, 8), max_size=6))
    taken = [draw(st.integers(0, 10 * of)) for of in cpus]
    return [host(f"h{at}", of, of - tenths / 10) for at, (of, tenths) in enumerate(zip(cpus, taken, strict=True))]


@given(clusters(), st.integers(0, 12), st.integers(0, 3))
def test_serving_keeps_its_share_and_processes_are_spread(hosts: list[Host], runners: int, learners: int) -> None:
    processes = Processes(runners, learners)
    if processes.total > room_for_all(hosts):
        with pytest.raises(NoRoom):
            places(hosts, processes)
        return
    chosen = places(hosts, processes)
    counts = Counter(one.node for one in chosen)
    assert len(chosen) == processes.total
    for one in hosts:
        used = counts[one.node]
        assert one.free - used * SHARE >= RESERVE - 1e-9 or not used
        assert used <= max(1, one.cpus)
        others = max(counts[other.node] for other in hosts)
        assert used >= min(one.room, others - 1)  # nobody has a second one while a host with room has none
    assert chosen[0].free == max(one.free for one in hosts if one.room)


def test_hosts_that_serve_without_a_whole_cpu_free_have_room() -> None:
    """Three hosts of two CPUs, each with a replica of every stage, one with the Controller as well."""
    hosts = [host("a", 2, 0.7), host("b", 2, 0.7), host("c", 2, 0.6)]
    assert [one.room for one in hosts] == [2, 2, 1]
    assert [one.name for one in places(hosts, Processes(2, 0))] == ["a", "b", "c"]
    assert trials_at_once(hosts) == 5


def test_what_does_not_fit_is_said_with_what_would_help() -> None:
    hosts = [host("10.0.0.2", 2, 0.7), host("10.0.0.3", 2, 0.1)]
    with pytest.raises(NoRoom) as refused:
        places(hosts, Processes(4, 0))
    said = str(refused.value)
    assert "a training of 5 processes" in said
    assert "0.1 CPUs" in said and "0.5 of a host" in said and "2 fit" in said
    assert "10.0.0.2 0.7 of 2, 10.0.0.3 0.1 of 2" in said
    assert "--num-env-runners 1" in said and "join another host" in said and "replicas" in said
    assert "\n" not in said
    with pytest.raises(NoRoom, match="omit --num-env-runners and --num-learners"):
        places(hosts[1:], Processes(1, 0))
    with pytest.raises(NoRoom, match=r"a trial.*no host has CPUs"):
        trials_at_once([])
    with pytest.raises(NoRoom, match=r"6 trials at once.* give --tune 2 or another --scheduler"):
        trials_at_once(hosts, 6)
    with pytest.raises(NoRoom, match="and 4 more hosts"):
        trials_at_once([host(str(at), 2, 0.0) for at in range(12)])


def test_results_are_not_left_on_the_disk_of_one_of_several_hosts() -> None:
    relative, absolute = {"out": Path("var/models/ppo")}, {"out": Path("/mnt/models/ppo")}
    check_shared(1, relative, is_store=False)
    check_shared(3, relative, is_store=True)
    check_shared(3, absolute, is_store=False)
    with pytest.raises(ValueError, match=r"3 hosts, and var/models/ppo .* RAYBID_STORE, .* absolute --out"):
        check_shared(3, relative, is_store=False)
    with pytest.raises(ValueError, match="--checkpoint"):
        check_shared(2, absolute | {"checkpoint": Path("var/checkpoints/ppo")}, is_store=False)


@pytest.mark.parametrize(
    ("trials", "at_once", "each"), [(4, 4, 60.0), (4, 9, 60.0), (5, 4, 30.0), (16, 2, 7.5), (1, 0, 60.0)]
)
def test_trials_share_the_time(trials: int, at_once: int, each: float) -> None:
    assert share_of_seconds(60.0, trials, at_once) == each
    assert share_of_seconds(math.inf, trials, at_once) == math.inf


@given(
    st.floats(1, 1_000),
    st.floats(0.01, 60),
    st.floats(0.01, 20),
    st.lists(st.tuples(st.floats(0.5, 1.0), st.booleans()), min_size=1, max_size=200),
)
def test_a_training_is_over_in_time_unless_its_first_round_is_too_long(
    seconds: float, round_s: float, validation_s: float, rounds: list[tuple[float, bool]]
) -> None:
    """Rounds and validations take what the last ones took, or less."""
    now = 1_000.0
    limit = TimeLimit(now + seconds, validation_s, lambda: now)
    speed = 1.0
    for number, (quicker, is_judged) in enumerate(rounds):
        speed *= quicker
        with limit.timing_round():
            now += round_s * speed
        is_over = limit.is_reached
        if is_judged or is_over:
            with limit.timing_validation():
                now += validation_s * speed
            is_over = is_over or limit.is_reached
        if is_over:
            assert now + CLOSING <= 1_000.0 + seconds + 1e-6 or number == 0
            break


def test_without_a_limit_a_training_goes_on() -> None:
    assert not TimeLimit(math.inf).is_reached


def test_a_checkpoint_that_comes_from_another_host_replaces_the_former(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    (there / "deep").mkdir(parents=True)
    (there / "deep" / "weights").write_bytes(b"\0" * 100)
    here.mkdir()
    state = TrainingState("ppo", "", 1, steps=10)
    for steps in (10, 20):
        state.steps = steps
        kept.write(here, lambda path: kept.unpack(kept.pack(there), path), state, neutral())
    assert {path.name for path in here.iterdir()} == {"rllib-20", "best", "training.json"}
    assert (here / "rllib-20" / "deep" / "weights").stat().st_size == 100
    assert kept.read(here, TrainingState("ppo", "", 1))[0].steps == 20

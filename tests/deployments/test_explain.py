"""The Controller finds the models that bids were made by, wherever they lie; nothing that fails here stops it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from deployments.explain import DecisionKeeper
from deployments.models import ModelFeed
from deployments.wiring import load_policy
from rtb.experiment import Experiment, encode
from rtb.explain.store import DecisionReader, NotKept
from rtb.models import artefacts, policy
from rtb.pacing.snapshot import EXPERIMENT, SnapshotPublisher, model_key, staged_model_key
from rtb.runtime.settings import Settings
from tests.conftest import Valkey
from tests.rtb.explain.parcels import parcel
from tests.rtb.explain.worlds import continuous


def made(folder: Path, seed: int) -> tuple[str, bytes]:
    """Return a policy's version and bytes."""
    meta = policy.save(folder, continuous(seed), metrics={}, trained_on="nothing")
    return meta.version, artefacts.pack(folder)


def kept(settings: Settings, version: str) -> bytes:
    with DecisionReader(settings.decisions_path) as reader:
        return reader.read_snapshot("policy", version)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var_dir=tmp_path / "var")


async def test_a_published_a_deposited_and_a_challenging_model_are_found(
    valkey: Valkey, settings: Settings, tmp_path: Path
) -> None:
    models = [made(tmp_path / f"m{seed}", seed) for seed in range(3)]
    async with valkey.client() as client:
        keeper = DecisionKeeper(client, settings)
        (published, one), (staged, two), (challenger, three) = models
        await SnapshotPublisher(client).publish(model_key("policy"), one, published)
        await client.set(staged_model_key("policy", staged), two)
        experiment = Experiment(
            number=1, kind="policy", version=challenger, folder="", share=0.5, salt="s", started=0.0, artefact=three
        )
        await SnapshotPublisher(client).publish(EXPERIMENT, encode(experiment))
        for number, (version, packed) in enumerate(models, 1):
            await keeper.keep(parcel(1_000.0, number, policy=version))
            assert kept(settings, version) == packed
        await keeper.keep(parcel(1_000.0, 9, policy="unknown"))
        with pytest.raises(NotKept, match="is not kept"):
            kept(settings, "unknown")
        keeper.close()


async def test_a_model_of_a_folder_is_left_where_the_controller_finds_it(
    valkey: Valkey, settings: Settings, tmp_path: Path
) -> None:
    first, packed = made(tmp_path / "policy", 1)
    pinned, _ = made(tmp_path / "pinned", 2)
    async with valkey.client() as client:
        feed = ModelFeed("policy", client, tmp_path / "policy", load_policy, lambda model: None)
        await feed.catch_up()
        assert await client.get(staged_model_key("policy", first)) == packed
        await feed.pin(str(tmp_path / "pinned"))
        await feed.pull()
        keeper = DecisionKeeper(client, settings)
        await keeper.keep(parcel(1_000.0, 1, policy=pinned))
        assert kept(settings, pinned)
        keeper.close()


async def test_a_folder_that_went_costs_the_explanation_and_says_so(
    valkey: Valkey, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version, _ = made(tmp_path / "policy", 1)
    caplog.set_level(logging.WARNING, "ray.serve.raybid")
    async with valkey.client() as client:
        feed = ModelFeed("policy", client, tmp_path / "policy", load_policy, lambda model: None)
        (tmp_path / "policy").rename(tmp_path / "elsewhere")
        await feed.catch_up()
        await feed.pull()
        assert await client.get(staged_model_key("policy", version)) is None
    assert [version in record.message for record in caplog.records if "explained" in record.message] == [True]


async def test_a_disk_that_refuses_stops_nothing_and_is_told_once(
    valkey: Valkey, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.var_dir.write_text("a file where a folder should be")
    caplog.set_level(logging.INFO, "ray.serve.raybid")
    async with valkey.client() as client:
        keeper = DecisionKeeper(client, settings)
        for number in range(3):
            await keeper.keep(parcel(1_000.0, number))
            await keeper.keep_snapshot("pacing", f"p{number}", b"table")
            await keeper.prune()
        settings.var_dir.unlink()
        await keeper.keep(parcel(1_000.0, 7))
        keeper.close()
        with DecisionReader(settings.decisions_path) as reader:
            assert [*reader.recent(9)] == [f"{7:016x}-1", f"{7:016x}-2"]
    said = [record.message for record in caplog.records if "explained" in record.message]
    assert [message.split(",")[0] for message in said] == [
        "bids made now cannot be explained later",
        "bids can be explained again",
    ]


async def test_who_asks_too_much_is_told_to_wait(valkey: Valkey, settings: Settings) -> None:
    async with valkey.client() as client:
        keeper = DecisionKeeper(client, settings)
        await keeper.keep(parcel(1_000.0, 1))
        told = await asyncio.gather(*(keeper.explain(f"{2:016x}-1") for _ in range(8)))
        assert [one.status for one in told].count(503) == 5
        assert (await keeper.explain(f"{2:016x}-1")).status == 404
        keeper.close()


async def test_what_is_damaged_is_a_503(valkey: Valkey, settings: Settings) -> None:
    settings.var_dir.mkdir()
    settings.decisions_path.write_bytes(b"this is no database, and long enough to be taken for one" * 100)
    async with valkey.client() as client:
        keeper = DecisionKeeper(client, settings)
        await keeper.keep(parcel(1_000.0, 1))
        told = await keeper.explain(f"{1:016x}-1")
        assert (told.status, told.body) == (503, b"")

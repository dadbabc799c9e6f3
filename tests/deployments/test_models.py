"""A published model on every replica: swapped in between two batches, refused aloud, reported; over a real server."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
import redis.asyncio as aioredis

from deployments.models import ModelFeed, ModelPublisher, champions, served
from deployments.wiring import load_policy
from rtb.models.artefacts import WEIGHTS, ArtefactError
from rtb.models.policy import Policy
from rtb.models.registry import Registry
from rtb.pacing.snapshot import model_key
from tests.conftest import Valkey
from tests.deployments.in_process import publish


class Replica:
    """One that serves a policy."""

    def __init__(self, client: aioredis.Redis, folder: Path) -> None:
        self.served: list[Policy] = []
        self.feed = ModelFeed("policy", client, folder, load_policy, self.served.append)

    @property
    def multiplier(self) -> float:
        return float(self.served[-1].levels[0])


async def test_each_replica_takes_up_what_is_published_and_what_is_rolled_back_to(valkey: Valkey, tmp_path: Path):
    async with valkey.client() as client:
        publisher = ModelPublisher(client, tmp_path / "published")
        replicas = [Replica(client, tmp_path / "none") for _ in range(3)]
        await publisher.publish_champions()
        for replica in replicas:
            await replica.feed.catch_up()
        assert [replica.multiplier for replica in replicas] == [1.0] * 3
        first, second = publish(tmp_path, 1.25), publish(tmp_path, 0.75)
        await publisher.publish_champions()
        for replica in replicas:
            await replica.feed.pull()
            await replica.feed.pull()
        assert [replica.multiplier for replica in replicas] == [0.75] * 3
        assert [len(replica.served) for replica in replicas] == [2] * 3
        assert replicas[0].feed.told["version"] == second
        registry = Registry(tmp_path / "published", "policy")
        with registry.deciding():
            registry.roll_back(None, "a test")
        await publisher.publish_champions()
        await replicas[0].feed.pull()
        assert (replicas[0].multiplier, replicas[0].feed.told["version"]) == (1.25, first)


async def test_a_replica_that_begins_serves_the_published_model_first(valkey: Valkey, tmp_path: Path):
    async with valkey.client() as client:
        publish(tmp_path, 1.5)
        await ModelPublisher(client, tmp_path / "published").publish_champions()
        replica = Replica(client, tmp_path / "none")
        await replica.feed.catch_up()
        assert replica.multiplier == 1.5


async def test_a_wiped_server_is_told_again(valkey: Valkey, tmp_path: Path):
    async with valkey.client() as client:
        version = publish(tmp_path, 1.5)
        publisher = ModelPublisher(client, tmp_path / "published")
        await publisher.publish_champions()
        await client.flushall()
        assert await champions(client) == {"ctr": None, "policy": None}
        await publisher.publish_champions()
        assert await champions(client) == {"ctr": None, "policy": version}


async def test_what_was_published_under_another_name_is_announced_as_replicas_tell_it(valkey: Valkey, tmp_path: Path):
    async with valkey.client() as client:
        version, folder = publish(tmp_path, 1.5), tmp_path / "published" / "policy"
        (folder / "versions" / version).rename(folder / "versions" / "0123456789ab")
        record = folder / "record.json"
        record.write_text(record.read_text().replace(version, "0123456789ab"))
        publisher, replica = ModelPublisher(client, tmp_path / "published"), Replica(client, tmp_path / "none")
        await publisher.publish_champions()
        await replica.feed.pull()
        assert await champions(client) == {"ctr": None, "policy": version}
        assert (replica.multiplier, replica.feed.told["version"]) == (1.5, version)


async def test_what_cannot_be_loaded_leaves_the_old_model_and_is_told(valkey: Valkey, tmp_path: Path):
    async with valkey.client() as client:
        publisher, replica = ModelPublisher(client, tmp_path / "published"), Replica(client, tmp_path / "none")
        good = publish(tmp_path, 1.5)
        await publisher.publish_champions()
        await replica.feed.pull()
        bad = publish(tmp_path, 0.5)
        (tmp_path / "published" / "policy" / "versions" / bad / WEIGHTS).write_bytes(b"damaged")
        await publisher.publish_champions()
        await replica.feed.pull()
        assert replica.multiplier == 1.5
        assert replica.feed.told["version"] == good
        assert "checksum" in replica.feed.told["refused"]
        (told,) = await served(client, "policy")
        assert (told.state, told.version) == ("refused", good)
        assert bad in told.refused
        assert "/tmp" not in told.refused
        await client.hset(model_key("policy"), mapping={"version": "other", "body": b"no model"})
        await replica.feed.pull()
        assert "other" in replica.feed.told["refused"]
        publish(tmp_path, 0.25)
        await publisher.publish_champions()
        await replica.feed.pull()
        (told,) = await served(client, "policy")
        assert (replica.multiplier, told.state, told.refused) == (0.25, "ok", "")
        assert "refused" not in replica.feed.told


async def test_a_pinned_replica_serves_its_own_until_it_is_let_go(valkey: Valkey, tmp_path: Path):
    async with valkey.client() as client:
        publisher, replica = ModelPublisher(client, tmp_path / "published"), Replica(client, tmp_path / "none")
        publish(tmp_path, 0.5)
        await replica.feed.pin(str(tmp_path / "candidate"))
        publish(tmp_path, 1.5)
        await publisher.publish_champions()
        await replica.feed.pull()
        (told,) = await served(client, "policy")
        assert (replica.multiplier, told.state) == (0.5, "pinned")
        with pytest.raises(ArtefactError):
            (tmp_path / "foreign").mkdir()
            (tmp_path / "foreign" / "meta.json").write_text("{}")
            await replica.feed.pin(str(tmp_path / "foreign"))
        assert replica.multiplier == 0.5
        await replica.feed.pin("")
        await replica.feed.pull()
        assert replica.multiplier == 1.5


async def test_the_event_loop_goes_on_while_a_model_is_loaded(valkey: Valkey, tmp_path: Path):
    """The load waits for what the event loop does: on the loop itself neither would ever end."""
    async with valkey.client() as client:
        went_on = threading.Event()

        def load(folder: Path) -> Policy:
            if not folder.name.startswith("none"):
                assert went_on.wait(10)
            return load_policy(folder)

        taken: list[Policy] = []
        feed = ModelFeed("policy", client, tmp_path / "none", load, taken.append)
        publish(tmp_path, 1.5)
        await ModelPublisher(client, tmp_path / "published").publish_champions()
        pulling = asyncio.ensure_future(feed.pull())
        await asyncio.sleep(0.05)
        assert len(taken) == 1
        went_on.set()
        await pulling
        assert len(taken) == 2

"""Pictures on their way from the Controller to the replicas, over a real server."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ConnectionError as Unreachable

from rtb.pacing.snapshot import CATALOG, PACING, SnapshotPublisher, SnapshotSubscriber
from tests.conftest import Valkey


async def test_a_snapshot_is_pulled_once(valkey: Valkey):
    async with valkey.client() as client:
        publisher, subscriber = SnapshotPublisher(client), SnapshotSubscriber(client, CATALOG)
        assert await subscriber.pull() is None
        await publisher.publish(CATALOG, b"\x00first\xff")
        assert await subscriber.pull() == b"\x00first\xff"
        assert await subscriber.pull() is None


async def test_a_replica_gets_the_newest_snapshot_only(valkey: Valkey):
    async with valkey.client() as client:
        publisher, subscriber = SnapshotPublisher(client), SnapshotSubscriber(client, PACING)
        versions = [await publisher.publish(PACING, body) for body in (b"1", b"2", b"3")]
        assert await subscriber.pull() == b"3"
        assert subscriber.version == versions[-1]
        assert await subscriber.pull() is None


async def test_every_replica_gets_a_picture_and_each_key_has_its_own(valkey: Valkey):
    async with valkey.client() as client:
        replicas = [SnapshotSubscriber(client, CATALOG) for _ in range(3)]
        other = SnapshotSubscriber(client, PACING)
        await SnapshotPublisher(client).publish(CATALOG, b"one for all")
        assert [await replica.pull() for replica in replicas] == [b"one for all"] * 3
        assert await other.pull() is None


async def test_a_picture_can_be_empty_or_the_same_again(valkey: Valkey):
    async with valkey.client() as client:
        publisher, subscriber = SnapshotPublisher(client), SnapshotSubscriber(client, CATALOG)
        for _ in range(2):
            await publisher.publish(CATALOG, b"")
            assert await subscriber.pull() == b""


async def test_a_replica_that_forgets_its_version_gets_the_picture_again(valkey: Valkey):
    async with valkey.client() as client:
        subscriber = SnapshotSubscriber(client, PACING)
        await SnapshotPublisher(client).publish(PACING, b"table")
        await subscriber.pull()
        subscriber.forget()
        assert await subscriber.pull() == b"table"


async def test_no_two_pictures_have_one_version(valkey: Valkey):
    async with valkey.client() as client:
        publishers = [SnapshotPublisher(client) for _ in range(3)]
        versions = [await publisher.publish(CATALOG, b"same") for publisher in publishers for _ in range(20)]
        assert len({*versions}) == 60


async def test_a_picture_of_a_server_that_was_wiped_is_not_taken_for_an_old_one(valkey: Valkey):
    """As many pictures as before the wipe: a counter would stand where it stood."""
    async with valkey.client() as client:
        subscriber = SnapshotSubscriber(client, CATALOG)
        for body in (b"before", b"after"):
            await SnapshotPublisher(client).publish(CATALOG, body)
            assert await subscriber.pull() == body
            await client.flushall()
            assert await subscriber.pull() is None


async def test_a_picture_pulled_while_others_are_published_is_of_its_version(valkey: Valkey):
    async with valkey.client() as client:
        publisher, subscriber = SnapshotPublisher(client), SnapshotSubscriber(client, CATALOG)
        bodies: dict[str, int] = {}

        async def publish() -> None:
            for number in range(1, 101):
                bodies[await publisher.publish(CATALOG, str(number).encode())] = number

        publishing = asyncio.ensure_future(publish())
        seen: dict[str, int] = {}
        while not publishing.done() or 100 not in seen.values():
            body = await subscriber.pull()
            if body is not None:
                seen[subscriber.version] = int(body)
        await publishing
        assert list(seen.values()) == sorted({*seen.values()})
        assert seen.items() <= bodies.items()


async def test_a_server_away_is_an_error_and_changes_nothing(free_port: int):
    async with Valkey(free_port).client() as client:
        subscriber = SnapshotSubscriber(client, CATALOG)
        with pytest.raises(Unreachable):
            await subscriber.pull()
        assert subscriber.version == ""

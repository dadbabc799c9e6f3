"""Bodies: whole or in pieces, in time or not, and how much half-sent ones may take together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import intake
from deployments.intake import Crowded, LargeBody, Receive, SlowBody, read_body


def _sends(pieces: Iterable[bytes], *, is_whole: bool = True) -> Receive:
    """Build a caller that sends these pieces, then either ends the body with the last or stays silent."""
    rest = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if rest and is_whole:
        rest[-1]["more_body"] = False

    async def receive() -> Any:
        if not rest:
            await asyncio.Event().wait()
        return rest.pop(0)

    return receive


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=10), st.integers(0, 100))
def test_body_is_its_pieces_or_too_large(pieces: list[bytes], most: int) -> None:
    whole = b"".join(pieces)
    if len(whole) > most:
        with pytest.raises(LargeBody):
            asyncio.run(read_body(_sends(pieces), most))
    else:
        assert asyncio.run(read_body(_sends(pieces), most)) == whole
    assert intake._Pieces.waiting == 0


@pytest.mark.parametrize("pieces", [[], [b"half"], [b"x" * 50, b"x" * 60]])
def test_body_that_does_not_come_is_waited_for_no_longer(pieces: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "SECONDS", 0.01)
    with pytest.raises(SlowBody):
        asyncio.run(read_body(_sends(pieces, is_whole=False), 100))
    assert intake._Pieces.waiting == 0


async def test_half_sent_bodies_together_are_bounded_and_whole_ones_still_come_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "MOST_WAITING", 1_000)
    waiting = [asyncio.ensure_future(read_body(_sends([b"x" * 100], is_whole=False), 500)) for _ in range(10)]
    await asyncio.sleep(0)
    assert intake._Pieces.waiting == 1_000
    with pytest.raises(Crowded):
        await read_body(_sends([b"y", b"z"]), 500)
    assert await read_body(_sends([b"whole"]), 500) == b"whole"
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await read_body(_sends([b"y", b"z"]), 500) == b"yz"


async def test_what_is_too_large_is_not_kept_while_the_rest_of_it_comes() -> None:
    task = asyncio.ensure_future(read_body(_sends([b"x" * 60, b"x" * 60], is_whole=False), 100))
    await asyncio.sleep(0)
    assert intake._Pieces.waiting == 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

"""What the ledger's scripts append to the stream, beside the money."""

from __future__ import annotations

from typing import Any

from rtb.events import STREAM
from rtb.events.schema import to_table
from rtb.events.stream import StreamEntry
from rtb.ledger import ValkeyLedger
from rtb.settlement.notice_tokens import Kind
from tests.conftest import Valkey
from tests.rtb.ledger.support import NOW, bid


async def test_each_notice_leaves_one_event(valkey: Valkey) -> None:
    async with valkey.client() as client:
        ledger = ValkeyLedger(client)
        await ledger.open(1, 1_000)
        for _ in range(2):
            await ledger.settle(bid(1), Kind.BILL, 60, NOW)
            await ledger.settle(bid(2, ceiling=5_000), Kind.BILL, 2_000, NOW)
            await ledger.count(bid(1), Kind.CLICK, NOW + 0.25)
            await ledger.release(bid(3), NOW, min_to_win_micros=70)
            await ledger.release(bid(4), NOW)
        kept: Any = await client.xrange(STREAM)
    entries = [StreamEntry(id.decode(), fields) for id, fields in kept]
    rows: list[dict[str, Any]] = to_table(entries).to_pylist()
    said = [(row["kind"], row["outcome"], row["bid"], row["price_micros"], row["min_to_win_micros"]) for row in rows]
    assert said == [
        ("bill", "settled", bid(1).bid_id, 60, None),
        ("bill", "unfunded", bid(2).bid_id, 2_000, None),
        ("click", "counted", bid(1).bid_id, 0, None),
        ("loss", "freed", bid(3).bid_id, 0, 70),
        ("loss", "freed", bid(4).bid_id, 0, None),
    ]
    assert {row["campaign"] for row in rows} == {1}
    assert [row["at"].timestamp() for row in rows] == [NOW, NOW, NOW + 0.25, NOW, NOW]

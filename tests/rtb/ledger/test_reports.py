"""Reports of usage: what comes twice counts once. One contract for every ledger, and over a line that loses answers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rtb.ledger import Balance, Ledger, LedgerError, MemoryLedger, Usage, UsageReporter, ValkeyLedger
from rtb.runtime.outbox import Stamp
from tests.conftest import Valkey
from tests.lossy import LossyLine
from tests.rtb.ledger.support import Ledgers, balance, memory_ledger, valkey_ledgers, with_ledger


@pytest.fixture(params=["memory", pytest.param("valkey", marks=pytest.mark.slow)])
def ledgers(request: pytest.FixtureRequest) -> Ledgers:
    return memory_ledger if request.param == "memory" else valkey_ledgers(request.getfixturevalue("valkey"))


def counts(balance: Balance) -> tuple[int, int, float, float]:
    return balance.opportunities, balance.bids, balance.probability, balance.levels


@with_ledger
async def test_a_report_that_comes_again_counts_once(ledger: Ledger) -> None:
    await ledger.open(1, 1_000)
    await ledger.open(2, 1_000)
    for _ in range(3):
        await ledger.report([Usage(1, 10, 3, 0.25, 5e6), Usage(2, 1, 0, 0.5, 0.5)], Stamp("a", 1))
    assert counts(await balance(ledger, 1)) == (10, 3, 0.25, 5e6)
    assert counts(await balance(ledger, 2)) == (1, 0, 0.5, 0.5)


@with_ledger
async def test_reports_of_one_sender_count_by_rising_numbers(ledger: Ledger) -> None:
    await ledger.open(1, 1_000)
    for number in (1, 2, 9, 10, 9, 2, 1, 100):
        await ledger.report([Usage(1, number, 0, 0.0)], Stamp("a", number))
    assert (await balance(ledger)).opportunities == 1 + 2 + 9 + 10 + 100


@with_ledger
async def test_senders_are_told_apart(ledger: Ledger) -> None:
    await ledger.open(1, 1_000)
    for sender in ("a", "b", "a"):
        await ledger.report([Usage(1, 1, 1, 0.0)], Stamp(sender, 1))
    assert (await balance(ledger)).opportunities == 2


@with_ledger
async def test_a_report_without_a_stamp_counts_each_time(ledger: Ledger) -> None:
    await ledger.open(1, 1_000)
    for stamp in (None, Stamp("a", 1), None):
        await ledger.report([Usage(1, 1, 1, 0.0)], stamp)
    assert (await balance(ledger)).opportunities == 3


@with_ledger
async def test_one_campaign_that_was_never_opened_does_not_stop_the_others(ledger: Ledger) -> None:
    await ledger.open(2, 1_000)
    await ledger.report([Usage(1, 7, 7, 0.5, 7.0), Usage(2, 5, 2, 0.5, 2.5)], Stamp("a", 1))
    assert await balance(ledger, 1) == Balance()
    assert counts(await balance(ledger, 2)) == (5, 2, 0.5, 2.5)


async def test_a_reporter_adds_up_while_the_ledger_is_away_and_is_counted_once() -> None:
    class Away(MemoryLedger):
        acts = True
        calls = 0

        async def report(self, usages: Sequence[Usage], stamp: Stamp | None = None) -> None:
            self.calls += 1
            if self.acts:
                await super().report(usages, stamp)
            raise LedgerError("no answer")

    ledger = Away()
    await ledger.open(1, 1_000)
    reporter = UsageReporter(ledger)
    await reporter.send()
    assert ledger.calls == 0  # nothing to tell
    for _ in range(5):
        reporter.add([Usage(1, 2, 1, 0.25, 0.5), Usage(1, 1, 0, 0.5, 1e6)])
        with pytest.raises(LedgerError):
            await reporter.send()
    ledger.report = MemoryLedger.report.__get__(ledger)  # type: ignore[method-assign]
    await reporter.send()
    await reporter.send()
    assert counts(await balance(ledger)) == (15, 5, 3.75, 5_000_002.5)


async def test_a_reporter_is_counted_once_over_a_line_that_loses_answers(valkey: Valkey) -> None:
    async with LossyLine(valkey) as line, line.client(retries=1) as client:
        ledger = ValkeyLedger(client)
        await ledger.open(1, 1_000)
        reporter = UsageReporter(ledger)
        for lost in (0, 1, 2, 3):
            line.lose = lost
            reporter.add([Usage(1, 10, 3, 0.25, 20.0)])
            try:
                await reporter.send()
            except LedgerError:
                assert lost > 1
        line.lose = 0
        await reporter.send()
        await reporter.send()
        assert counts(await balance(ledger)) == (40, 12, 1.0, 80.0)

"""The ledger of every campaign's money: `budget = available + leased + reserved + spent`."""

from rtb.ledger.book import LeaseBook
from rtb.ledger.durability import Durability, DurabilityWatch, read_durability
from rtb.ledger.memory import MemoryLedger
from rtb.ledger.protocol import (
    ANYBODY,
    CALLER_HOLDS_ENOUGH,
    Balance,
    Closing,
    Day,
    Division,
    Floor,
    Grant,
    Ledger,
    LedgerError,
    Mark,
    NoticeOutcome,
    Reservation,
    Terms,
    Transfer,
    Usage,
)
from rtb.ledger.reporter import UsageReporter
from rtb.ledger.totals import total_balances
from rtb.ledger.valkey import ValkeyLedger

__all__ = [
    "ANYBODY",
    "CALLER_HOLDS_ENOUGH",
    "Balance",
    "Closing",
    "Day",
    "Division",
    "Durability",
    "DurabilityWatch",
    "Floor",
    "Grant",
    "LeaseBook",
    "Ledger",
    "LedgerError",
    "Mark",
    "MemoryLedger",
    "NoticeOutcome",
    "Reservation",
    "Terms",
    "Transfer",
    "Usage",
    "UsageReporter",
    "ValkeyLedger",
    "read_durability",
    "total_balances",
]

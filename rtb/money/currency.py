"""Currencies: the one to bid in, floors in ours, and the table of exchange rates.

Budgets and the ledger are in one currency, ours. For an exchange that takes another, prices are converted on the way
out and clearing prices on the way in, at the same rate: it is chosen once per bid and travels in the bid's signed
token. Conversions are exact (fractions, not floats); floors and charges are rounded up, prices down. So a bid that
clears at its own price never costs more than the ceiling reserved for it.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from rtb.money.ecb import is_published, published_at, published_rates
from rtb.money.micros import MAX_MICROS, MICROS_PER_CPM, MoneyError, cpm_to_micros, exact_quantity, micros_to_cpm
from rtb.runtime.downloads import KeptCopy, is_url
from rtb.runtime.quarantine import Fault

logger = logging.getLogger("ray.serve.raybid")

Code = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$(?!\n)")]
Worth = Annotated[float, msgspec.Meta(gt=1e-9, lt=1e9)]

_STEPS = 1_000_000
"""Steps of a CPM in another currency, per unit of it."""

_USUAL = "USD"  # where a request names no currency

_DAY = 86_400.0
_REFRESH_SECONDS = 6 * 3_600.0  # the bank publishes once a day, in the afternoon
_RETRY_SECONDS = 600.0
_TIMEOUT = 30.0
_MOST_BYTES = 16 << 20


class Quote(NamedTuple):
    """The currency of a bid.

    Attributes:
        currency: ISO 4217.
        rate: units of it that one unit of our currency is worth.
    """

    currency: str
    rate: float = 1.0

    def price(self, micros: int) -> float:
        """Return the CPM in this currency for a price per impression in our micros, rounded down."""
        if self.rate == 1.0:
            return micros_to_cpm(micros)
        return math.floor(micros * Fraction(self.rate) * _STEPS / MICROS_PER_CPM) / _STEPS


def micros_at(cpm: str, rate: float, quantity: float = 1.0) -> int:
    """Return our micros for impressions at a CPM, in decimal digits, in a currency at this rate.

    The result is rounded to the nearest where nothing is converted, else up.

    Raises:
        MoneyError: see `cpm_to_micros`.
    """
    near = float(cpm)
    if rate == quantity == 1.0:
        return cpm_to_micros(near)
    if not math.isfinite(near):
        raise MoneyError(f"CPM {cpm!r} is not a price")
    # What underflows a float is nothing to charge, and its fraction may have a million digits.
    exact = Fraction(Decimal(cpm)) * MICROS_PER_CPM * exact_quantity(quantity) / Fraction(rate) if near else Fraction(0)
    micros = round(exact) if rate == 1.0 else math.ceil(exact)
    if not 0 <= micros <= MAX_MICROS:
        raise MoneyError(f"CPM {cpm!r} is not a price between 0 and {MAX_MICROS // MICROS_PER_CPM}")
    return micros


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of exchange rates. Read from JSON or YAML: `{"base": "USD", "rates": {"EUR": 0.92, "JPY": 150.1}}`.

    Attributes:
        base: currency that the rates are relative to.
        rates: units of each currency that one unit of `base` is worth.
        at: date of the rates; for people, unless they are daily.
        is_daily: whether they are published each working day, so that old ones are not bid by.
    """

    base: Code = "USD"
    rates: Mapping[Code, Worth] = {}
    at: str = ""
    is_daily: bool = False

    def rate(self, one_of: str, into: str) -> float | None:
        """Return the units of `into` that one unit of `one_of` is worth; `None` where the table has no rate."""
        if one_of == into:
            return 1.0
        worth = {**self.rates, self.base: 1.0}
        if one_of not in worth or into not in worth:
            return None
        return worth[into] / worth[one_of]

    def quote(self, ours: str, allowed: Sequence[str]) -> Quote | None:
        """Return the currency to bid in: ours where it is allowed, else the first one with a rate.

        Args:
            ours: currency of the budgets.
            allowed: the request's `cur`; empty means US dollars.
        """
        if ours in (allowed or (_USUAL,)):
            return Quote(ours)
        codes = [code.strip().upper() for code in allowed if code] or [_USUAL]
        if ours in codes:
            return Quote(ours)
        for code in codes:
            rate = self.rate(ours, code)
            if rate is not None:
                return Quote(code, rate)
        return None

    def floor(self, cpm: float, currency: str, ours: str, quote: Quote) -> float | None:
        """Return a floor as CPM in our currency; a bid that meets it still does in the quote's currency.

        Args:
            cpm: the floor.
            currency: currency of the floor.
            ours: currency in which bids are computed.
            quote: currency in which they are sent.

        Returns:
            The floor; `None` where there is no rate for its currency.
        """
        if cpm <= 0 or currency == ours == quote.currency:
            return cpm
        currency = currency.strip().upper() or _USUAL
        if currency == ours == quote.currency:
            return cpm
        rate = self.rate(currency, quote.currency)
        if rate is None:
            return None
        sent = Fraction(repr(cpm)) * Fraction(rate)  # exact decimal digits as the exchange wrote them
        if quote.rate != 1.0:  # prices go out in steps: the floor is the first step at or above it
            sent = Fraction(math.ceil(sent * _STEPS), _STEPS)
        micros = math.ceil(sent * MICROS_PER_CPM / Fraction(quote.rate))
        return micros_to_cpm(min(micros, MAX_MICROS))


NO_RATES = Rates()
"""An empty table: nothing is converted."""


class RatesFile:
    """A file of exchange rates, read again when it changes.

    Args:
        path: path of the file; none: nothing is ever converted.
        most_days: age from which daily rates are not used, so that no bid goes by them.
        clock: Unix time.

    Attributes:
        rates: last valid rates; none of them where they are too old.
        faults: why the file's current rates cannot be used; empty where they can.
    """

    def __init__(
        self, path: Path | None, *, most_days: float = math.inf, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._most_seconds = most_days * _DAY
        self._clock = clock
        self._seen: tuple[int, int] | None = None
        self._read = NO_RATES
        self._unreadable: list[Fault] = []
        self.rates = NO_RATES

    @property
    def age_seconds(self) -> float | None:
        """Seconds since the rates were published; none: they do not say when."""
        published = published_at(self._read.at)
        return None if published is None else max(0.0, self._clock() - published)

    @property
    def is_old(self) -> bool:
        """Whether the rates are too old to bid by."""
        return self._read.is_daily and (self.age_seconds or 0.0) > self._most_seconds

    @property
    def faults(self) -> list[Fault]:
        """Why the rates, or those of now, cannot be used."""
        if self._unreadable or not self.is_old:
            return self._unreadable
        days = (self.age_seconds or 0.0) / _DAY
        return [Fault("rates", self._name, f"the rates of {self._read.at} are {days:.0f} days old")]

    @property
    def _name(self) -> str:
        return self._path.name if self._path else ""

    def refresh(self) -> bool:
        """Read the file if it changed; return whether `rates` did. A missing or damaged file is only logged."""
        if self._path is None:
            return False
        self._look(self._path)
        rates = NO_RATES if self.is_old else self._read
        changed, self.rates = rates != self.rates, rates
        return changed

    def _look(self, path: Path) -> None:
        try:
            status = path.stat()
            seen = (status.st_mtime_ns, status.st_size)
            if seen == self._seen:
                return
            self._seen = seen
            self._read = read_rates(path.read_bytes())
        except (OSError, ValueError) as error:
            self._complain(error)
        else:
            self._unreadable = []

    def _complain(self, error: Exception) -> None:
        self._unreadable = [Fault.of("rates", self._name, error)]
        if isinstance(error, OSError):
            if self._seen == (0, 0):
                return  # already logged
            self._seen = (0, 0)
        logger.warning(f"currency rates in {self._path} cannot be used, the previous ones stay: {error}")


class RatesFeed(RatesFile):
    """Exchange rates from a file or a URL.

    Args:
        location: path of the file, or URL; empty: nothing is ever converted.
        folder: folder of the copy of a URL.
        most_days: see `RatesFile`.
        clock: Unix time.
    """

    def __init__(
        self, location: str, folder: Path, *, most_days: float = math.inf, clock: Callable[[], float] = time.time
    ) -> None:
        self.is_configured = bool(location)
        self._copy = KeptCopy(location, folder, read_rates, clock) if is_url(location) else None
        self._not_fetched: list[Fault] = []
        path = self._copy.path if self._copy else Path(location) if location else None
        super().__init__(path, most_days=most_days, clock=clock)
        self._location = location

    @property
    def faults(self) -> list[Fault]:
        """Why the rates, or those of now, cannot be used."""
        return self._not_fetched or super().faults

    @property
    def _name(self) -> str:
        return self._location if self._copy else super()._name

    def fetch(self) -> None:
        """Fetch the URL where its copy is some hours old; one that cannot be had is told. Blocks: call it in a thread.

        Raises:
            OSError: the folder of the copy cannot be written.
        """
        if self._copy is None:
            return
        try:
            self._copy.refresh(
                most_seconds=_REFRESH_SECONDS, retry_seconds=_RETRY_SECONDS, most_bytes=_MOST_BYTES, timeout=_TIMEOUT
            )
        except ValueError as error:
            fault = Fault.of("rates", self._location, error)
            if fault not in self._not_fetched:
                logger.warning(f"currency rates at {self._location} cannot be fetched, the previous ones stay: {error}")
            self._not_fetched = [fault]
        else:
            if self._copy.is_fresh(_REFRESH_SECONDS):
                self._not_fetched = []


def read_rates(text: bytes) -> Rates:
    """Return a table of rates from JSON, YAML, or the forms of the European Central Bank (`rtb.money.ecb`).

    Raises:
        ValueError: it is not a valid table; the message says where.
    """
    try:
        if not is_published(text):
            return msgspec.yaml.decode(text, type=Rates)
        date, rates = published_rates(text)
        return msgspec.convert({"base": "EUR", "rates": rates, "at": date, "is_daily": True}, Rates)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(re.sub(r"\s+", " ", str(error))) from error

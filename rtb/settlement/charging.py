"""The charge of a bid by its notice: never more than was reserved, never less than the floor.

Where the caller pays what was bid, the price is in the token, and no parameter of a notice counts. In a first-price
auction the winner pays its bid, whatever a notice says, unless the exchange's profile allows discounts. Elsewhere the
notice tells the price, between floor and bid: in the clear, or encrypted where the profile names keys. A price in
another currency than the bid's is converted. Where one sale stands for several impressions, a notice may tell that
fewer were delivered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

from rtb.exchanges import ExchangeError, Exchanges, Profile
from rtb.money.currency import NO_RATES, Rates
from rtb.money.micros import MICROS_PER_CPM, exact_quantity
from rtb.openrtb.macros import Price, PriceError, parse_price, read_price, read_quantity
from rtb.settlement.encrypted_prices import EncryptedPriceError, PriceKeys
from rtb.settlement.notice_query import CURRENCY, MIN_TO_WIN, PRICE, QUANTITY, value_of
from rtb.settlement.notice_tokens import BidRef

_UNKNOWN = "unknown_currency"
_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
_CLOCK_SLACK = 60.0  # seconds that an exchange's clock may differ from ours


class Charge(NamedTuple):
    """The cost of a bid.

    Attributes:
        micros: amount in our currency.
        remarks: counter names of oddities of the price.
    """

    micros: int
    remarks: tuple[str, ...] = ()


class _Sale(NamedTuple):
    """What a notice says of a sale besides its price.

    Attributes:
        rate: units of the price's currency that one unit of ours is worth; none: it cannot be converted.
        quantity: impressions delivered.
        ceiling: the most that they can cost, micros.
        floor: the least that they can cost, micros.
        remarks: counter names of oddities.
    """

    rate: float | None
    quantity: float
    ceiling: int
    floor: int
    remarks: tuple[str, ...]


class Charging:
    """The rules of charging bids.

    Args:
        exchanges: profiles of the exchanges.
        price_keys: price keys by the names that profiles use.
        seconds: most seconds that notices of a bid are honoured, for tokens that do not say when the bid was made.
        rates: function that returns the current exchange rates, for prices in another currency than the bid's.

    Raises:
        ExchangeError: a profile names missing keys.
    """

    def __init__(
        self,
        exchanges: Exchanges,
        price_keys: Mapping[str, PriceKeys],
        seconds: float,
        rates: Callable[[], Rates] = lambda: NO_RATES,
    ) -> None:
        missing = {one.price_keys for one in exchanges if one.price_keys} - set(price_keys)
        if missing:
            raise ExchangeError(f"RAYBID_PRICE_KEYS has no keys named {', '.join(sorted(missing))}")
        self._exchanges = exchanges
        self._keys = price_keys
        self._seconds = seconds
        self._rates = rates

    def charge(self, ref: BidRef, query: Mapping[str, str], *, in_clear: bool = False) -> Charge:
        """Return the charge of a bid.

        Args:
            ref: the bid.
            query: parameters of its notice.
            in_clear: whether a plain price is accepted from an exchange that encrypts, as it came with an API key.

        Raises:
            PriceError: the price is invalid: see `read_price`; also `not_encrypted`, `stale_price` and `no_rate`.
        """
        if ref.signed_price:
            return Charge(ref.ceiling_micros)
        exchange = self._exchanges.numbered(ref.exchange)
        pays_bid = ref.first_price and not exchange.discounts
        encrypts = bool(exchange.price_keys) and not in_clear
        sale, text = self._sale(ref, query), query.get(PRICE)
        if sale.rate is None and not pays_bid:
            raise PriceError("no_rate", f"the price is in another currency than the bid, which was in {ref.currency}")
        rate = ref.rate if sale.rate is None else sale.rate
        try:
            price = (
                self._decrypted(exchange, ref, text, rate, sale.quantity)
                if encrypts
                else read_price(text, rate, sale.quantity)
            )
        except PriceError as error:
            if pays_bid and not encrypts and error.reason == "empty":
                return Charge(sale.ceiling, ("without_price", *sale.remarks))
            raise
        floor = sale.ceiling if pays_bid else sale.floor
        odd = {
            "above_bid": price.micros > sale.ceiling,
            "below_bid": pays_bid and price.micros < sale.ceiling,
            "below_floor": not pays_bid and price.micros < floor,
            "base64": price.is_encoded,
        }
        if sale.rate is None:
            odd = {}  # the number means nothing in the bid's currency
        remarks = (*(name for name, is_so in odd.items() if is_so), *sale.remarks)
        return Charge(min(max(price.micros, floor), sale.ceiling), remarks)

    def min_to_win(self, ref: BidRef, query: Mapping[str, str]) -> int | None:
        """Return the micros that would have won one impression; `None` without, as of most exchanges."""
        rate = self._rate(ref, value_of(query, CURRENCY))[0]
        try:
            return None if rate is None else read_price(query.get(MIN_TO_WIN), rate).micros
        except PriceError:
            return None

    def can_convert(self, ref: BidRef, currency: str) -> bool:
        """Return whether a price in a currency can be charged for a bid; empty: the bid's own."""
        rate, odd = self._rate(ref, currency)
        return rate is not None and _UNKNOWN not in odd

    def _sale(self, ref: BidRef, query: Mapping[str, str]) -> _Sale:
        rate, odd_currency = self._rate(ref, value_of(query, CURRENCY))
        floor = min(ref.floor_micros, ref.ceiling_micros)
        if ref.quantity == 1.0:
            return _Sale(rate, 1.0, ref.ceiling_micros, floor, odd_currency)
        delivered, odd_quantity = _delivered(ref, value_of(query, QUANTITY))
        ceiling, part = _ceiling(ref, delivered), exact_quantity(delivered)
        floor = min(round(ref.floor_micros * part), ceiling)
        return _Sale(rate, delivered, ceiling, floor, odd_currency + odd_quantity)

    def _rate(self, ref: BidRef, said: str | None) -> tuple[float | None, tuple[str, ...]]:
        """Return the rate of the currency that a notice names, and remarks; the rate is none where it is unknown."""
        code = (said or "").upper()
        if not code or not ref.currency or code == ref.currency:
            return ref.rate, ()
        if not _CODE.fullmatch(code):
            return ref.rate, (_UNKNOWN,)
        cross = self._rates().rate(ref.currency, code)
        return (None if cross is None else ref.rate * cross), ("other_currency",)

    def _decrypted(self, exchange: Profile, ref: BidRef, text: str | None, rate: float, quantity: float) -> Price:
        text = text if text is None else text.strip()
        if text is None or not text or text.startswith("${") or text.upper() == "AUDIT":
            parse_price(text)  # raises the precise error
        try:
            price = self._keys[exchange.price_keys].decrypt(text or "")
        except EncryptedPriceError as error:
            raise PriceError("not_encrypted", str(error)) from error
        earliest = ref.made or ref.expires - self._seconds
        if not earliest - _CLOCK_SLACK <= price.at <= ref.expires + _CLOCK_SLACK:
            raise PriceError("stale_price", "the price was encrypted at another time than this bid was on sale")
        return Price(parse_price(str(Decimal(price.micros) / MICROS_PER_CPM), rate, quantity), False)


def _delivered(ref: BidRef, said: str | None) -> tuple[float, tuple[str, ...]]:
    """Return the impressions that a notice says were delivered, no more than were sold, and remarks."""
    if said is None:
        return ref.quantity, ()
    quantity = read_quantity(said)
    if quantity is None:
        return ref.quantity, ("unknown_quantity",)
    if quantity > ref.quantity:
        return ref.quantity, ("above_quantity",)
    return quantity, ("below_quantity",) if quantity < ref.quantity else ()


def _ceiling(ref: BidRef, delivered: float) -> int:
    """Return the most that delivered impressions can cost: the bid's price of one times their number."""
    if delivered == ref.quantity:
        return ref.ceiling_micros
    one = ref.ceiling_micros / exact_quantity(ref.quantity)
    price = round(one) if ref.quantity > 1.0 else one  # the price of one, which the ceiling was rounded from
    return min(round(price * exact_quantity(delivered)), ref.ceiling_micros)

"""The charge of a bid by its notice: never more than was bid, never less than the floor.

In a first-price auction the winner pays its bid, whatever a notice says, unless the exchange's profile allows
discounts. Elsewhere the notice tells the price, between floor and bid: in the clear, or encrypted where the profile
names keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from rtb.exchanges import ExchangeError, Exchanges, Profile
from rtb.money.micros import MICROS_PER_CPM
from rtb.openrtb.macros import Price, PriceError, parse_price, read_price
from rtb.settlement.encrypted_prices import EncryptedPriceError, PriceKeys
from rtb.settlement.notice_tokens import BidRef

_CLOCK_SLACK = 60.0  # seconds that an exchange's clock may differ from ours


class Charge(NamedTuple):
    """The cost of a bid.

    Attributes:
        micros: amount in our currency.
        remarks: counter names of oddities of the price.
    """

    micros: int
    remarks: tuple[str, ...] = ()


class Charging:
    """The rules of charging bids.

    Args:
        exchanges: profiles of the exchanges.
        price_keys: price keys by the names that profiles use.
        seconds: most seconds that notices of a bid are honoured.

    Raises:
        ExchangeError: a profile names missing keys.
    """

    def __init__(self, exchanges: Exchanges, price_keys: Mapping[str, PriceKeys], seconds: float) -> None:
        missing = {one.price_keys for one in exchanges if one.price_keys} - set(price_keys)
        if missing:
            raise ExchangeError(f"RAYBID_PRICE_KEYS has no keys named {', '.join(sorted(missing))}")
        self._exchanges = exchanges
        self._keys = price_keys
        self._seconds = seconds

    def charge(self, ref: BidRef, text: str | None, *, in_clear: bool = False) -> Charge:
        """Return the charge of a bid.

        Args:
            ref: the bid.
            text: price parameter of its notice; none: it has none.
            in_clear: whether a plain price is accepted from an exchange that encrypts, as it came with an API key.

        Raises:
            PriceError: the price is invalid: see `read_price`; also `not_encrypted` and `stale_price`.
        """
        exchange = self._exchanges.numbered(ref.exchange)
        pays_bid = ref.first_price and not exchange.discounts
        encrypts = bool(exchange.price_keys) and not in_clear
        try:
            price = self._decrypted(exchange, ref, text) if encrypts else read_price(text, ref.rate)
        except PriceError as error:
            if pays_bid and not encrypts and error.reason == "empty":
                return Charge(ref.ceiling_micros, ("without_price",))
            raise
        ceiling = ref.ceiling_micros
        floor = ceiling if pays_bid else min(ref.floor_micros, ceiling)
        odd = {
            "above_bid": price.micros > ceiling,
            "below_bid": pays_bid and price.micros < ceiling,
            "below_floor": not pays_bid and price.micros < floor,
            "base64": price.is_encoded,
        }
        return Charge(min(max(price.micros, floor), ceiling), tuple(name for name, is_so in odd.items() if is_so))

    def _decrypted(self, exchange: Profile, ref: BidRef, text: str | None) -> Price:
        if text is None or not text or text.startswith("${") or text.upper() == "AUDIT":
            parse_price(text)  # raises the precise error
        try:
            price = self._keys[exchange.price_keys].decrypt(text or "")
        except EncryptedPriceError as error:
            raise PriceError("not_encrypted", str(error)) from error
        if not ref.expires - self._seconds - _CLOCK_SLACK <= price.at <= ref.expires + _CLOCK_SLACK:
            raise PriceError("stale_price", "the price was encrypted at another time than this bid was on sale")
        return Price(parse_price(str(Decimal(price.micros) / MICROS_PER_CPM), ref.rate), False)

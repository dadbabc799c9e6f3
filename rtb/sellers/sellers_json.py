"""sellers.json (IAB Tech Lab, version 1.0): the sellers that an advertising system pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from rtb.sellers.ads_txt import SellersError

_INTERMEDIARY = "INTERMEDIARY"


class _Entry(msgspec.Struct):
    seller_id: Any = None
    seller_type: Any = None


class _File(msgspec.Struct):
    sellers: list[_Entry]


@dataclass(frozen=True)
class SellersJson:
    """The sellers of an advertising system.

    Attributes:
        accounts: ids of their accounts.
        intermediaries: accounts of those that own no inventory themselves.
    """

    accounts: frozenset[str]
    intermediaries: frozenset[str]


def read_sellers_json(text: bytes) -> SellersJson:
    """Return the sellers in a sellers.json.

    Raises:
        SellersError: it is none.
    """
    try:
        found = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SellersError(f"it is no sellers.json: {error}") from error
    kinds = {str(one.seller_id).strip(): str(one.seller_type).upper() for one in found.sellers if one.seller_id}
    return SellersJson(frozenset(kinds), frozenset(name for name, kind in kinds.items() if kind == _INTERMEDIARY))

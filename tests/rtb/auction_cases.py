"""Auctions as data: how the files under `tests/fixtures/auctions` are read.

Each file is about one subject and is a list of cases:

    name      what is special about the auction
    why       the rule it holds the bidder to
    base      the request it starts from, by name in base.json; `banner` when left out
    request   a JSON merge patch (RFC 7396) of it. `imp` as an object patches its one imp; as a list, each entry
              patches a copy of it. `{"$whole": ...}` is the request itself.
    campaigns names in base.json, or merge patches of the one under `base`; `creatives` are patched as imps are.
              Left out: the one that sells what the request's base asks for.
    expect    `bids`: exactly these, by imp and seat, each with at least these fields; `cur`; `user`: whether the
              notices know the user. Or `nobid`: the reason, some of which may do, or "any". Or `status` 400 and its
              `reason`. A field may be `{"$contains": text}`, `{"$absent": true}`, `{"$at_least": n}`,
              `{"$at_most": n}`.

Rates are 2 US dollars a euro and 100 yen a dollar: 1 USD is 0.5 EUR.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from rtb.campaigns.campaign import decode_campaign
from rtb.money.currency import Rates
from rtb.targeting.listing import Listing

FOLDER = Path(__file__).parents[1] / "fixtures" / "auctions"
RATES = Rates(base="USD", rates={"EUR": 0.5, "JPY": 100.0})

_BASE = json.loads((FOLDER / "base.json").read_text(encoding="utf-8"))
_SELLS = {"banner": "shop", "app": "shop", "video": "film", "audio": "radio", "native": "feed"}


class Case(NamedTuple):
    """One auction."""

    subject: str
    name: str
    why: str
    request: dict[str, Any]
    listings: list[Listing]
    expect: dict[str, Any]

    @property
    def body(self) -> bytes:
        """The request as it is sent; what a native asks for goes in a string."""
        request = deepcopy(self.request)
        for imp in request["imp"] if isinstance(request.get("imp"), list) else []:
            asked = imp.get("native", {}).get("request")
            if isinstance(asked, dict):
                imp["native"]["request"] = json.dumps(asked)
        return json.dumps(request).encode()


def read_cases() -> Iterator[Case]:
    """Every case of every file."""
    for path in sorted(FOLDER.glob("*.json")):
        if path.name == "base.json":
            continue
        for entry in json.loads(path.read_text(encoding="utf-8")):
            base = entry.get("base", "banner")
            campaigns = [_campaign(one) for one in entry.get("campaigns", [_SELLS[base]])]
            listings = [Listing(number, decode_campaign(one)) for number, one in enumerate(campaigns, 1)]
            request = _request(base, entry.get("request", {}))
            yield Case(path.stem, entry["name"], entry["why"], request, listings, entry["expect"])


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def _request(base: str, patch: dict[str, Any]) -> dict[str, Any]:
    if "$whole" in patch:
        whole: dict[str, Any] = patch["$whole"]
        return whole
    return _patched(_BASE["requests"][base], patch, "imp")


def _campaign(entry: str | dict[str, Any]) -> bytes:
    if isinstance(entry, str):
        return json.dumps(_BASE["campaigns"][entry]).encode()
    patch = {name: value for name, value in entry.items() if name != "base"}
    return json.dumps(_patched(_BASE["campaigns"][entry["base"]], patch, "creatives")).encode()


def _patched(target: dict[str, Any], patch: dict[str, Any], several: str) -> dict[str, Any]:
    """`target` with `patch`; under `several` is a list whose one entry is patched, once or more."""
    patches = patch.get(several, {})
    merged: dict[str, Any] = merge(target, {name: value for name, value in patch.items() if name != several})
    (first,) = target[several]
    merged[several] = [merge(first, one) for one in (patches if isinstance(patches, list) else [patches])]
    return merged

"""The specification's own examples: read, written again without loss of what is known, and bid on."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import msgspec

from rtb.openrtb import BidRequest, BidResponse, decode_request
from rtb.targeting.listing import Listing
from tests.rtb.bidder import Bidder
from tests.rtb.builders import make_campaign, make_request, to_json
from tests.support import SHARED_DATA, require

_FILE = SHARED_DATA / "openrtb" / "iab_examples.jsonl"
_CONTENT = {"title", "series", "episode"}


def _examples() -> list[dict[str, Any]]:
    require(_FILE.exists(), f"the specification's examples in {_FILE}")
    return [json.loads(line)["json"] for line in _FILE.read_text(encoding="utf-8").splitlines()]


def _requests() -> list[dict[str, Any]]:
    """Return the whole requests, and those that an example shows in part, such as `user`, completed."""
    found = [example for example in _examples() if "seatbid" not in example]
    parts = [{"site": {"domain": "a.example", "content": one}} if one.keys() & _CONTENT else one for one in found]
    return [one if "imp" in one else make_request(**{"site": ... if "app" in one else {}, **one}) for one in parts]


def _lost(sent: Any, kept: Any, hint: Any, path: str) -> list[str]:
    """Places of what a type knows and is not what it was."""
    struct = _struct_in(hint)
    if struct is None:
        return [] if sent == kept else [path]
    if isinstance(sent, list):
        pairs = zip(sent, kept, strict=True)
        return [place for n, (a, b) in enumerate(pairs) for place in _lost(a, b, struct, f"{path}[{n}]")]
    hints = get_type_hints(struct)
    known = [name for name in sent if name in hints]
    return [place for name in known for place in _lost(sent[name], kept.get(name), hints[name], f"{path}.{name}")]


def _struct_in(hint: Any) -> type[msgspec.Struct] | None:
    """Return the object that a type is, or that it is a list of, if any."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    inner = (_struct_in(one) for one in getattr(hint, "__args__", ()))
    return next((one for one in inner if one is not None), None)


def test_requests_lose_nothing_that_is_known() -> None:
    requests = _requests()
    assert len(requests) >= 8
    for request in requests:
        kept = json.loads(msgspec.json.encode(decode_request(to_json(request))))
        assert _lost(request, kept, BidRequest, "$") == []


def test_responses_lose_nothing_that_is_known() -> None:
    responses = [example for example in _examples() if "seatbid" in example]
    assert len(responses) >= 3
    for response in responses:
        kept = json.loads(msgspec.json.encode(msgspec.convert(response, BidResponse, strict=False)))
        assert _lost(response, kept, BidResponse, "$") == []


def test_a_loss_would_be_seen() -> None:
    assert _lost({"imp": [{"id": "1", "bidfloor": 1}]}, {"imp": [{"id": "1"}]}, BidRequest, "$") == [
        "$.imp[0].bidfloor"
    ]


def test_each_request_is_bid_on() -> None:
    bidder = Bidder([Listing(1, make_campaign())], max_imps=64, max_candidates=16)
    for request in _requests():
        (answer,) = bidder.answer(to_json(request))
        assert answer.body is not None, (answer.reason.name, request)
        (seat,) = json.loads(answer.body)["seatbid"]
        assert [bid["impid"] for bid in seat["bid"]] == [imp["id"] for imp in request["imp"]]
        assert seat["bid"][0]["price"] >= request["imp"][0].get("bidfloor", 0)

"""What Prebid Server's endpoint refuses: by a rule of OpenRTB, which binds us too, or by one of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rtb.openrtb import InvalidRequest, decode_request
from simulation.exchange.rules.validity import faults
from tests.support import SHARED_DATA, require

_FOLDER = "endpoints/openrtb2/sample-requests/"
_LIST = json.loads((Path(__file__).parents[2] / "fixtures" / "invalid_requests.json").read_text())
_FILE = SHARED_DATA / "openrtb" / "prebid_invalid_requests.jsonl"


def _is_refused(body: bytes) -> bool:
    try:
        decode_request(body)
    except InvalidRequest:
        return True
    return False


def test_each_is_on_one_list() -> None:
    assert not _LIST["openrtb"].keys() & _LIST["prebid"].keys()
    assert all([*_LIST["openrtb"].values(), *_LIST["prebid"].values()])


def test_rules_of_openrtb_refuse_and_rules_of_prebid_do_not() -> None:
    require(_FILE.exists(), f"requests in {_FILE}")
    found = {}
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        body = json.dumps(entry["request"]).encode()
        found[entry["src"].removeprefix(_FOLDER)] = "openrtb" if _is_refused(body) else "prebid"
    assert found == {name: kind for kind, names in _LIST.items() for name in names}


@pytest.mark.parametrize("name", ["prebid_requests.jsonl", "xrtb_requests.jsonl", "prebid_invalid_requests.jsonl"])
def test_the_exchange_and_the_bidder_hold_the_same_requests_for_valid(name: str) -> None:
    """Two readings of the specification that share no code."""
    path = SHARED_DATA / "openrtb" / name
    require(path.exists(), f"requests in {path}")
    for line in path.read_text(encoding="utf-8").splitlines():
        request = json.loads(line)["request"]
        assert _is_refused(json.dumps(request).encode()) == any(faults(request)), request

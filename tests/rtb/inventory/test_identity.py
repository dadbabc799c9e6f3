"""Who a request's user is: by which of its ids, and by none that stands for nobody."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.inventory.identity import DEFAULT_SOURCES, person, user_of, users_named
from rtb.openrtb import decode_request
from tests.rtb.builders import make_request, to_json

_ZERO = "00000000-0000-0000-0000-000000000000"
_IFA = "8F3E6A1C-1111-4222-8333-444444444444"
NOBODY = [
    "",
    "   ",
    "0",
    "000000",
    "-",
    "-1",
    _ZERO,
    f" {_ZERO}\n",
    _ZERO.replace("-", ""),
    f"{{{_ZERO}}}",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "FFFFFFFFFFFFFFFF",
    "xxxxxxxx",
    "null",
    "NULL",
    "(null)",
    "None",
    "nil",
    "undefined",
    "unknown",
    "N/A",
    "NaN",
    "false",
    "[object Object]",
    "not set",
    "anonymous",
    "opt-out",
    "OPT_OUT",
    "optedout",
    "no-user",
    "${USER_ID}",
    "{{user.id}}",
    "{user}",
    "[UID]",
    "<uid>",
    "%%USER_ID%%",
    "__UID__",
    "$UID",
    "$user_id",
    "$$UID$$",
    "%UID%",
    "%7B%7BUID%7D%7D",
    "%24%7BUSER_ID%7D",
    "0x0",
    "unset",
    "n.a.",
    "nul",
    "string",
    "unknown_user",
    "no-consent",
    "limit ad tracking",
    "null,null",
    "0,null",
    "\0",
    "9774d56d682e549c",
    "AAAAAAAAAAAAAAAAAAAAAA==",
    "AAAAAAAAAAAAAAAAAAAAAA",
    hashlib.sha256(b"null").hexdigest(),
    hashlib.md5(_ZERO.replace("-", "").encode(), usedforsecurity=False).hexdigest(),
    hashlib.md5(_ZERO.encode(), usedforsecurity=False).hexdigest(),
    hashlib.sha1(b"", usedforsecurity=False).hexdigest().upper(),
    hashlib.sha256(_ZERO.encode()).hexdigest(),
]
SOMEBODY = [
    "1",
    "10",
    "u1",
    "100000000",
    "00000000-0000-0000-0000-000000000001",
    "f0000000",
    "aaaaaaa",
    "ann",
    "nullable",
    "unknown-7",
    "withheld",
    "exchange-user-1",
    f"{{{_IFA}}}",
    _IFA,
    "[1",
    "$5",
    "50%",
    "a,b",
    "unsettled",
    "a%20b",
    "用户",
    "ü",
    "Bob/2?x=1&y#z",
]


def _user(sources: tuple[str, ...] = DEFAULT_SOURCES, **fields: Any) -> str:
    return user_of(decode_request(to_json(make_request(**fields))), sources)


def _eid(source: str, *ids: str) -> dict[str, Any]:
    return {"source": source, "uids": [{"id": id, "atype": 3} for id in ids]}


@pytest.mark.parametrize("id", NOBODY)
def test_an_id_that_stands_for_nobody_names_nobody(id: str) -> None:
    assert person(id) == ""
    for user in ({"id": id}, {"buyeruid": id}, {"eids": [_eid("id.example", id)]}):
        assert _user(user=user) == ""
        assert _user(user={**user, "ext": {"eids": [_eid("other.example", "x1")]}}) == "eid:other.example:x1"
    assert _user(device={"ifa": id}) == ""
    assert _user(user={"buyeruid": id, "id": "u1"}) == "exchange:u1"


@pytest.mark.parametrize("id", SOMEBODY)
def test_any_other_id_names_somebody(id: str) -> None:
    assert person(f" {id} ") == id
    assert _user(user={"id": id}) == f"exchange:{id}"


@given(st.text(max_size=60))
def test_two_people_are_never_one(text: str) -> None:
    assert person(text) in ("", text.strip())


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"user": {"buyeruid": "b", "id": "u", "eids": [_eid("id.example", "e")]}}, "buyer:b"),
        ({"user": {"id": "u", "eids": [_eid("id.example", "e")]}}, "exchange:u"),
        ({"user": {"eids": [_eid("id.example", "e")]}, "device": {"ifa": _IFA}}, "eid:id.example:e"),
        ({"user": {"ext": {"eids": [_eid("id.example", "e")]}}}, "eid:id.example:e"),
        ({"user": {"eids": [_eid("ID.example ", "e")]}}, "eid:id.example:e"),
        ({"user": {"eids": [_eid("a.example"), _eid("b.example", _ZERO, "e")]}}, "eid:b.example:e"),
        ({"user": {"eids": [], "ext": {"eids": [_eid("b.example", "e")]}}}, "eid:b.example:e"),
        ({"user": ..., "device": {"ifa": _IFA}}, f"ifa:{_IFA.lower()}"),
        ({"user": {}, "device": {"ifa": _IFA.lower()}}, f"ifa:{_IFA.lower()}"),
        ({"device": {"ifa": _IFA, "ext": {"ifa_type": "rida"}}}, f"ifa:{_IFA.lower()}"),
        ({"device": {"ifa": _IFA, "ext": {"ifa_type": "sessionid"}}}, ""),
        ({"user": {}, "device": {}}, ""),
        ({"user": ..., "device": ...}, ""),
    ],
)
def test_the_best_id_counts(fields: dict[str, Any], read: str) -> None:
    assert _user(**fields) == read


def test_sources_are_chosen() -> None:
    eids = [_eid("a.example", "a1"), _eid("b.example", "b1")]
    fields = {"user": {"id": "u", "buyeruid": "b", "eids": eids}, "device": {"ifa": _IFA}}
    assert _user(("b.example", "id"), **fields) == "eid:b.example:b1"
    assert _user(("c.example", "id"), **fields) == "exchange:u"
    assert _user(("ifa", "id"), **fields) == f"ifa:{_IFA.lower()}"
    assert _user(("c.example",), **fields) == ""


def test_a_user_is_one_in_whichever_order_the_ids_come() -> None:
    eids = [_eid("b.example", "b2", "b1"), _eid("a.example", "a2", _ZERO, "a1")]
    turned = [_eid("A.example", "a1", "a2"), _eid("b.example", "b1", "b2")]
    assert _user(user={"eids": eids}) == _user(user={"eids": turned}) == "eid:a.example:a1"
    assert _user(("b.example",), user={"eids": eids}) == "eid:b.example:b1"
    assert _user(user={"eids": eids[:1], "ext": {"eids": eids[1:]}}) == "eid:a.example:a1"


def test_ids_of_two_sources_are_two_people() -> None:
    users = {_user(user={"eids": [_eid(source, "7")]}) for source in ("a.example", "b.example")}
    assert len(users | {_user(user={"id": "7"}), _user(user={"buyeruid": "7"}), _user(device={"ifa": "7"})}) == 5


def test_whoever_is_counted_can_be_forgotten() -> None:
    named = users_named(f" {_IFA} ", ["ID.example"])
    for fields in (
        {"user": {"id": _IFA}},
        {"user": {"buyeruid": _IFA}},
        {"device": {"ifa": _IFA}},
        {"user": {"eids": [_eid("id.example", _IFA)]}},
    ):
        assert _user(**fields) in named

"""Who the user of a request is: the id that frequency caps and experiments go by."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Callable, Mapping, Sequence

from rtb.openrtb.types import BidRequest, Eid

BUYER, EXCHANGE, DEVICE, EXTENDED = "buyer", "exchange", "ifa", "eid"
"""Prefixes of users: from `user.buyeruid`, `user.id`, `device.ifa` and `eids`, so that no two sources' ids are one."""

BUYERUID, ID, EIDS, IFA = "buyeruid", "id", "eids", "ifa"
DEFAULT_SOURCES = (BUYERUID, ID, EIDS, IFA)
"""Sources of ids, the first that names somebody counts; besides these the `source` of an eid, a domain."""

_BLANK = "0-_:.{}()[] "
"""Characters of a UUID of zeros, in all its spellings, and of nothing."""

_WORDS = frozenset(
    {
        *("null", "nil", "none", "undefined", "unknown", "nan", "na", "n/a", "notset", "empty", "void", "false"),
        *("default", "invalid", "missing", "deleted", "anon", "anonymous", "noid", "nouser", "nouserid", "optout"),
        *("optedout", "objectobject"),
    }
)
"""What stands in the place of an id that is none, without hyphens, underscores and brackets."""

_LONGEST_WORD = 20
_REPEATED = 8

_MACRO = re.compile(r"[$%#@]?\{.*[^0-9a-f{}-].*\}|\[.*\]|<.*>|%%.*%%|__.*__|##.*##", re.IGNORECASE | re.DOTALL)
"""A macro that nobody replaced; braces are also around the UUIDs of Windows."""

_ZERO_UUID = "00000000-0000-0000-0000-000000000000"
_HASHED_NOBODY = frozenset(
    hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()
    for name in ("md5", "sha1", "sha256")
    for text in ("", _ZERO_UUID)
)
_DIGEST_LENGTHS = frozenset(map(len, _HASHED_NOBODY))

_SUSPECT_STARTS = frozenset(word[:2] for word in _WORDS)
_PLAIN_STARTS = frozenset(
    first + second
    for first in f"{string.ascii_letters}123456789"
    for second in f"{string.ascii_letters}{string.digits}-_"
    if first.lower() != second.lower() and (first + second).lower() not in _SUSPECT_STARTS
)
"""How most ids begin, which are taken as they are; others are looked at more closely."""

_SESSION = "sessionid"
"""`ifa_type` of an id that lasts as long as a session."""


def user_of(request: BidRequest, sources: Sequence[str] = DEFAULT_SOURCES) -> str:
    """Return the user of a request with a prefix of its source; empty where no source names anybody.

    Args:
        request: the request; that its signals allow it is checked before.
        sources: sources of ids in their order.
    """
    for source in sources:
        reader = _READERS.get(source)
        found = _by_source(request, source) if reader is None else reader(request)
        if found:
            return found
    return ""


def person(id: str | None) -> str:
    """Return an id without white space around it; empty for one that stands for nobody."""
    if not id:
        return ""
    if id[:2] in _PLAIN_STARTS and len(id) not in _DIGEST_LENGTHS and not id[-1].isspace():
        return id
    name = id.strip()
    return "" if _is_nobody(name) else name


def users_named(id: str, sources: Sequence[str]) -> list[str]:
    """Return all users whom an id may stand for.

    Args:
        id: the id as in requests.
        sources: domains of eids besides the fields of the specification.
    """
    name = id.strip()
    eids = [f"{EXTENDED}:{source.strip().lower()}:{name}" for source in sources]
    return [f"{BUYER}:{name}", f"{EXCHANGE}:{name}", f"{DEVICE}:{name.lower()}", *eids]


def _is_nobody(name: str) -> bool:
    if not name.strip(_BLANK):
        return True
    digits = name.replace("-", "")
    if len(digits) >= _REPEATED and digits.count(digits[0]) == len(digits):
        return True
    if len(name) <= _LONGEST_WORD:
        word = digits.replace("_", "").replace(" ", "").lower().strip("()[]{}<>\"'")
        if word in _WORDS or name == "-1":
            return True
    if name[0] in "$%#@{[<_":
        return _MACRO.fullmatch(name) is not None
    return len(name) in _DIGEST_LENGTHS and name.lower() in _HASHED_NOBODY


def _buyeruid(request: BidRequest) -> str:
    user = request.user
    name = person(user.buyeruid) if user is not None and user.buyeruid else ""
    return f"{BUYER}:{name}" if name else ""


def _id(request: BidRequest) -> str:
    user = request.user
    name = person(user.id) if user is not None and user.id else ""
    return f"{EXCHANGE}:{name}" if name else ""


def _ifa(request: BidRequest) -> str:
    device = request.device
    if device is None or not device.ifa:
        return ""
    if device.ext is not None and (device.ext.ifa_type or "").lower() == _SESSION:
        return ""
    name = person(device.ifa).lower()
    return f"{DEVICE}:{name}" if name else ""


def _eids(request: BidRequest) -> str:
    return next(filter(None, map(_of_eid, _sent_eids(request))), "")


_READERS: Mapping[str, Callable[[BidRequest], str]] = {BUYERUID: _buyeruid, ID: _id, EIDS: _eids, IFA: _ifa}


def _by_source(request: BidRequest, source: str) -> str:
    eids = (eid for eid in _sent_eids(request) if (eid.source or "").strip().lower() == source)
    return next(filter(None, map(_of_eid, eids)), "")


def _sent_eids(request: BidRequest) -> Sequence[Eid]:
    """Return the eids in the places of OpenRTB 2.6 and 2.5."""
    user = request.user
    if user is None:
        return ()
    return [*(user.eids or ()), *((user.ext.eids if user.ext is not None else None) or ())]


def _of_eid(eid: Eid) -> str:
    name = next(filter(None, (person(uid.id) for uid in eid.uids or ())), "")
    return f"{EXTENDED}:{(eid.source or '').strip().lower()}:{name}" if name else ""

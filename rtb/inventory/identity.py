"""Who the user of a request is: the id that frequency caps and experiments go by."""

from __future__ import annotations

import base64
import hashlib
import re
import string
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote

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
        *("null", "nil", "nul", "none", "undefined", "unknown", "nan", "na", "n/a", "notset", "unset", "empty", "void"),
        *("true", "false", "default", "invalid", "missing", "deleted", "blocked", "redacted", "string", "0x0"),
        *("anon", "anonymous", "nobody", "noid", "nouser", "nouserid", "unknownid", "unknownuser", "anonymoususer"),
        *("optout", "optedout", "noconsent", "limitadtracking", "notavailable", "objectobject", "placeholder"),
    }
)
"""What stands in the place of an id that is none, without hyphens, underscores, dots and brackets."""

_NAMED_TWICE = re.compile(r"[,;|]")
"""What stands between ids where somebody joined several."""

_SHARED = frozenset({"9774d56d682e549c"})
"""Ids that whole makes of devices have in common: this one is of the first Androids with an id."""

_LONGEST_WORD = 20
_REPEATED = 8

_MACRO = re.compile(
    r"[$%#@]?\{.*[^0-9a-f{}-].*\}|\[.*\]|<.*>|%%.*%%|__.*__|##.*##|%[A-Z_]+%|\$\$?[A-Z][A-Z_]*\$*",
    re.IGNORECASE | re.DOTALL,
)
"""A macro that nobody replaced; braces are also around the UUIDs of Windows. `$UID` is that of user syncs."""

_ZERO_UUID = "00000000-0000-0000-0000-000000000000"
_HASHED_NOBODY = frozenset(
    hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()
    for name in ("md5", "sha1", "sha256")
    for text in ("", "0", "null", "undefined", _ZERO_UUID, _ZERO_UUID.replace("-", ""))
)
_ENCODED_NOBODY = frozenset(
    encoded.rstrip("=") + padding
    for encoded in (base64.b64encode(bytes(16)).decode(), base64.b64encode(_ZERO_UUID.encode()).decode())
    for padding in ("", "=", "==")
)
_DIGEST_LENGTHS = frozenset(map(len, _HASHED_NOBODY | _ENCODED_NOBODY | _SHARED))

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
    is_plain = id[:2] in _PLAIN_STARTS and len(id) not in _DIGEST_LENGTHS
    if is_plain and id.isprintable() and not id[-1].isspace():  # as most are
        return id
    name = id.strip()
    return "" if _is_nobody(name) or ("%" in name and _is_nobody(unquote(name).strip())) else name


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
    if not name.strip(_BLANK) or name.isspace() or not name.isprintable() or name in _SHARED:
        return True
    if _NAMED_TWICE.search(name):
        return all(_is_nobody(one.strip()) for one in _NAMED_TWICE.split(name))
    digits = name.replace("-", "")
    if len(digits) >= _REPEATED and digits.count(digits[0]) == len(digits):
        return True
    if len(name) <= _LONGEST_WORD:
        word = digits.replace("_", "").replace(" ", "").replace(".", "").lower().strip("()[]{}<>\"'")
        if word in _WORDS or name == "-1":
            return True
    if name[0] in "$%#@{[<_":
        return _MACRO.fullmatch(name) is not None
    return (len(name) in _DIGEST_LENGTHS and name.lower() in _HASHED_NOBODY) or name in _ENCODED_NOBODY


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
    return _first_of(_sent_eids(request))


_READERS: Mapping[str, Callable[[BidRequest], str]] = {BUYERUID: _buyeruid, ID: _id, EIDS: _eids, IFA: _ifa}


def _by_source(request: BidRequest, source: str) -> str:
    return _first_of([eid for eid in _sent_eids(request) if _source_of(eid) == source])


def _first_of(eids: Sequence[Eid]) -> str:
    """Return the first id in alphabetical order: callers send a user's ids now in one order, now in another."""
    named = ((_source_of(eid), name) for eid in eids for uid in eid.uids or () if (name := person(uid.id)))
    source, name = min(named, default=("", ""))
    return f"{EXTENDED}:{source}:{name}" if name else ""


def _source_of(eid: Eid) -> str:
    return (eid.source or "").strip().lower()


def _sent_eids(request: BidRequest) -> Sequence[Eid]:
    """Return the eids in the places of OpenRTB 2.6 and 2.5."""
    user = request.user
    if user is None:
        return ()
    return [*(user.eids or ()), *((user.ext.eids if user.ext is not None else None) or ())]

"""One user sync, from its parameters and cookies to what it is answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl

from rtb.exchanges import Profile
from rtb.user_sync.consent import is_allowed
from rtb.user_sync.cookies import SentCookies, names_for, removing, sent_cookies, setting
from rtb.user_sync.ids import SyncIds, is_id
from rtb.user_sync.redirects import Redirect, RedirectFault, redirect_of

_MOST_BYTES = 8_192
"""Bytes of a query: the longest consent strings, twice, as the address to redirect to repeats them."""
_MOST_FIELDS = 32

_FAULTS: Mapping[RedirectFault, tuple[int, str]] = {
    "foreign_target": (403, "r does not lead to a host of this exchange, which its profile lists, over https"),
    "malformed_target": (400, "r has characters that an address cannot have"),
    "no_macro": (400, "r does not have the macro of this exchange once, in the place of the id"),
}

Page = Literal["redirect", "pixel", "blank", "text"]
"""Answers: a redirect, a transparent pixel, an empty page for an iframe, and a text that says what is wrong."""

_PAGES: Mapping[str, Page] = {"i": "pixel", "b": "blank"}


class SyncRequest(NamedTuple):
    """What a browser sends to sync.

    Attributes:
        query: the query of the address.
        cookies: the `Cookie` headers.
        opted_out: whether a header opts out: Global Privacy Control, or Do Not Track.
        storage_access: header `Sec-Fetch-Storage-Access`; empty: there is none.
    """

    query: bytes
    cookies: tuple[bytes, ...] = ()
    opted_out: bool = False
    storage_access: bytes = b""


class SyncAnswer(NamedTuple):
    """The answer to a user sync.

    Attributes:
        status: HTTP status.
        outcome: name of its counter.
        page: its form.
        text: address of a redirect, or what is wrong.
        cookies: `Set-Cookie` headers.
        remarks: names of further counters.
    """

    status: int
    outcome: str
    page: Page = "text"
    text: str = ""
    cookies: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class _Identified(NamedTuple):
    """The id of a browser, empty where it may not have one, and what to do with its cookies."""

    outcome: str
    id: str = ""
    cookies: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class UserSyncs:
    """The rules of user syncs.

    Args:
        ids: maker of ids.
        vendor: our id in the Global Vendor List; 0: none.
    """

    def __init__(self, ids: SyncIds, vendor: int = 0) -> None:
        self._ids = ids
        self._vendor = vendor

    def answer(self, profile: Profile, request: SyncRequest) -> SyncAnswer:
        """Return the answer to a user sync of an exchange."""
        if len(request.query) > _MOST_BYTES:
            return SyncAnswer(414, "too_long", text=f"the query has more than {_MOST_BYTES} bytes")
        parameters = _parameters(request.query)
        if parameters is None:
            return SyncAnswer(400, "malformed", text="the query has too many parameters, or one twice")
        target, page = parameters.get("r", ""), _PAGES.get(parameters.get("f", ""))
        if not target:
            if page is None:
                return SyncAnswer(400, "no_target", text="r, the address to redirect to, is missing")
            found = self._identify(parameters, request)
            return SyncAnswer(200, found.outcome, page, cookies=found.cookies, remarks=found.remarks)
        redirect = redirect_of(target, profile.user_sync)
        if not isinstance(redirect, Redirect):
            status, told = _FAULTS[redirect]
            return SyncAnswer(status, redirect, text=told)
        found = self._identify(parameters, request)
        address = redirect.address(found.id)
        return SyncAnswer(302, found.outcome, "redirect", address, found.cookies, found.remarks)

    def _identify(self, parameters: Mapping[str, str], request: SyncRequest) -> _Identified:
        sent = sent_cookies(request.cookies)
        if not is_allowed(parameters, opted_out=request.opted_out, vendor=self._vendor):
            return _Identified("withdrawn" if sent.names else "not_allowed", cookies=removing(sent.names))
        remarks = tuple(self._faults(sent))
        known = next(filter(self._ids.is_ours, sent.values), None)
        if known is not None:
            return _Identified("kept", known, remarks=remarks)
        id = self._ids.make()
        return _Identified("issued", id, setting(names_for(request.storage_access) | sent.names, id), remarks)

    def _faults(self, sent: SentCookies) -> Iterable[str]:
        """Yield what is wrong with cookies, once each."""
        others = [value for value in sent.values if not self._ids.is_ours(value)]
        if any(map(is_id, others)):
            yield "forged_cookie"
        if not all(map(is_id, others)):
            yield "malformed_cookie"


def _parameters(query: bytes) -> dict[str, str] | None:
    """Return the parameters of a query, decoded once; `None` where they are too many, or one is there twice."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    found = dict(pairs)
    return found if len(found) == len(pairs) else None

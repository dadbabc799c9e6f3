"""Where a user sync redirects to: an address that the exchange sends, at a host that its profile names.

The address is not parsed, since browsers parse unusual ones otherwise than libraries do. It has to begin, letter by
letter, with `https://`, a host of the profile and a slash, and all that follows has to be plain characters of a URL,
without encoded control characters, which the exchange might decode.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from rtb.exchanges import UserSync

_START = re.compile(r"https://([a-z0-9.-]+(?::[0-9]{1,5})?)(?=/)", re.ASCII | re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*", re.ASCII)
_CONTROL = re.compile(r"%(?:[01][0-9a-f]|7f)", re.ASCII | re.IGNORECASE)
_USUAL_PORT = ":443"


class Redirect(NamedTuple):
    """An address with a place for an id.

    Attributes:
        before: what stands before the id.
        after: what stands behind it.
    """

    before: str
    after: str

    def address(self, id: str) -> str:
        """Return the address with an id; empty: the address that says that there is none."""
        return f"{self.before}{id}{self.after}"


RedirectFault = Literal["foreign_target", "malformed_target", "no_macro"]


def redirect_of(target: str, sync: UserSync) -> Redirect | RedirectFault:
    """Return the redirect to an address, or why it is refused.

    Args:
        target: the address as the exchange sends it, decoded once.
        sync: hosts and macro of the exchange.
    """
    start = _START.match(target)
    host = start[1].lower().removesuffix(_USUAL_PORT) if start is not None else ""
    if start is None or host not in {one.removesuffix(_USUAL_PORT) for one in sync.hosts}:
        return "foreign_target"
    before, macro, after = target[start.end() :].partition(sync.macro)
    if not all(map(_is_plain, (before, after.replace(sync.macro, "")))):
        return "malformed_target"
    if not macro or sync.macro in after:
        return "no_macro"
    return Redirect(f"https://{host}{before}", after)


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and _CONTROL.search(text) is None

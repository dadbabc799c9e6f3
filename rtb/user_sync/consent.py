"""Whether a browser may be given an id: the privacy signals of a user sync, which are parameters and headers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rtb.openrtb.types import BidRequest, Regs, User
from rtb.privacy.permissions import allowed_user_data

_SECTION = re.compile(r"-?[0-9]{1,4}", re.ASCII)
_MOST_SECTIONS = 100


def is_allowed(parameters: Mapping[str, str], *, opted_out: bool, vendor: int) -> bool:
    """Return whether all signals allow an id, by the rules that requests are read by; in doubt they do not.

    Args:
        parameters: `gdpr`, `gdpr_consent`, `us_privacy`, `gpp` and `gpp_sid`, each possibly missing or empty.
        opted_out: whether a header says so: Global Privacy Control, or Do Not Track.
        vendor: our id in the Global Vendor List; 0: none.
    """
    consent, gdpr = parameters.get("gdpr_consent", ""), parameters.get("gdpr", "")
    sections = _sections(parameters.get("gpp_sid", ""))
    if opted_out or sections is None or gdpr not in ("", "0", "1"):
        return False
    regs = Regs(
        gdpr=int(gdpr or bool(consent)),  # whoever sends a consent string without `gdpr` does not know
        us_privacy=parameters.get("us_privacy", ""),
        gpp=parameters.get("gpp", ""),
        gpp_sid=sections,
    )
    return allowed_user_data(BidRequest("", [], regs=regs, user=User(consent=consent)), vendor).identity


def _sections(text: str) -> list[int] | None:
    """Return the ids of GPP sections that apply; `None` where they cannot be read."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if len(parts) > _MOST_SECTIONS or not all(map(_SECTION.fullmatch, parts)):
        return None
    return [int(part) for part in parts]

"""The rules by which user data of requests is read, beside the privacy signals."""

from __future__ import annotations

from typing import NamedTuple

from rtb.inventory.identity import DEFAULT_SOURCES
from rtb.openrtb.types import BidRequest
from rtb.privacy.permissions import UserDataPermissions


class UserDataPolicy(NamedTuple):
    """An operator's choices about user data.

    Attributes:
        vendor: our id in the Global Vendor List; 0: none.
        sources: sources of user ids in their order, see `rtb.inventory.identity`.
        providers: ids or names of the providers whose segments are used; empty: all.
    """

    vendor: int = 0
    sources: tuple[str, ...] = DEFAULT_SOURCES
    providers: frozenset[str] = frozenset()


DEFAULT_POLICY = UserDataPolicy()


def policy_of(vendor: int, sources: str, providers: str) -> UserDataPolicy:
    """Return the policy of settings, whose lists are comma-separated."""
    return UserDataPolicy(vendor, tuple(_listed(sources.lower())), frozenset(_listed(providers)))


def eid_sources(sources: str) -> list[str]:
    """Return the sources of eids among the comma-separated sources of user ids."""
    return [source for source in _listed(sources.lower()) if source not in DEFAULT_SOURCES]


def segments_of(request: BidRequest, allowed: UserDataPermissions, policy: UserDataPolicy) -> tuple[str, ...]:
    """Return the segments of a request's user, sorted; empty where privacy signals forbid them."""
    user = request.user
    if user is None or not user.data or not allowed.profile:
        return ()
    data, providers = user.data, policy.providers
    if providers:
        data = [one for one in data if one.id in providers or one.name in providers]
    return tuple(sorted({segment.id for one in data for segment in one.segment or () if segment.id}))


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]

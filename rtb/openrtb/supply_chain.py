"""The supply chain of a request: everybody who is paid for the impression, from its owner to the exchange."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from rtb.openrtb.bounds import MOST_NODES, Id, Int
from rtb.openrtb.domains import domain


class SupplyChainNode(Struct, omit_defaults=True, gc=False):
    """3.2.26: one who sells or resells the impression."""

    asi: Id | None = None
    sid: Id | None = None


class SupplyChain(Struct, omit_defaults=True, gc=False):
    """3.2.25: the chain, beginning with the owner of the inventory where it is complete."""

    complete: Int = 0
    nodes: Annotated[list[SupplyChainNode], Meta(max_length=MOST_NODES)] | None = None


class SourceExt(Struct, omit_defaults=True, gc=False):
    """The place where OpenRTB 2.5 callers put fields that 2.6 has in `source`."""

    schain: SupplyChain | None = None


class Source(Struct, omit_defaults=True, gc=False):
    """3.2.2: where the request comes from."""

    schain: SupplyChain | None = None
    ext: SourceExt | None = None


class Seller(NamedTuple):
    """A seller's account in an advertising system.

    Attributes:
        system: domain of the system, lower case.
        account: id of the account there.
    """

    system: str
    account: str


def seller_name(text: str) -> str:
    """Return the name of a seller, `domain` or `domain/account`, as `names_of` has it."""
    system, slash, account = text.strip().partition("/")
    return f"{domain(system)}{slash}{account.strip()}"


def names_of(sellers: Iterable[Seller]) -> tuple[str, ...]:
    """Return the names of sellers, each as its system and as `system/account`."""
    return tuple(dict.fromkeys(name for s in sellers for name in (s.system, f"{s.system}/{s.account}")))


def chain_of(source: Source | None) -> SupplyChain | None:
    """Return the supply chain, from its place in 2.6 or in 2.5; `None` where there is none.

    An empty one hides none that stands in the other place.
    """
    if source is None:
        return None
    earlier = source.ext.schain if source.ext is not None else None
    return source.schain if source.schain is not None and (source.schain.nodes or earlier is None) else earlier


def is_complete(chain: SupplyChain | None) -> bool:
    """Return whether a chain says that nobody is missing, and names everybody who is in it."""
    if chain is None or chain.complete != 1:
        return False
    nodes = chain.nodes or []
    return bool(nodes) and all((node.asi or "").strip() and (node.sid or "").strip() for node in nodes)


def sellers_of(chain: SupplyChain | None) -> tuple[Seller, ...]:
    """Return the sellers in a chain, in its order; a missing system or account is empty."""
    nodes = (chain.nodes or ()) if chain is not None else ()
    return tuple(Seller(domain(node.asi or ""), (node.sid or "").strip()) for node in nodes)

"""Vetting of campaigns: each is tried by itself before it is used, so that an invalid one blocks no other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rtb.catalog import CatalogEntry
from rtb.pacing.snapshot import decode_catalog, encode_catalog
from rtb.pacing.terms import day_of, terms_of
from rtb.pacing.terms_table import TermsTable
from rtb.runtime.quarantine import RECORD_ERRORS, Fault
from rtb.targeting.catalog_view import feature_rows
from rtb.targeting.listing import Listing


class Vetter:
    """A vetter that tries each version of a campaign once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Fault | None] = {}

    def vet(self, entries: Sequence[CatalogEntry], now: float) -> tuple[list[CatalogEntry], list[Fault]]:
        """Return the valid entries, and the faults of the others.

        Args:
            entries: campaigns of record.
            now: Unix time.
        """
        versions = [(entry.number, entry.version) for entry in entries]
        found = [
            self._known[version] if version in self._known else _fault_of(entry, now)
            for version, entry in zip(versions, entries, strict=True)
        ]
        self._known = dict(zip(versions, found, strict=True))
        sound = [entry for entry, fault in zip(entries, found, strict=True) if fault is None]
        return sound, [fault for fault in found if fault is not None]


def _fault_of(entry: CatalogEntry, now: float) -> Fault | None:
    """Run one campaign through what is done with all: terms, pacing, snapshot, index; return its fault, if any."""
    try:
        if not (math.isfinite(entry.starts) and math.isfinite(entry.ends)):
            raise ValueError("its flight has no length")
        terms_of(entry)
        day_of(entry, now)
        TermsTable([entry])
        listing = Listing(entry.number, entry.campaign)
        if decode_catalog(encode_catalog([listing])) != [listing]:
            raise ValueError("it does not come out of a snapshot as it went in")
        feature_rows(listing)
        listing.named, listing.placements, listing.shapes  # noqa: B018 - what the index reads, kept where it is read
    except RECORD_ERRORS as error:
        return Fault.of("campaign", entry.campaign.id, error)
    return None

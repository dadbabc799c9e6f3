"""Parcels of made-up decisions."""

from __future__ import annotations

from rtb.explain.records import BatchRecord, BidRecord, Parcel, RequestRecord, parcel_of


def batch(
    at: float, lease: int, *, size: int = 100, pacing: str = "p", policy: str = "neutral", bids: int = 2
) -> BatchRecord:
    versions = [BidRecord(lease, number, 1, 0, 0, 500, 0.1, 0.2, int(at) + 60) for number in range(1, bids + 1)]
    body = bytes(range(256)) * (size // 256 + 1)
    request = RequestRecord(body[:size], False, "r", "c", 12, False, [], versions)
    return BatchRecord(at, "c", pacing, "m", pacing, policy, "", [request])


def parcel(at: float, lease: int, **told: int | str) -> Parcel:
    return parcel_of(f"{lease:x}", [batch(at, lease, **told)], {"r": b"{}"})  # type: ignore[arg-type]

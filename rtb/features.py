"""The one feature encoder, used by training and serving alike.

A row is one hash bucket per field. Fields of the impression are hashed once an impression, fields of the creative
once a catalog; a candidate's row is the two side by side.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rtb.creative import Creative
from rtb.impression import Impression

SCHEMA_VERSION = "features-1"
"""Changes whenever a row would hold other buckets for the same candidate."""

BUCKETS = 1 << 16
"""Rows of the embedding table; bucket 0 stands for an absent value."""

SEGMENT_FIELDS = 4

IMPRESSION_FIELDS = (
    "inventory",
    "publisher",
    "pos",
    "country",
    "region",
    "devicetype",
    "os",
    "hour",
    "weekday",
    *(f"segment_{n}" for n in range(SEGMENT_FIELDS)),
)
CREATIVE_FIELDS = ("campaign", "creative", "size")
FIELDS = IMPRESSION_FIELDS + CREATIVE_FIELDS

Rows = npt.NDArray[np.int32]


@lru_cache(maxsize=1 << 17)
def bucket(field: str, value: str) -> int:
    """Bucket of a value in a field: 0 for the empty value, else 1 to `BUCKETS` - 1, the same on every machine."""
    if not value:
        return 0
    return 1 + zlib.crc32(f"{field}={value}".encode()) % (BUCKETS - 1)


def impression_row(impression: Impression) -> list[int]:
    """Buckets of an impression's fields, in the order of `IMPRESSION_FIELDS`."""
    audience = impression.audience
    weekday, hour = divmod(audience.hour_of_week, 24)
    segments = audience.segments[:SEGMENT_FIELDS]
    return [
        bucket("inventory", audience.inventory),
        bucket("publisher", audience.publisher),
        bucket("pos", str(impression.pos)),
        bucket("country", audience.country),
        bucket("region", audience.region),
        bucket("devicetype", str(audience.devicetype)),
        bucket("os", audience.os),
        bucket("hour", str(hour)),
        bucket("weekday", str(weekday)),
        # One name for all places: a segment means the same wherever it stands in the list.
        *(bucket("segment", segment) for segment in segments),
        *([0] * (SEGMENT_FIELDS - len(segments))),
    ]


def creative_row(campaign_id: str, creative: Creative) -> list[int]:
    """Buckets of a creative's fields, in the order of `CREATIVE_FIELDS`."""
    w, h = creative.size
    return [
        bucket("campaign", campaign_id),
        bucket("creative", f"{campaign_id}/{creative.id}"),
        bucket("size", f"{w}x{h}"),
    ]


def encode(
    impression_rows: Sequence[Sequence[int]],
    creative_rows: Rows,
    imp: npt.NDArray[np.intp],
    creative: npt.NDArray[np.intp],
) -> Rows:
    """Rows of candidates, shape `(n, len(FIELDS))`.

    Args:
        impression_rows: one `impression_row` per impression of the batch.
        creative_rows: one `creative_row` per creative of the catalog, shape `(creatives, len(CREATIVE_FIELDS))`.
        imp: index of each candidate's impression, shape `(n,)`.
        creative: index of each candidate's creative, shape `(n,)`.
    """
    left = np.asarray(impression_rows, np.int32).reshape(-1, len(IMPRESSION_FIELDS))
    return np.concatenate((left[imp], creative_rows[creative]), axis=1)

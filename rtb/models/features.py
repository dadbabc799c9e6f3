"""The one feature encoder of training and serving.

A row is one hash bucket per field. Fields of the impression are hashed once per impression, fields of the creative once
per catalog; a candidate's row is the two side by side.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rtb.campaigns.creative import Creative
from rtb.inventory.impression import Impression
from rtb.runtime.caches import memoized

SCHEMA_VERSION = "features-2"
"""Version of the encoder; changes whenever a candidate's row would change."""

BUCKETS = 1 << 16
"""Rows of the embedding table; bucket 0 pads the segments of a user."""

SEGMENT_FIELDS = 8

CONTEXT_FIELDS = ("tag", "floor", "city", "network", "weekday", "pos_floor", "region_floor")
"""Fields with the same effect for all campaigns: many values, or little to do with the advertising."""

TASTE_FIELDS = (
    "inventory",
    "publisher",
    "category",
    "format",
    "pos",
    "country",
    "region",
    "devicetype",
    "os",
    "browser",
    "hour",
    *(f"segment_{n}" for n in range(SEGMENT_FIELDS)),
)
"""Fields whose effect depends on the campaign: models cross these with it."""

IMPRESSION_FIELDS = CONTEXT_FIELDS + TASTE_FIELDS
CREATIVE_FIELDS = ("campaign", "creative", "size")
FIELDS = IMPRESSION_FIELDS + CREATIVE_FIELDS

_SHORT = 64

Rows = npt.NDArray[np.int32]


def bucket(field: str, value: str) -> int:
    """Return the bucket of a value, empty or not, in a field: 1 to `BUCKETS` - 1, the same on every machine."""
    return _short_bucket(field, value) if len(value) <= _SHORT else _bucket(field, value)


def _bucket(field: str, value: str) -> int:
    return 1 + zlib.crc32(f"{field}={value}".encode()) % (BUCKETS - 1)


_short_bucket = lru_cache(maxsize=1 << 13)(_bucket)
"""Cache of short values only, bounded by entries instead of bytes, which is faster by half."""


def impression_row(impression: Impression) -> list[int]:
    """Return the buckets of an impression's fields, in the order of `IMPRESSION_FIELDS`."""
    audience = impression.audience
    weekday, hour = divmod(audience.hour_of_week, 24)
    pos, floor = str(impression.pos), _octave(impression.floors.cpm)
    return [
        bucket("tag", impression.tag),
        bucket("floor", floor),
        bucket("city", audience.city),
        bucket("network", audience.network),
        bucket("weekday", str(weekday)),
        bucket("pos_floor", f"{pos}/{floor}"),
        bucket("region_floor", f"{audience.region}/{floor}"),
        *_place_buckets(audience.inventory, audience.publisher, audience.category, impression.slot.kind, pos),
        *_device_buckets(audience.country, audience.region, audience.devicetype, audience.os, audience.browser),
        bucket("hour", str(hour)),
        *_segment_buckets(*audience.segments[:SEGMENT_FIELDS]),
    ]


def named_values(impression: Impression, campaign_id: str, creative: Creative) -> dict[str, str]:
    """Return the values behind the buckets of a candidate's row, by field, in the order of `FIELDS`.

    For people only: rows are made by `impression_row` and `creative_row`, and a test checks that the values agree.
    """
    audience = impression.audience
    weekday, hour = divmod(audience.hour_of_week, 24)
    pos, floor = str(impression.pos), _octave(impression.floors.cpm)
    w, h = creative.size
    segments = audience.segments[:SEGMENT_FIELDS]
    return {
        "tag": impression.tag,
        "floor": floor,
        "city": audience.city,
        "network": audience.network,
        "weekday": str(weekday),
        "pos_floor": f"{pos}/{floor}",
        "region_floor": f"{audience.region}/{floor}",
        "inventory": audience.inventory,
        "publisher": audience.publisher,
        "category": audience.category,
        "format": impression.slot.kind,
        "pos": pos,
        "country": audience.country,
        "region": audience.region,
        "devicetype": str(audience.devicetype),
        "os": audience.os,
        "browser": audience.browser,
        "hour": str(hour),
        **{f"segment_{n}": segments[n] if n < len(segments) else "" for n in range(SEGMENT_FIELDS)},
        "campaign": campaign_id,
        "creative": f"{campaign_id}/{creative.id}",
        "size": f"{w}x{h}",
    }


# Repeated values come in groups: a site with its category, a device with its system, a user's segments.


@memoized("places", 1 << 20)
def _place_buckets(inventory: str, publisher: str, category: str, kind: str, pos: str) -> tuple[int, ...]:
    return (
        bucket("inventory", inventory),
        bucket("publisher", publisher),
        bucket("category", category),
        bucket("format", kind),
        bucket("pos", pos),
    )


@memoized("devices", 1 << 20)
def _device_buckets(country: str, region: str, devicetype: int, os: str, browser: str) -> tuple[int, ...]:
    return (
        bucket("country", country),
        bucket("region", region),
        bucket("devicetype", str(devicetype)),
        bucket("os", os),
        bucket("browser", browser),
    )


@memoized("segments", 1 << 19)
def _segment_buckets(*segments: str) -> tuple[int, ...]:
    """Return the buckets of segments under one field name: their order in the list has no meaning."""
    return (*(bucket("segment", segment) for segment in segments), *([0] * (SEGMENT_FIELDS - len(segments))))


def creative_row(campaign_id: str, creative: Creative) -> list[int]:
    """Return the buckets of a creative's fields, in the order of `CREATIVE_FIELDS`."""
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
    """Return the rows of candidates, shape `(n, len(FIELDS))`.

    Args:
        impression_rows: one `impression_row` per impression of the batch.
        creative_rows: one `creative_row` per creative of the catalog, shape `(creatives, len(CREATIVE_FIELDS))`.
        imp: index of each candidate's impression, shape `(n,)`.
        creative: index of each candidate's creative, shape `(n,)`.
    """
    left = np.asarray(impression_rows, np.int32).reshape(-1, len(IMPRESSION_FIELDS))
    return np.concatenate((left[imp], creative_rows[creative]), axis=1)


def _octave(cpm: float) -> str:
    """Return the binary logarithm of a floor, rounded; empty where there is none. Floors tell of inventory quality."""
    return str(round(math.log2(min(cpm, 1e9)))) if cpm > 0.0 else ""

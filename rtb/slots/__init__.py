"""What is sold in one imp: a slot for each format it takes, and which creatives fit into it."""

from rtb.slots.fitting import DAAST, VAST, answers, fits, image_for, media_for, protocol_of, rank, size_of, text_for
from rtb.slots.reading import KINDS, slots_of
from rtb.slots.types import (
    NO_LIMIT,
    AudioSlot,
    BannerSlot,
    DataNeed,
    ImageNeed,
    NativeAsset,
    NativeSlot,
    PlayedSlot,
    Ratio,
    Slot,
    TitleNeed,
    VideoSlot,
)

__all__ = [
    "DAAST",
    "KINDS",
    "NO_LIMIT",
    "VAST",
    "AudioSlot",
    "BannerSlot",
    "DataNeed",
    "ImageNeed",
    "NativeAsset",
    "NativeSlot",
    "PlayedSlot",
    "Ratio",
    "Slot",
    "TitleNeed",
    "VideoSlot",
    "answers",
    "fits",
    "image_for",
    "media_for",
    "protocol_of",
    "rank",
    "size_of",
    "slots_of",
    "text_for",
]

"""The best creative of each campaign for a slot, found for a whole catalog at once.

Thousands of creatives come in few shapes: the same size, attributes and encodings. Whether a shape fits a slot is
checked once for all its creatives; the rest is array arithmetic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from rtb.campaigns.creative import Creative, Image, NativeAd, VideoAd
from rtb.inventory.slots import Slot, fits, rank

_UNFIT = -1


class CreativeIndex:
    """An index of the creatives of a catalog.

    Args:
        creatives: creatives of all campaigns, grouped by campaign.
        shapes: shape of each, by `shape_of`.
        lines: index of each one's campaign, ascending.
        campaigns: number of campaigns.
    """

    def __init__(
        self, creatives: Sequence[Creative], shapes: Iterable[Hashable], lines: Sequence[int], campaigns: int
    ) -> None:
        self._line = np.array(lines, np.intp)
        self._campaigns = campaigns
        self.kinds = frozenset(creative.kind for creative in creatives)
        numbers: dict[Hashable, int] = {}
        self._shape = np.array([numbers.setdefault(one, len(numbers)) for one in shapes], np.intp)
        _, first = np.unique(self._shape, return_index=True)
        self._samples = defaultdict(list)
        for number, place in enumerate(first.tolist()):
            self._samples[creatives[place].kind].append((number, creatives[place]))
        self._shapes = len(numbers)

    def choose(self, slot: Slot, languages: tuple[str, ...] = ()) -> npt.NDArray[np.int32]:
        """Return the index of each campaign's best fitting creative, the first of equals; -1 where none fits.

        Args:
            slot: slot to fill.
            languages: ISO 639-1 codes of allowed languages, or empty for all; a creative without one does not fit then.
        """
        quality = np.full(self._shapes, _UNFIT)
        for number, sample in self._samples.get(slot.kind, ()):
            if (not languages or sample.language in languages) and fits(slot, sample):
                quality[number] = rank(slot, sample)
        chosen = np.full(self._campaigns, -1, np.int32)
        of_creative = quality[self._shape] if self._shapes else np.empty(0, np.intp)
        for level in np.unique(of_creative[of_creative != _UNFIT])[::-1]:  # the last write is the best
            places = np.flatnonzero(of_creative == level)[::-1]
            chosen[self._line[places]] = places
        return chosen


def shape_of(creative: Creative) -> Hashable:
    """Return all that `fits` and `rank` read of a creative. Of URLs only whether they are secure is included."""
    return (
        creative.kind,
        creative.language,
        creative.is_secure,
        frozenset(creative.api),
        creative.attributes,
        (creative.w, creative.h, creative.mime, creative.banner_types) if creative.kind == "banner" else None,
        _video_shape(creative.video),
        creative.audio and (creative.audio.duration_seconds, _files(creative.audio.media)),
        creative.native and _native_shape(creative.native),
    )


def _video_shape(video: VideoAd | None) -> Hashable:
    if video is None:
        return None
    return (video.duration_seconds, video.skip_after_seconds, _files(video.media))


def _files(media: Sequence[msgspec.Struct]) -> Hashable:
    return tuple(msgspec.structs.astuple(msgspec.structs.replace(file, url="-")) for file in media)


def _native_shape(native: NativeAd) -> Hashable:
    """Return the shape of a native ad; of texts only the length matters."""
    texts = tuple(len(value) for value in msgspec.structs.astuple(native) if isinstance(value, str))
    return (texts, _images(native.images), _images(native.icons), _video_shape(native.video))


def _images(images: Sequence[Image]) -> Hashable:
    return tuple((image.type, image.w, image.h) for image in images)

"""What a campaign may ask of the content, the place and the supply chain of an impression."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rtb.campaigns.creative import Line

Names = Annotated[tuple[Line, ...], msgspec.Meta(max_length=10_000)]


class Circle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A circle on the ground.

    Attributes:
        lat: degrees north of its centre.
        lon: degrees east of its centre.
        km: its radius.
    """

    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    km: Annotated[float, msgspec.Meta(gt=0, le=20_037)]


class ContentTargeting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content in which a campaign runs; names are compared without case.

    Attributes:
        genres: genres (`content.genre` and `genres`).
        ratings: ratings (`content.contentrating`), or `qag:1` (all audiences), `qag:2` (over 12), `qag:3` (mature).
        languages: ISO 639-1 codes or BCP 47 tags.
        series: names of series.
        networks: ids, names or domains of networks.
        channels: ids, names or domains of channels.
        exclude_channels: the same of channels where it may not run.
        segments: contextual segments (`content.data[].segment[].id`).
        livestream: whether it runs in live content only (`true`) or never (`false`); none: in both.
    """

    genres: Names = ()
    ratings: Names = ()
    languages: Names = ()
    series: Names = ()
    networks: Names = ()
    channels: Names = ()
    exclude_channels: Names = ()
    segments: Names = ()
    livestream: bool | None = None


class SupplyRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sellers from whom a campaign buys.

    Attributes:
        complete_chain: whether it buys only where the supply chain (`source.schain`) is complete.
        max_nodes: most sellers in that chain; 0: any number. An impression without a chain then does not count.
        exclude_sellers: sellers that it does not buy from, as the domain of their system, or `domain/account`.
        authorised: whether it buys only from sellers that the publisher's ads.txt or app-ads.txt authorises.
    """

    complete_chain: bool = False
    max_nodes: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    exclude_sellers: Names = ()
    authorised: bool = False

"""Objects that describe what an impression is shown with: content, its network and its channel."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from rtb.openrtb.bounds import MOST_PROVIDERS, MOST_SEGMENTS, Id, Int, Names, Text


class Segment(Struct, omit_defaults=True, gc=False):
    """3.2.22: one segment of the user, or of content."""

    id: Id | None = None


class Data(Struct, omit_defaults=True, gc=False):
    """3.2.21: segments from one provider."""

    id: Id | None = None
    name: Id | None = None
    segment: Annotated[list[Segment], Meta(max_length=MOST_SEGMENTS)] | None = None


class Network(Struct, omit_defaults=True, gc=False):
    """3.2.23: the network that content is of, such as a parent of channels."""

    id: Id | None = None
    name: Text | None = None
    domain: Id | None = None


class Channel(Struct, omit_defaults=True, gc=False):
    """3.2.24: the channel that content is on."""

    id: Id | None = None
    name: Text | None = None
    domain: Id | None = None


class ContentExt(Struct, omit_defaults=True, gc=False):
    """The place where OpenRTB 2.5 callers put fields that 2.6 has in `content`: an object each, or its name."""

    network: Network | Text | None = None
    channel: Channel | Text | None = None


class Content(Struct, omit_defaults=True, gc=False):
    """3.2.16: the content in which the impression is shown."""

    series: Text | None = None
    genre: Text | None = None
    genres: Names | None = None
    cattax: Int = 1
    cat: Names | None = None
    contentrating: Id | None = None
    qagmediarating: Int | None = None
    keywords: Text | None = None
    kwarray: Names | None = None
    livestream: Int | None = None
    language: Id | None = None
    langb: Id | None = None
    data: Annotated[list[Data], Meta(max_length=MOST_PROVIDERS)] | None = None
    network: Network | None = None
    channel: Channel | None = None
    ext: ContentExt | None = None

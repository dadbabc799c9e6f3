"""Gzip on the wire: request bodies, bounded when unpacked, and responses for clients that accept it."""

from __future__ import annotations

import zlib

_GZIP = 16 + zlib.MAX_WBITS  # zlib's way to say gzip and nothing else
_LEVEL = 1  # the response is small and somebody waits
_MOST_MEMBERS = 8  # each costs work even when nothing is in it


class BadGzip(ValueError):
    """A body that is not gzip, or is cut off."""


class GzipTooLarge(ValueError):
    """A body that unpacks to more than is allowed."""


def inflate(body: bytes, limit: int) -> bytes:
    """Decompress a gzip body of one member or a few; never unpack more than `limit` bytes of it.

    Raises:
        BadGzip: it is damaged, cut off, or followed by something else.
        TooLarge: it holds more than `limit` bytes.
    """
    whole = b""
    for _ in range(_MOST_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        try:
            whole += member.decompress(body, limit + 1 - len(whole))
        except zlib.error as error:
            raise BadGzip(f"the body is not gzip: {error}") from error
        if len(whole) > limit:
            raise GzipTooLarge(f"the body holds more than {limit} bytes")
        if not member.eof:
            raise BadGzip("the gzip body is cut off")
        body = member.unused_data
        if not body:
            return whole
    raise BadGzip(f"the gzip body has more than {_MOST_MEMBERS} members")


def deflate(body: bytes) -> bytes:
    """Compress a body."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()


def accepts_gzip(header: bytes) -> bool:
    """Return whether an `Accept-Encoding` header asks for gzip."""
    asked: dict[bytes, bool] = {}
    for part in header.lower().split(b","):
        coding, *parameters = (piece.strip() for piece in part.split(b";"))
        asked[coding] = all(_is_wanted(parameter) for parameter in parameters)
    return asked.get(b"gzip", asked.get(b"*", False))


def _is_wanted(parameter: bytes) -> bool:
    """Return whether a weight such as `q=0.5` is above 0."""
    name, _, value = parameter.partition(b"=")
    return name.strip() != b"q" or value.strip().strip(b"0.") != b""

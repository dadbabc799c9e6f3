"""Invalid, large, deep, compressed or odd bodies: each must get a clear 4xx, soon, without harm to others."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable, Mapping
from functools import partial

from verification.attacks.case import Attacks, Finding
from verification.attacks.target import AttackedPlatform

attacks = Attacks()

_MEGABYTE = 990_000
_BOMB = 200_000_000
_SOON_SECONDS = 1.0
_HEAD = b'{"id":"b","at":2,"site":{"domain":"money.example"},"imp":[{"id":"1","banner":{"w":300,"h":250}'
_TAIL = b"}]}"


def _filled(before: bytes, piece: bytes, after: bytes) -> bytes:
    """Return about a megabyte of a repeated piece."""
    return before + piece * ((_MEGABYTE - len(before) - len(after)) // len(piece)) + after


def _numbered(before: bytes, piece: str, after: bytes) -> bytes:
    """Return about a megabyte of a repeated piece with a number that is different each time."""
    parts, size, number = [], len(before) + len(after), 0
    while size < _MEGABYTE:
        part = (piece % number).encode()
        parts.append(part)
        size += len(part)
        number += 1
    return before + b"".join(parts).rstrip(b",") + after


_BODIES: Mapping[str, Callable[[], bytes]] = {
    "a megabyte of blanks": lambda: b" " * _MEGABYTE,
    "a megabyte of brackets": lambda: b"[" * _MEGABYTE,
    "a megabyte of braces": lambda: _filled(b"", b'{"a":', b""),
    "objects in objects, closed again": lambda: _HEAD + b',"ext":' + b'{"a":' * 60_000 + b"1" + b"}" * 60_000 + _TAIL,
    "lists in lists, closed again": lambda: _HEAD + b',"ext":' + b"[" * 400_000 + b"]" * 400_000 + _TAIL,
    "deep user.ext": lambda: (
        b'{"id":"b","imp":[{"id":"1"}],"user":{"ext":' + b'{"ext":' * 90_000 + b"1" + b"}" * 90_000 + b"}}"
    ),
    "an integer of a million digits": lambda: _HEAD + b',"instl":' + b"9" * _MEGABYTE + _TAIL,
    "a float of a million digits": lambda: _HEAD + b',"bidfloor":0.' + b"1" * _MEGABYTE + _TAIL,
    "an exponent of a million digits": lambda: _HEAD + b',"bidfloor":1e' + b"9" * _MEGABYTE + _TAIL,
    "thousands of long integers": lambda: _filled(_HEAD + b',"ext":[', b"1" * 4_000 + b",", b"1]" + _TAIL),
    "a megabyte of escapes": lambda: _filled(_HEAD + b',"tagid":"', b"\\u0041", b'"' + _TAIL),
    "lone surrogates": lambda: _filled(_HEAD + b',"tagid":"', b"\\ud800", b'"' + _TAIL),
    "a tag of a megabyte": lambda: _filled(_HEAD + b',"tagid":"', b"t", b'"' + _TAIL),
    "one name a hundred thousand times": lambda: _filled(_HEAD, b',"secure":1', _TAIL),
    "imp a hundred thousand times": lambda: _filled(b'{"id":"b"', b',"imp":[{"id":"1"}]', b"}"),
    "unknown names, all different": lambda: _numbered(_HEAD + b',"ext":{', '"n%d":1,', b"}" + _TAIL),
    "unknown names in the request, all different": lambda: _numbered(
        b'{"id":"b","imp":[{"id":"1"}],', '"n%d":1,', b"}"
    ),
    "segments as numbers": lambda: _numbered(
        b'{"id":"b","imp":[{"id":"1"}],"user":{"data":[{"segment":[', '{"id":%d},', b"]}]}}"
    ),
    "a user agent of a megabyte": lambda: _filled(_HEAD + b'}],"device":{"ua":"', b"Mozilla/5.0 (", b'"}}'),
    "parentheses in a user agent": lambda: _filled(_HEAD + b'}],"device":{"ua":"', b"(((( ", b'"}}'),
    "a page of a megabyte": lambda: _filled(b'{"id":"b","imp":[{"id":"1"}],"site":{"page":"http://', b"a.", b'"}}'),
    "a consent string of a megabyte": lambda: _filled(_HEAD + b'}],"user":{"consent":"', b"CPAAAA", b'"}}'),
    "native text with long lists": lambda: _filled(
        _HEAD + b',"native":{"request":"{\\"assets\\":[', b'{\\"id\\":1},', b'1]}"}' + _TAIL
    ),
    "native text in native text": lambda: _filled(_HEAD + b',"native":{"request":"', b'{\\"native\\":', b'"}' + _TAIL),
    "native trackers, all different": lambda: _numbered(
        _HEAD + b',"native":{"request":{"assets":[{"id":1,"title":{"len":9}}],"eventtrackers":[',
        '{"event":%d,"methods":[1]},',
        b"]}}" + _TAIL,
    ),
    "imps whose formats are all there": lambda: _numbered(
        b'{"id":"b","imp":[',
        '{"id":"%d","banner":{"w":300,"h":250},"video":{"w":1,"h":1},"audio":{},"native":{}},',
        b"]}",
    ),
    "numbers as texts": lambda: _numbered(_HEAD + b',"pmp":{"deals":[', '{"id":%d,"bidfloor":"0.5"},', b"]}" + _TAIL),
    "NaN and Infinity": lambda: _HEAD + b',"bidfloor":NaN,"instl":Infinity' + _TAIL,
    "not UTF-8": lambda: _filled(_HEAD + b',"tagid":"', b"\xff\xfe", b'"' + _TAIL),
    "NUL bytes": lambda: bytes(_MEGABYTE),
    "a list for the request": lambda: _filled(b"[", b"1,", b"1]"),
    "a text for the request": lambda: _filled(b'"', b"a", b'"'),
}
_MAY_BE_READ = {
    "a float of a million digits",
    "one name a hundred thousand times",
    "unknown names, all different",
    "unknown names in the request, all different",
    "a user agent of a megabyte",
    "parentheses in a user agent",
    "a page of a megabyte",
    "a consent string of a megabyte",
    "thousands of long integers",
    "segments as numbers",
    "lone surrogates",
    "a megabyte of escapes",
    "a tag of a megabyte",
    "imp a hundred thousand times",
}
"""Bodies whose oddity is in fields that are optional or unread: they may be answered with a bid or without."""


def _posted(target: AttackedPlatform, path: str, body: bytes, **headers: str) -> tuple[int, float, str]:
    begin = time.monotonic()
    sent = {"Content-Type": "application/json", **headers}
    answer = target.call("POST", path, "alpha", content=body, headers=sent)
    return answer.status_code, time.monotonic() - begin, answer.text


def _wrong(name: str, path: str, target: AttackedPlatform) -> str:
    body = _BODIES[name]()
    status, seconds, text = _posted(target, path, body)
    may = status in (200, 204) and name in _MAY_BE_READ
    good = (400 <= status < 500 or may) and seconds < _SOON_SECONDS and "Traceback" not in text
    return "" if good else f"{status} after {seconds * 1e3:.0f} ms {text[:100]}"


for _name in _BODIES:
    attacks.add(Finding.INPUT, f"{_name}, to /openrtb2/alpha", partial(_wrong, _name, "/openrtb2/alpha"))


@attacks(Finding.INPUT, "the same bodies to POST /bid, /bid/batch and /auction-result")
def to_rest(target: AttackedPlatform) -> str:
    """Check that every way in is equally strict."""
    found = []
    for name, make in _BODIES.items():
        for path in ("/bid", "/bid/batch", "/auction-result"):
            status, seconds, text = _posted(target, path, make())
            if not 400 <= status < 500 or seconds > _SOON_SECONDS or "Traceback" in text:
                found.append(f"{name} to {path}: {status} after {seconds * 1e3:.0f} ms")
    return ", ".join(found[:5])


@attacks(Finding.INPUT, "the same bodies to an administrator's calls")
def to_admin(target: AttackedPlatform) -> str:
    """Check that calls of administrators are as strict: their programs may be wrong, too."""
    found = []
    for name, make in _BODIES.items():
        body = make()
        for path in ("/campaign/create", "/admin/keys", "/portfolio/create"):
            answer = target.call("POST", path, "admin", content=body, headers={"Content-Type": "application/json"})
            if not 400 <= answer.status_code < 500 or "Traceback" in answer.text:
                found.append(f"{name} to {path}: {answer.status_code}")
    return ", ".join(found[:5])


def _bomb(level: int) -> bytes:
    """Return 200 MB compressed to 200 kB."""
    packer = zlib.compressobj(level, wbits=31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(_BOMB >> 20)), packer.flush()])


_PACKED: Mapping[str, Callable[[], bytes]] = {
    "a bomb of 200 MB": lambda: _bomb(9),
    "a bomb in a bomb": lambda: gzip.compress(_bomb(9)),
    "many small members": lambda: gzip.compress(b"") * 40_000,
    "many members with a long name": lambda: (
        (b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 200 + b"\0\x03\0" + bytes(8)) * 4_000
    ),
    "a cut member": lambda: gzip.compress(_HEAD + _TAIL)[:-9],
    "rubbish after the member": lambda: gzip.compress(_HEAD + _TAIL) + b"rubbish" * 1_000,
    "no gzip at all": lambda: b"rubbish" * 100_000,
}


def _unpacked(name: str, target: AttackedPlatform) -> str:
    status, seconds, _ = _posted(target, "/openrtb2/alpha", _PACKED[name](), **{"Content-Encoding": "gzip"})
    return "" if 400 <= status < 500 and seconds < _SOON_SECONDS else f"{status} after {seconds * 1e3:.0f} ms"


for _name in _PACKED:
    attacks.add(Finding.INPUT, f"gzip: {_name}", partial(_unpacked, _name))


@attacks(Finding.INPUT, "encodings that are not supported")
def encodings(target: AttackedPlatform) -> str:
    """Check that unknown encodings are refused, not guessed."""
    names = ("br", "deflate", "zstd", "gzip, gzip", "gzip;q=0", "x" * 3_000, "compress")
    statuses = {one: _posted(target, "/openrtb2/alpha", b"{}", **{"Content-Encoding": one})[0] for one in names}
    return ", ".join(f"{name[:20]}: {status}" for name, status in statuses.items() if not 400 <= status < 500)


@attacks(Finding.INPUT, "twenty megabytes where one is the most")
def too_large(target: AttackedPlatform) -> str:
    """Check that an oversized body is refused, and not buffered."""
    status, _, _ = _posted(target, "/openrtb2/alpha", b" " * 20_000_000)
    return "" if 400 <= status < 500 else f"{status}"


@attacks(Finding.INPUT, "a query of 60,000 letters, and of 5,000 parameters, in notices")
def queries(target: AttackedPlatform) -> str:
    """Check that odd queries cause no errors: anybody's browser may send notices."""
    token = target.bid("money")["burl"].split("?")[0].removeprefix(target.settings.base_url)
    long = ["price=" + "9" * 6_000, "&".join(f"p{i}=1" for i in range(700)), "price=%", "price=%zz", "%00=%00"]
    statuses = [target.call("GET", f"{token}?{query}").status_code for query in long]
    return f"{statuses}" if any(status >= 500 for status in statuses) else ""

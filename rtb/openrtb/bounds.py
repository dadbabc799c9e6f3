"""Bounds on the fields of a request: a length for each list and string, a range for each integer.

They are generous: several times what exchanges send. Without them one request could keep a replica busy for seconds
(integers crafted to collide in one hash, lists of a hundred thousand entries) or fill its memory. A value beyond its
bound is refused with 400 before it is hashed; in a purely descriptive field it is dropped, see `codec`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

MOST_VALUES = 20_000
"""Most values in one request, counted by its commas: a bound on all its lists together."""

MOST_EXPONENTS = 4_000
"""Most negative exponents in one request: the decoder takes 8 us for a number as small as 1e-310."""

read_json = msgspec.json.Decoder(float_hook=float).decode
"""Decoder of untyped JSON; without the hook it takes 13 us for a number such as 1e300, Python's `float` 0.1 us."""

MOST_NATIVE_CHARACTERS = 65_536
MOST_ASSETS = 32
MOST_SEGMENTS = 2_000
"""Most segments of one user, over all providers."""

Int = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""Codes, sizes, times: nothing in OpenRTB needs a wider range, and no two of these share a hash."""

MOST_ID = 512
"""Most characters of an id."""

Id = Annotated[str, Meta(max_length=MOST_ID)]
"""Names, ids and codes."""

Text = Annotated[str, Meta(max_length=8_192)]
"""Addresses, user agents and the like."""

Consent = Annotated[str, Meta(max_length=32_768)]
"""Privacy strings; those of TCF grow with the number of vendors."""

Codes = Annotated[list[Int], Meta(max_length=256)]
Names = Annotated[list[Id], Meta(max_length=1_000)]
Mimes = Annotated[list[Id], Meta(max_length=64)]
Blocks = Annotated[list[Id], Meta(max_length=3_000)]
"""Blocked advertisers and apps."""

MOST_IMPS = 1_000
MOST_DEALS = 1_000
MOST_FORMATS = 100
MOST_FLOORS = 64
MOST_PROVIDERS = 256
MOST_EIDS = 256
MOST_UIDS = 256
MOST_BROWSERS = 64
MOST_NODES = 64
"""Most sellers in a supply chain."""

MOST_METRICS = 64

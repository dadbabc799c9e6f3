"""Bounds of what a request may hold: each list a length, each integer a range, each string a length.

They are generous: several times what exchanges send. Without them one request could keep a replica busy for seconds
(integers made to share one hash, lists of a hundred thousand entries) or fill its memory. What is above one is refused
with 400 before it is hashed; a text or number above its bound that only describes is left out, see `codec`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

MOST_VALUES = 20_000
"""Values in one request, counted by its commas: a bound on what all its lists come to together."""

MOST_EXPONENTS = 4_000
"""Places in one request that may be a negative exponent: the decoder takes 8 us for a number as small as 1e-310."""

read_json = msgspec.json.Decoder(float_hook=float).decode
"""JSON without types; by itself the decoder takes 13 us for a number such as 1e300, Python's `float` a tenth of one."""

MOST_NATIVE_CHARACTERS = 65_536
MOST_ASSETS = 32
MOST_SEGMENTS = 2_000
"""Segments of one user, of all providers together."""

Int = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""Codes, sizes, times: nothing in OpenRTB needs more, and all of them have different hashes."""

Id = Annotated[str, Meta(max_length=512)]
"""Names, ids and codes."""

Text = Annotated[str, Meta(max_length=8_192)]
"""Addresses, user agents and the like."""

Consent = Annotated[str, Meta(max_length=32_768)]
"""Privacy strings; those of TCF grow with the number of vendors."""

Codes = Annotated[list[Int], Meta(max_length=256)]
Names = Annotated[list[Id], Meta(max_length=1_000)]
Mimes = Annotated[list[Id], Meta(max_length=64)]
Blocks = Annotated[list[Id], Meta(max_length=3_000)]
"""Advertisers and apps that are blocked."""

MOST_IMPS = 1_000
MOST_DEALS = 1_000
MOST_FORMATS = 100
MOST_COMPANIONS = 64
MOST_FLOORS = 64
MOST_PROVIDERS = 256

"""OpenRTB 2.6 (and 2.5): types, codec, codes, macros and privacy signals."""

from rtb.openrtb.codec import decode_request, encode_response
from rtb.openrtb.invalid import InvalidRequest
from rtb.openrtb.response import Bid, BidResponse, SeatBid
from rtb.openrtb.types import (
    App,
    Banner,
    BidRequest,
    Device,
    Geo,
    Imp,
    Loss,
    NoBid,
    Site,
    User,
)

__all__ = [
    "App",
    "Banner",
    "Bid",
    "BidRequest",
    "BidResponse",
    "Device",
    "Geo",
    "Imp",
    "InvalidRequest",
    "Loss",
    "NoBid",
    "SeatBid",
    "Site",
    "User",
    "decode_request",
    "encode_response",
]

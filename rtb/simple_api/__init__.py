"""The simple API: one slot in a few plain fields, and a plain answer, without OpenRTB.

A simple request is converted to the OpenRTB request of the same meaning (`meaning`); everything after that is shared.
"""

from rtb.simple_api.answer import FlatAnswer, FlatAnswers, Notices, answer_of, no_bid, parse_notice_url
from rtb.simple_api.convert import to_bid_request
from rtb.simple_api.request import DEVICES, Cpm, Currency, FlatBatch, FlatRequest, Long, Name

__all__ = [
    "DEVICES",
    "Cpm",
    "Currency",
    "FlatAnswer",
    "FlatAnswers",
    "FlatBatch",
    "FlatRequest",
    "Long",
    "Name",
    "Notices",
    "answer_of",
    "no_bid",
    "parse_notice_url",
    "to_bid_request",
]

"""The bidder without OpenRTB: one slot in a few plain fields, and a plain answer.

A flat request means what the OpenRTB request means that it is turned into (`meaning`); everything after that is the
same for both.
"""

from rtb.simple_api.answer import FlatAnswer, FlatAnswers, Notices, answer_of, no_bid, notice_in
from rtb.simple_api.meaning import openrtb_of
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
    "notice_in",
    "openrtb_of",
]

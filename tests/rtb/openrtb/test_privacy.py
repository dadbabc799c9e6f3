"""Privacy signals: each of them, in its 2.6 and its 2.5 place, forbids user data."""

from __future__ import annotations

from typing import Any

import pytest

from rtb.openrtb import decode_request
from rtb.openrtb.privacy import Allowed, allowed_user_data
from tests.rtb.builders import make_request, to_json


def _allows(**fields: Any) -> bool:
    return allows_user_data(decode_request(to_json(make_request(**fields))))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"device": {"lmt": 1}}, id="lmt"),
        pytest.param({"device": {"dnt": 1}}, id="dnt"),
        pytest.param({"device": {"dnt": "1"}}, id="dnt as a string"),
        pytest.param({"device": {"lmt": True}}, id="lmt as a boolean"),
        pytest.param({"regs": {"coppa": 1}}, id="coppa"),
        pytest.param({"regs": {"gdpr": 1}}, id="gdpr 2.6, no user"),
        pytest.param({"regs": {"ext": {"gdpr": 1}}}, id="gdpr 2.5, no user"),
        pytest.param({"regs": {"gdpr": 1}, "user": {"id": "u"}}, id="gdpr 2.6, no consent"),
        pytest.param({"regs": {"gdpr": 1}, "user": {"consent": ""}}, id="gdpr 2.6, empty consent"),
        pytest.param({"regs": {"gdpr": 1}, "user": {"ext": {"consent": ""}}}, id="gdpr, empty consent 2.5"),
        pytest.param({"regs": {"gdpr": 1, "ext": {"gdpr": 0}}}, id="gdpr 2.6 over 2.5"),
        pytest.param({"regs": {"us_privacy": "1YYN"}}, id="us_privacy 2.6"),
        pytest.param({"regs": {"us_privacy": "1yyn"}}, id="us_privacy in lower case"),
        pytest.param({"regs": {"ext": {"us_privacy": "1NYN"}}}, id="us_privacy 2.5"),
        pytest.param({"regs": {"gpp_sid": [7]}}, id="gpp"),
        pytest.param({"regs": {"ext": {"gpp_sid": [7]}}}, id="gpp 2.5"),
        pytest.param({"regs": {"gpp": "DBABMA~CPXxRfA"}}, id="gpp without sections"),
        pytest.param({"regs": {"ext": {"gpp": "DBABMA~CPXxRfA"}}}, id="gpp without sections 2.5"),
        pytest.param({"regs": {"gdpr": 1, "coppa": 1}, "user": {"consent": "CPc"}}, id="consent does not lift coppa"),
    ],
)
def test_signal_forbids_user_data(fields: dict[str, Any]) -> None:
    assert not _allows(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="no signal"),
        pytest.param({"device": {"lmt": 0, "dnt": 0}}, id="lmt and dnt off"),
        pytest.param({"device": ...}, id="no device"),
        pytest.param({"regs": {}}, id="empty regs"),
        pytest.param({"regs": {"coppa": 0, "gdpr": 0}}, id="coppa and gdpr off"),
        pytest.param({"regs": {"gdpr": 0, "ext": {"gdpr": 1}}}, id="gdpr 2.6 over 2.5"),
        pytest.param({"regs": {"gdpr": 1}, "user": {"consent": "CPc"}}, id="consent 2.6"),
        pytest.param({"regs": {"ext": {"gdpr": 1}}, "user": {"ext": {"consent": "CPc"}}}, id="consent 2.5"),
        pytest.param({"regs": {"us_privacy": "1YNN"}}, id="no opt-out"),
        pytest.param({"regs": {"us_privacy": "1---"}}, id="us_privacy does not apply"),
        pytest.param({"regs": {"us_privacy": "1"}}, id="us_privacy cut short"),
        pytest.param({"regs": {"gpp_sid": []}}, id="no gpp section"),
    ],
)
def test_without_a_signal_user_data_may_be_used(fields: dict[str, Any]) -> None:
    assert _allows(**fields)

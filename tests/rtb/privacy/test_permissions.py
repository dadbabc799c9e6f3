"""Privacy signals: each of them, in its 2.6 and its 2.5 place, forbids user data."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.openrtb import decode_request
from rtb.openrtb.privacy import UserDataPermissions, allowed_user_data
from rtb.openrtb.tcf import consented_purposes
from tests.rtb.builders import make_request, to_json


def consent(*purposes: int, version: int = 2, vendors: str = "0" * 40) -> str:
    """Build a consent string bit by bit, in the order of its specification."""
    bits = f"{version:06b}" + "0" * 146 + "".join("01"[n + 1 in purposes] for n in range(24)) + "0" * 24 + "0" * 13
    bits += vendors
    bits += "0" * (-len(bits) % 8)
    return base64.urlsafe_b64encode(int(bits, 2).to_bytes(len(bits) // 8, "big")).decode().rstrip("=")


ALL = consent(*range(1, 11))


def _allowed(**fields: Any) -> UserDataPermissions:
    return allowed_user_data(decode_request(to_json(make_request(**fields))))


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
        pytest.param({"regs": {"us_privacy": "1"}}, id="us_privacy cut short"),
        pytest.param({"regs": {"us_privacy": "opted in"}}, id="us_privacy that says nothing"),
        pytest.param({"regs": {"ext": {"coppa": 1}}}, id="coppa 2.5"),
        pytest.param({"regs": {"gdpr": 1}, "user": {"consent": consent()}}, id="gdpr, consent to nothing"),
        pytest.param({"regs": {"gdpr": 1}, "user": {"consent": consent(2, 3, 4)}}, id="gdpr, nothing may be stored"),
        pytest.param({"regs": {"gdpr": 1}, "user": {"consent": consent(1, 2, 4, version=1)}}, id="gdpr, TCF 1"),
        pytest.param({"regs": {"gdpr": 1}, "user": {"consent": "consent"}}, id="gdpr, no consent string"),
        pytest.param({"regs": {"gpp_sid": [7]}}, id="gpp"),
        pytest.param({"regs": {"ext": {"gpp_sid": [7]}}}, id="gpp 2.5"),
        pytest.param({"regs": {"gpp": "DBABMA~CPXxRfA"}}, id="gpp without sections"),
        pytest.param({"regs": {"ext": {"gpp": "DBABMA~CPXxRfA"}}}, id="gpp without sections 2.5"),
        pytest.param({"regs": {"gdpr": 1, "coppa": 1}, "user": {"consent": ALL}}, id="consent does not lift coppa"),
    ],
)
def test_signal_forbids_user_data(fields: dict[str, Any]) -> None:
    assert _allowed(**fields) == UserDataPermissions(identity=False, profile=False)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="no signal"),
        pytest.param({"device": {"lmt": 0, "dnt": 0}}, id="lmt and dnt off"),
        pytest.param({"device": ...}, id="no device"),
        pytest.param({"regs": {}}, id="empty regs"),
        pytest.param({"regs": {"coppa": 0, "gdpr": 0}}, id="coppa and gdpr off"),
        pytest.param({"regs": {"gdpr": 0, "ext": {"gdpr": 1}}}, id="gdpr 2.6 over 2.5"),
        pytest.param({"regs": {"gdpr": 1}, "user": {"consent": ALL}}, id="consent 2.6"),
        pytest.param({"regs": {"ext": {"gdpr": 1}}, "user": {"ext": {"consent": ALL}}}, id="consent 2.5"),
        pytest.param({"regs": {"us_privacy": "1YNN"}}, id="no opt-out"),
        pytest.param({"regs": {"us_privacy": "1---"}}, id="us_privacy does not apply"),
        pytest.param({"regs": {"gpp_sid": []}}, id="no gpp section"),
        pytest.param({"regs": {"gpp": "DBABMA", "gpp_sid": [-1]}}, id="no gpp section applies"),
        pytest.param({"regs": {"gdpr": 0}, "user": {"consent": consent()}}, id="consent where it is not asked for"),
    ],
)
def test_without_a_signal_user_data_may_be_used(fields: dict[str, Any]) -> None:
    assert _allowed(**fields) == UserDataPermissions(identity=True, profile=True)


@pytest.mark.parametrize(
    ("purposes", "allowed"),
    [
        ((1, 2), UserDataPermissions(identity=True, profile=False)),
        ((1, 4), UserDataPermissions(identity=False, profile=True)),
        ((1, 2, 4), UserDataPermissions(identity=True, profile=True)),
        ((1, 3), UserDataPermissions(identity=False, profile=False)),
    ],
)
def test_consent_is_to_purposes(purposes: tuple[int, ...], allowed: UserDataPermissions) -> None:
    assert _allowed(regs={"gdpr": 1}, user={"consent": consent(*purposes)}) == allowed


@given(st.sets(st.integers(1, 24)), st.text("01", max_size=400))
def test_purposes_are_read_whatever_follows(purposes: set[int], vendors: str) -> None:
    core = consent(*purposes, vendors=vendors)
    assert consented_purposes(core) == consented_purposes(f"{core}.IAEA.YAAA") == purposes


@given(st.text(max_size=80))
def test_what_is_no_consent_string_consents_to_nothing(text: str) -> None:
    assert not consented_purposes("B" + text)


def test_a_string_without_any_consent_of_the_frameworks_own_documentation() -> None:
    assert consented_purposes("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA") == frozenset()

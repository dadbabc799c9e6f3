"""Privacy signals: each of them, in its 2.6 and its 2.5 place, forbids user data."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.openrtb import decode_request
from rtb.privacy.bits import UnreadableConsent
from rtb.privacy.permissions import UserDataPermissions, allowed_user_data
from rtb.privacy.tcf import decode_tcf
from tests.rtb.builders import make_request, to_json
from tests.rtb.privacy import strings


def consent(*purposes: int, version: int = 2, vendors: str = "0" * 40) -> str:
    """Build a consent string bit by bit, in the order of its specification."""
    bits = f"{version:06b}" + "0" * 146 + "".join("01"[n + 1 in purposes] for n in range(24)) + "0" * 24 + "0" * 13
    bits += vendors
    bits += "0" * (-len(bits) % 8)
    return base64.urlsafe_b64encode(int(bits, 2).to_bytes(len(bits) // 8, "big")).decode().rstrip("=")


ALL = consent(*range(1, 11))


NOTHING, IDENTITY, EVERYTHING = (
    UserDataPermissions(False, False),
    UserDataPermissions(True, False),
    UserDataPermissions(True, True),
)
VENDOR = 755


def _allowed(*, vendor: int = 0, **fields: Any) -> UserDataPermissions:
    return allowed_user_data(decode_request(to_json(make_request(**fields))), vendor)


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
        pytest.param({"regs": {"coppa": 2}}, id="a coppa that is not listed"),
        pytest.param({"regs": {"gpc": 1}}, id="gpc"),
        pytest.param({"regs": {"ext": {"gpc": 1}}}, id="gpc in ext"),
        pytest.param({"regs": {"ext": {"gpc": "1"}}}, id="gpc as a string"),
        pytest.param({"regs": {"ext": {"gpc": True}}}, id="gpc as a boolean"),
        pytest.param({"regs": {"ext": {"gpc": {"on": 1}}}}, id="gpc that cannot be read"),
        pytest.param({"device": {"ext": {"gpc": 1}}}, id="gpc of the device"),
        pytest.param({"device": {"sua": {"ext": {"gpc": 1}}}}, id="gpc beside the client hints"),
        pytest.param({"device": {"sua": {"gpc": "1"}}}, id="gpc among the client hints"),
        pytest.param({"device": {"ext": {"sua": {"ext": {"gpc": True}}}}}, id="gpc beside the client hints of 2.5"),
        pytest.param({"regs": {"gpc": 0, "ext": {"gpc": "1"}}}, id="gpc off here, on there"),
        pytest.param({"regs": {"ext": {"s22580": 1}}}, id="a minor in California"),
        pytest.param({"regs": {"ext": {"s22580": "true"}}}, id="a minor in California, as a string"),
        pytest.param({"regs": {"us_privacy": "1YNN", "ext": {"us_privacy": "1YYN"}}}, id="us_privacy of two minds"),
        pytest.param({"regs": {"us_privacy": "1YYN", "ext": {"us_privacy": "1YNN"}}}, id="us_privacy of two minds too"),
        pytest.param(
            {"regs": {"gdpr": 1}, "user": {"consent": ALL, "ext": {"consent": consent()}}}, id="consents that differ"
        ),
        pytest.param({"regs": {"gpp": "DBAA", "ext": {"gpp": "DBABMA~CPXxRfA"}}}, id="GPP strings that differ"),
        pytest.param({"regs": {"gpp_sid": [-1], "ext": {"gpp_sid": [7]}}}, id="a section in one place only"),
        pytest.param({"device": {"ext": {"atts": 0}}}, id="atts not determined"),
        pytest.param({"device": {"ext": {"atts": 1}}}, id="atts restricted"),
        pytest.param({"device": {"ext": {"atts": 2}}}, id="atts denied"),
        pytest.param({"device": {"ext": {"atts": "2"}}}, id="atts as a string"),
        pytest.param({"device": {"ext": {"atts": "denied"}}}, id="atts that cannot be read"),
        pytest.param({"device": {"ext": {"atts": 2}, "lmt": 0}}, id="atts denied, lmt off"),
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
        pytest.param({"regs": {"ext": {"gpc": 0}}}, id="gpc off"),
        pytest.param({"regs": {"ext": {"gpc": "0"}}}, id="gpc off as a string"),
        pytest.param({"regs": {"gpc": False, "ext": {"gpc": None}}}, id="gpc off as a boolean"),
        pytest.param({"regs": []}, id="empty regs of PHP"),
        pytest.param({"device": {"ext": {"atts": 3}}}, id="atts authorized"),
        pytest.param({"device": {"ext": {"atts": "3"}}}, id="atts authorized, as a string"),
        pytest.param({"device": {"ext": []}}, id="empty ext of PHP"),
        pytest.param({"regs": {"gpp": "DBAA"}}, id="a GPP string without sections"),
        pytest.param({"regs": {"ext": {"s22580": False}}}, id="no minor in California"),
        pytest.param({"regs": {"ext": {"s22580": 0}}}, id="no minor in California, as a number"),
        pytest.param({"device": {"sua": {"gpc": 0, "ext": {"gpc": "0"}}}}, id="gpc off among the client hints"),
        pytest.param({"regs": {"us_privacy": "1YNN", "ext": {"us_privacy": "1YNN"}}}, id="us_privacy said twice"),
        pytest.param({"regs": {"gdpr": 1}, "user": {"consent": ALL, "ext": {"consent": ALL}}}, id="consent said twice"),
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
    for text in (core, f"{core}.IAEA.YAAA", f" {core}==", f"{core}.IAEA.YAAA "):
        assert {*decode_tcf(text).consents.ids()} == purposes


@given(st.text(max_size=80))
def test_what_is_no_consent_string_consents_to_nothing(text: str) -> None:
    with pytest.raises(UnreadableConsent):
        decode_tcf("B" + text)
    assert _allowed(regs={"gdpr": 1}, user={"consent": "B" + text}) == NOTHING


def test_a_string_without_any_consent_of_the_frameworks_own_documentation() -> None:
    assert not [*decode_tcf("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA").consents.ids()]


def _europe(**fields: Any) -> UserDataPermissions:
    """Return what a consent string allows our vendor."""
    return _allowed(vendor=VENDOR, regs={"gdpr": 1}, user={"consent": strings.tcf(**fields)})


@pytest.mark.parametrize("written", ["field", "ranges"])
@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"consents": {1, 2, 4}, "vendors": {VENDOR}}, EVERYTHING),
        ({"consents": {1, 2, 4}, "vendors": {42, VENDOR, 1_111}}, EVERYTHING),
        ({"consents": {1, 2, 4}, "vendors": {42, VENDOR - 1, VENDOR + 1}}, NOTHING),
        ({"consents": {1, 2, 4}}, NOTHING),
        ({"consents": {1}, "interests": {2}, "vendors": {VENDOR}, "vendor_interests": {VENDOR}}, IDENTITY),
        ({"consents": {1}, "interests": {2}, "vendors": {VENDOR}}, NOTHING),
        ({"consents": {1}, "interests": {2}, "vendor_interests": {VENDOR}}, NOTHING),
        ({"consents": {1}, "interests": {4}, "vendors": {VENDOR}, "vendor_interests": {VENDOR}}, NOTHING),
        ({"consents": {2}, "interests": {1}, "vendors": {VENDOR}, "vendor_interests": {VENDOR}}, NOTHING),
    ],
    ids=str,
)
def test_a_vendor_needs_a_legal_basis_for_each_purpose(
    fields: dict[str, Any], allowed: UserDataPermissions, written: str
) -> None:
    assert _europe(**fields, written=written) == allowed


@pytest.mark.parametrize(
    ("restrictions", "allowed"),
    [
        ([(2, 0, {VENDOR})], UserDataPermissions(identity=False, profile=True)),
        ([(2, 0, {VENDOR - 1, VENDOR + 1})], EVERYTHING),
        ([(2, 1, {VENDOR})], EVERYTHING),
        ([(2, 2, {VENDOR})], EVERYTHING),  # by legitimate interest
        ([(2, 0, {VENDOR}), (2, 2, {VENDOR})], UserDataPermissions(identity=False, profile=True)),
        ([(2, 1, {VENDOR}), (2, 2, {VENDOR})], UserDataPermissions(identity=False, profile=True)),
        ([(2, 3, {VENDOR})], UserDataPermissions(identity=False, profile=True)),
        ([(4, 0, {VENDOR})], IDENTITY),
        ([(4, 2, {VENDOR})], IDENTITY),  # there is no legitimate interest in personal ads
        ([(1, 0, {VENDOR})], NOTHING),
        ([(3, 0, {42}), (7, 2, {VENDOR}), (10, 0, {VENDOR})], EVERYTHING),
    ],
    ids=str,
)
def test_a_publisher_restricts_a_vendor(
    restrictions: list[tuple[int, int, set[int]]], allowed: UserDataPermissions
) -> None:
    granted = {"consents": {1, 2, 4}, "interests": {2}, "vendors": {VENDOR}, "vendor_interests": {VENDOR}}
    assert _europe(**granted, restrictions=restrictions) == allowed


def test_a_publisher_who_asks_for_consent_gets_no_legitimate_interest() -> None:
    granted = {"consents": {1}, "interests": {2}, "vendors": {VENDOR}, "vendor_interests": {VENDOR}}
    assert _europe(**granted) == IDENTITY
    assert _europe(**granted, restrictions=[(2, 1, {VENDOR})]) == NOTHING


def test_what_cannot_be_read_of_vendors_allows_a_vendor_nothing() -> None:
    cut = consent(1, 2, 4, vendors="1" * 20)
    assert _allowed(regs={"gdpr": 1}, user={"consent": cut}) == EVERYTHING
    assert _allowed(vendor=VENDOR, regs={"gdpr": 1}, user={"consent": cut}) == NOTHING


@given(st.sets(st.integers(1, 3_000), max_size=40), st.integers(1, 3_000), st.booleans())
def test_vendors_are_read_however_they_are_written(vendors: set[int], vendor: int, is_field: bool) -> None:
    text = strings.tcf(consents={1, 2, 4}, vendors=vendors, written="field" if is_field else "ranges")
    assert {*decode_tcf(text).vendors().consents.ids()} == vendors
    assert _allowed(vendor=vendor, regs={"gdpr": 1}, user={"consent": text}) == (
        EVERYTHING if vendor in vendors else NOTHING
    )


CHOICE = {"SaleOptOutNotice": 1, "SaleOptOut": 2, "TargetedAdvertisingOptOutNotice": 1, "TargetedAdvertisingOptOut": 2}
"""Somebody was asked, and did not opt out."""


def _gpp(*sections: tuple[int, str], applied: list[int] | None = None) -> dict[str, Any]:
    return {"gpp": strings.gpp(dict(sections)), "gpp_sid": applied or [id for id, _ in sections]}


def _california(**fields: Any) -> tuple[int, str]:
    asked = {"SaleOptOutNotice": 1, "SaleOptOut": 2, "SharingOptOutNotice": 1, "SharingOptOut": 2}
    return 8, strings.us_section(8, **(asked | fields))


@pytest.mark.parametrize("place", ["2.6", "2.5"])
@pytest.mark.parametrize(
    ("sent", "allowed"),
    [
        (_gpp(_california()), EVERYTHING),
        (_gpp(_california(SaleOptOut=1)), NOTHING),
        (_gpp(_california(SharingOptOut=1)), NOTHING),
        (_gpp(_california(SaleOptOutNotice=2)), NOTHING),
        (_gpp(_california(SaleOptOutNotice=0)), NOTHING),  # a choice that nobody was asked for
        (_gpp(_california(SaleOptOutNotice=0, SaleOptOut=0)), EVERYTHING),
        (_gpp(_california(Gpc=True)), NOTHING),
        (_gpp(_california(Gpc=False)), EVERYTHING),
        (_gpp(_california(KnownChildSensitiveDataConsents=[0, 1])), NOTHING),
        (_gpp(_california(MspaServiceProviderMode=1)), NOTHING),
        (_gpp(_california(MspaServiceProviderMode=2)), EVERYTHING),
        (_gpp(_california(SensitiveDataProcessing=[0, 0, 1, 0, 0, 0, 0, 0, 0])), IDENTITY),
        (_gpp(_california(PersonalDataConsents=1)), IDENTITY),
        (_gpp((7, strings.us_section(7, **CHOICE))), EVERYTHING),
        (_gpp((7, strings.us_section(7, version=1, **CHOICE))), EVERYTHING),
        (_gpp((7, strings.us_section(7, **(CHOICE | {"TargetedAdvertisingOptOut": 1})))), NOTHING),
        (_gpp((7, strings.us_section(7, **CHOICE, SharingNotice=2))), NOTHING),
        (_gpp((24, strings.us_section(24, **CHOICE))), EVERYTHING),
        (_gpp((24, strings.us_section(24, **CHOICE, MspaMode=2))), NOTHING),
        (_gpp((26, strings.us_section(26, **CHOICE))), EVERYTHING),
        (_gpp((26, strings.us_section(26, **CHOICE, SensitiveDataProcessing=[1] + 7 * [0]))), IDENTITY),
        (_gpp(_california(), (7, "B")), NOTHING),
        (_gpp(_california(SaleOptOut=1), (7, strings.us_section(7, **CHOICE)), applied=[7]), EVERYTHING),
        (_gpp(_california(SaleOptOut=1), (7, strings.us_section(7, **CHOICE)), applied=[7, 8]), NOTHING),
        (_gpp(_california(SaleOptOut=1), applied=[-1]), EVERYTHING),
        (_gpp(_california(), applied=[-1, 8]), EVERYTHING),
        (_gpp(_california(), applied=[9]), NOTHING),  # a section that is not there
        (_gpp((99, "BAAA")), NOTHING),  # a section that nobody knows
        (_gpp(_california(SaleOptOut=1), (6, "1YNN"), applied=[6]), EVERYTHING),
        (_gpp((6, "1YYN")), NOTHING),
        (_gpp((6, "")), NOTHING),
        (_gpp((2, ALL)), EVERYTHING),
        (_gpp((2, consent(1, 2))), IDENTITY),
        (_gpp((2, consent(2, 4))), NOTHING),
        (_gpp((5, strings.tcf_canada(express={1, 2, 4}))), EVERYTHING),
        (_gpp((5, strings.tcf_canada(express={1}, implied={2}))), IDENTITY),
        (_gpp((5, strings.tcf_canada(express={2, 4}))), NOTHING),
    ],
    ids=str,
)
def test_gpp_allows_what_all_its_sections_that_apply_allow(
    sent: dict[str, Any], allowed: UserDataPermissions, place: str
) -> None:
    assert _allowed(regs=sent if place == "2.6" else {"ext": sent}) == allowed


def test_gpp_that_does_not_say_what_applies_applies_whole() -> None:
    sections = [_california(), (7, strings.us_section(7, **CHOICE, Gpc=True))]
    assert _allowed(regs={"gpp": strings.gpp(dict(sections))}) == NOTHING
    assert _allowed(regs={"gpp": strings.gpp(dict(sections[:1]))}) == EVERYTHING


def test_signals_add_up() -> None:
    regs = {"gdpr": 1, **_gpp(_california())}
    assert _allowed(regs=regs, user={"consent": ALL}) == EVERYTHING
    assert _allowed(regs=regs, user={"consent": consent()}) == NOTHING
    assert _allowed(regs=regs | {"us_privacy": "1YYN"}, user={"consent": ALL}) == NOTHING


@pytest.mark.parametrize("written", ["fibonacci", "fixed"])
@given(vendors=st.sets(st.integers(1, 1_200), min_size=1, max_size=30))
def test_canadian_vendors_are_read_as_both_encoders_write_them(vendors: set[int], written: str) -> None:
    text = strings.tcf_canada(express={1, 2, 4}, vendors=vendors, written=written)
    vendor = max(vendors)
    gpp = strings.gpp({5: text})
    assert _allowed(vendor=vendor, regs={"gpp": gpp, "gpp_sid": [5]}) == EVERYTHING
    assert _allowed(vendor=vendor + 1, regs={"gpp": gpp, "gpp_sid": [5]}) == NOTHING


@given(st.text("DBAC~.YQaz019-_", max_size=60), st.lists(st.integers(-1, 30), max_size=3))
def test_whatever_is_sent_as_gpp_is_read_or_forbids(text: str, sections: list[int]) -> None:
    allowed = _allowed(regs={"gpp": text, "gpp_sid": sections}, user={"consent": ALL})
    assert allowed in (NOTHING, IDENTITY, EVERYTHING, UserDataPermissions(False, True))

"""Whether a browser may be given an id, by each signal of a sync."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.user_sync.consent import is_allowed
from tests.rtb.privacy import strings

CONSENT = strings.tcf(consents={1, 2})
NO_STORAGE = strings.tcf(consents={2, 3, 4})
VENDOR = 755
CALIFORNIA = 8
OPTED_OUT = strings.us_section(CALIFORNIA, SaleOptOut=1, SaleOptOutNotice=1)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"gdpr": "", "gdpr_consent": "", "us_privacy": "", "gpp": "", "gpp_sid": ""},
        {"gdpr": "0"},
        {"gdpr": "0", "gdpr_consent": NO_STORAGE},
        {"gdpr": "1", "gdpr_consent": CONSENT},
        {"gdpr_consent": CONSENT},
        {"us_privacy": "1---"},
        {"us_privacy": "1YNN"},
        {"gpp_sid": "-1"},
        {"gpp": strings.gpp({2: CONSENT}), "gpp_sid": "2"},
        {"gpp": strings.gpp({2: CONSENT, 6: "1YNN"}), "gpp_sid": "2, 6"},
        {"gpp": strings.gpp({2: NO_STORAGE, 6: "1YNN"}), "gpp_sid": "6"},
    ],
)
def test_an_id_is_given(parameters: dict[str, str]) -> None:
    assert is_allowed(parameters, opted_out=False, vendor=0)
    assert not is_allowed(parameters, opted_out=True, vendor=0)


@pytest.mark.parametrize(
    "parameters",
    [
        {"gdpr": "1"},
        {"gdpr": "1", "gdpr_consent": ""},
        {"gdpr": "1", "gdpr_consent": "rubbish"},
        {"gdpr": "1", "gdpr_consent": NO_STORAGE},
        {"gdpr_consent": NO_STORAGE},
        {"gdpr_consent": "{gdpr_consent}"},
        {"gdpr": "{gdpr}", "gdpr_consent": CONSENT},
        {"gdpr": "2", "gdpr_consent": CONSENT},
        {"gdpr": "true"},
        {"us_privacy": "1YYN"},
        {"us_privacy": "1-Y-"},
        {"us_privacy": "{us_privacy}"},
        {"gdpr": "1", "gdpr_consent": CONSENT, "us_privacy": "1YYN"},
        {"gpp": strings.gpp({2: NO_STORAGE}), "gpp_sid": "2"},
        {"gpp": strings.gpp({CALIFORNIA: OPTED_OUT}), "gpp_sid": str(CALIFORNIA)},
        {"gpp": strings.gpp({CALIFORNIA: OPTED_OUT})},
        {"gpp": "", "gpp_sid": "7"},
        {"gpp_sid": "{gpp_sid}"},
        {"gpp_sid": "2,"},
        {"gpp_sid": ",".join(["-1"] * 101)},
    ],
)
def test_no_id_is_given(parameters: dict[str, str]) -> None:
    assert not is_allowed(parameters, opted_out=False, vendor=0)


def test_a_registered_vendor_needs_consent_of_its_own() -> None:
    consented = strings.tcf(consents={1, 2}, vendors={VENDOR})
    assert is_allowed({"gdpr": "1", "gdpr_consent": consented}, opted_out=False, vendor=VENDOR)
    assert not is_allowed({"gdpr": "1", "gdpr_consent": CONSENT}, opted_out=False, vendor=VENDOR)


@given(st.fixed_dictionaries({}, optional={name: st.text(max_size=40) for name in ("gdpr", "gdpr_consent", "gpp_sid")}))
def test_whatever_is_sent_is_answered(parameters: dict[str, str]) -> None:
    assert is_allowed({**parameters, "us_privacy": "1YYY"}, opted_out=False, vendor=0) is False
    is_allowed(parameters, opted_out=False, vendor=0)

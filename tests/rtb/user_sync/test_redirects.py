"""A user sync redirects to the hosts of an exchange, and whatever is sent to nobody else."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtb.exchanges import UserSync
from rtb.user_sync.redirects import Redirect, redirect_of
from verification.user_sync.attempts import attempts

SYNC = UserSync(hosts=("pbs.example", "pbs.example:8443"))
PIECES = ("https:", "/", "//", "\\", "@", "pbs.example", "evil.example", ":", "443", "#", "?", ".", "$UID")
SETUID = "https://pbs.example/setuid?bidder=raybid&gdpr=1&gdpr_consent=CA-_.IA&gpp=DBAA~1YNN&gpp_sid=6,7&f=i&uid="


def test_the_id_is_put_in_the_place_of_the_macro() -> None:
    redirect = redirect_of(f"{SETUID}$UID&x=1", SYNC)
    assert isinstance(redirect, Redirect)
    assert redirect.address("abc") == f"{SETUID}abc&x=1"
    assert redirect.address("") == f"{SETUID}&x=1"


@pytest.mark.parametrize("macro", ["$UID", "${UID}", "[UID]", "{udid}", "UID_MACRO"])
def test_the_macro_is_the_profiles(macro: str) -> None:
    redirect = redirect_of(f"{SETUID}{macro}", UserSync(hosts=("pbs.example",), macro=macro))
    assert isinstance(redirect, Redirect)
    assert redirect.address("abc") == f"{SETUID}abc"


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("https://pbs.example/?u=$UID", "https://pbs.example/?u=1"),
        ("HTTPS://PBS.Example/?u=$UID", "https://pbs.example/?u=1"),
        ("https://pbs.example:443/?u=$UID", "https://pbs.example/?u=1"),
        ("https://pbs.example:8443/$UID", "https://pbs.example:8443/1"),
    ],
)
def test_a_host_is_read_as_browsers_do(target: str, address: str) -> None:
    redirect = redirect_of(target, SYNC)
    assert isinstance(redirect, Redirect)
    assert redirect.address("1") == address


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ("https://other.example/setuid?uid=$UID", "foreign_target"),
        ("https://pbs.example:8444/setuid?uid=$UID", "foreign_target"),
        ("https://pbs.example?uid=$UID", "foreign_target"),
        ("https://pbs.example/setuid?uid=", "no_macro"),
        ("https://pbs.example/setuid?uid=$UID&uid=$UID", "no_macro"),
        ("https://pbs.example:8443:443/setuid?uid=$UID", "foreign_target"),
        ("https://pbs.example/%0d%0ax?uid=$UID", "malformed_target"),
        ("https://pbs.example/?uid=$UID%7F", "malformed_target"),
        ("https://pbs.example/set uid?uid=$UID", "malformed_target"),
        ("https://pbs.example/setuid?uid=$UID#there", "malformed_target"),
        ("https://pbs.example/setuid?uid=$UID\r\nx: y", "malformed_target"),
        ("https://pbs.example/setuid?uid=$UID\ud800", "malformed_target"),
    ],
)
def test_another_target_is_refused(target: str, fault: str) -> None:
    assert redirect_of(target, SYNC) == fault


def _leads_to(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port


@pytest.mark.parametrize("attempt", attempts("acme", "pbs.example:8443", "evil.example:8443"))
def test_no_attempt_leads_elsewhere(attempt: tuple[str, str]) -> None:
    for name, value in parse_qsl(attempt[1], keep_blank_values=True):
        redirect = redirect_of(value, UserSync(hosts=("pbs.example:8443",))) if name == "r" else None
        if isinstance(redirect, Redirect):
            assert redirect.address("1").startswith("https://pbs.example:8443/")


@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from(PIECES)).map("".join),
        st.text(max_size=40).map(lambda text: f"https://pbs.example{text}$UID"),
        st.text(max_size=40).map(lambda text: f"https://pbs.example/{text}$UID"),
    )
)
@example("https://pbs.example/\u0000$UID")
def test_whatever_is_sent_an_address_is_plain_and_of_a_host_of_the_exchange(target: str) -> None:
    redirect = redirect_of(target, SYNC)
    if isinstance(redirect, Redirect):
        address = redirect.address("abc")
        assert _leads_to(address) in {("https", "pbs.example", None), ("https", "pbs.example", 8443)}
        assert address.isascii() and address.isprintable() and not set(address) & set(' "<>\\^`{|}#')

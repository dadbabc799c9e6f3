"""A user sync: an id set, kept, withdrawn, and what is made of other cookies."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb.exchanges import Profile, UserSync
from rtb.user_sync import SyncAnswer, SyncIds, SyncRequest, UserSyncs
from rtb.user_sync.cookies import PARTITIONED, SHARED
from tests.rtb.privacy import strings

IDS = SyncIds("a secret of the tests for users")
OTHERS = SyncIds("another secret of the tests, and long")
SYNCS = UserSyncs(IDS)
PROFILE = Profile(name="acme", user_sync=UserSync(hosts=("pbs.example",)))
REFUSED = f"gdpr=1&gdpr_consent={strings.tcf()}"
TARGET = "r=" + quote("https://pbs.example/setuid?bidder=raybid&f=i&uid=", safe="") + "$UID"


def sync(query: str = TARGET, *cookies: str, opted_out: bool = False, storage_access: bytes = b"") -> SyncAnswer:
    sent = tuple(cookie.encode("latin-1") for cookie in cookies)
    return SYNCS.answer(PROFILE, SyncRequest(query.encode("latin-1"), sent, opted_out, storage_access))


def told(answer: SyncAnswer) -> str:
    """Return the id that the exchange is told."""
    (uid,) = parse_qs(urlsplit(answer.text).query, keep_blank_values=True)["uid"]
    return uid


def jar(answer: SyncAnswer) -> dict[str, str]:
    """Return the cookies that an answer sets, by name; empty where it removes one."""
    pairs = (cookie.partition(";")[0].partition("=") for cookie in answer.cookies)
    return {name: value for name, _, value in pairs}


def test_an_id_is_set_and_told() -> None:
    answer = sync()
    assert (answer.status, answer.outcome, answer.page, answer.remarks) == (302, "issued", "redirect", ())
    assert IDS.is_ours(told(answer))
    assert jar(answer) == {SHARED: told(answer), PARTITIONED: told(answer)}
    for cookie in answer.cookies:
        assert {"Path=/", "Secure", "HttpOnly", "SameSite=None", "Max-Age=15552000"} <= set(cookie.split("; "))
        assert ("Partitioned" in cookie) == cookie.startswith(PARTITIONED)
        assert "Domain" not in cookie


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (b"active", {SHARED}),
        (b"none", {PARTITIONED}),
        (b"inactive", {PARTITIONED}),
        (b"", {SHARED, PARTITIONED}),
        (b"other", {SHARED, PARTITIONED}),
    ],
)
def test_a_partitioned_cookie_is_for_browsers_that_take_no_other(header: bytes, names: set[str]) -> None:
    assert jar(sync(storage_access=header)).keys() == names


@pytest.mark.parametrize("name", [SHARED, PARTITIONED])
def test_an_id_is_kept_and_not_prolonged(name: str) -> None:
    id = IDS.make()
    answer = sync(TARGET, f"other=1; {name}={id};  more")
    assert (answer.outcome, told(answer), answer.cookies) == ("kept", id, ())


def test_the_shared_cookie_goes_before_the_partitioned_one() -> None:
    shared, partitioned = IDS.make(), IDS.make()
    assert told(sync(TARGET, f"{PARTITIONED}={partitioned}; {SHARED}={shared}")) == shared
    assert told(sync(TARGET, f"{PARTITIONED}={partitioned}", f"{SHARED}={shared}")) == shared


@pytest.mark.parametrize("name", [SHARED, PARTITIONED])
def test_without_consent_an_id_is_removed_and_none_is_told(name: str) -> None:
    answer = sync(f"{REFUSED}&{TARGET}", f"{name}={IDS.make()}")
    assert (answer.status, answer.outcome, told(answer), jar(answer)) == (302, "withdrawn", "", {name: ""})
    assert all("Max-Age=0" in cookie for cookie in answer.cookies)
    assert all(("Partitioned" in cookie) == (name == PARTITIONED) for cookie in answer.cookies)
    assert sync(TARGET, f"{name}={IDS.make()}", opted_out=True).outcome == "withdrawn"


def test_without_consent_and_cookie_nothing_is_set() -> None:
    answer = sync(f"{REFUSED}&{TARGET}", "another=cookie")
    assert (answer.status, answer.outcome, told(answer), answer.cookies) == (302, "not_allowed", "", ())


@pytest.mark.parametrize(
    ("value", "remarks"),
    [
        (OTHERS.make(), ("forged_cookie",)),
        ("a" * 32, ("forged_cookie",)),
        ("", ("malformed_cookie",)),
        ("x" * 5_000, ("malformed_cookie",)),
        (f'"{IDS.make()}"', ("malformed_cookie",)),
        (IDS.make().upper(), ("malformed_cookie",)),
        ("\xff\x00", ("malformed_cookie",)),
        ("$UID", ("malformed_cookie",)),
    ],
    ids=["another secret", "made up", "empty", "long", "quoted", "upper case", "no text", "a macro"],
)
def test_a_cookie_that_is_not_ours_is_replaced_and_counted(value: str, remarks: tuple[str, ...]) -> None:
    answer = sync(TARGET, f"{SHARED}={value}", storage_access=b"none")
    assert (answer.status, answer.outcome, answer.remarks) == (302, "issued", remarks)
    assert jar(answer) == {SHARED: told(answer), PARTITIONED: told(answer)}
    assert value != told(answer)


def test_a_good_cookie_among_bad_ones_is_found() -> None:
    id = IDS.make()
    answer = sync(TARGET, f"{SHARED}=rubbish; {SHARED}={OTHERS.make()}; =; ;;{SHARED}; {PARTITIONED}={id}")
    assert (answer.outcome, told(answer)) == ("kept", id)
    assert answer.remarks == ("forged_cookie", "malformed_cookie")


@pytest.mark.parametrize(("form", "page"), [("i", "pixel"), ("b", "blank")])
def test_without_an_address_a_pixel_or_an_empty_page_sets_the_cookie(form: str, page: str) -> None:
    answer = sync(f"f={form}")
    assert (answer.status, answer.outcome, answer.page, answer.text) == (200, "issued", page, "")
    assert IDS.is_ours(jar(answer)[SHARED])


@pytest.mark.parametrize(
    ("query", "status", "outcome"),
    [
        ("", 400, "no_target"),
        ("r=", 400, "no_target"),
        ("f=x", 400, "no_target"),
        (f"{TARGET}&{TARGET}", 400, "malformed"),
        (f"{TARGET}&gdpr=0&gdpr=1", 400, "malformed"),
        (TARGET + "&a=1" * 40, 400, "malformed"),
        (f"{TARGET}&x={'x' * 9_000}", 414, "too_long"),
        ("r=https://evil.example/?uid=$UID", 403, "foreign_target"),
        ("r=https://pbs.example/?uid=", 400, "no_macro"),
        ("r=https://pbs.example/%0d?uid=$UID", 400, "malformed_target"),
    ],
)
def test_a_bad_query_is_refused_and_sets_nothing(query: str, status: int, outcome: str) -> None:
    answer = sync(query, f"{SHARED}={IDS.make()}")
    assert (answer.status, answer.outcome, answer.page, answer.cookies) == (status, outcome, "text", ())
    assert answer.text


@given(st.text(st.characters(max_codepoint=255), max_size=80), st.text(st.characters(max_codepoint=255), max_size=80))
def test_whatever_is_sent_is_answered_and_every_header_is_plain(query: str, cookie: str) -> None:
    for sent in (query, f"{TARGET}&{query}", f"f=i&{query}"):
        answer = sync(sent, cookie, f"{SHARED}={cookie}")
        assert answer.status in (200, 302, 400, 403)
        for header in (*answer.cookies, answer.text if answer.page == "redirect" else ""):
            assert header.isascii() and header.isprintable()

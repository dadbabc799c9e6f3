"""The settings on the pages about Prebid Server, against what each server was found to accept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from rtb.exchanges import Exchanges, Profile, load

_DOCS = Path(__file__).parents[3] / "docs"
_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SYNC = {"gdpr", "gdpr_consent", "us_privacy", "gpp", "gpp_sid", "r"}
_PARENT = {"thetradedesk": {"banner", "video", "native"}, "generic": {"banner", "video", "native", "audio"}}
"""Media types of the adapters that an alias is of; it may have no others."""


def _blocks(page: str) -> list[dict[str, Any]]:
    return [yaml.safe_load(text) for text in _BLOCK.findall((_DOCS / page).read_text(encoding="utf-8"))]


def _check_endpoint(url: str, exchanges: Exchanges) -> str:
    """Check that an endpoint is one of ours over https; return the name of its profile."""
    parts = urlsplit(url)
    path, key = exchanges.addressed(parts.path, parts.query.encode())
    profile = exchanges.of(path)
    assert parts.scheme == "https"
    assert profile is not None
    assert key in (None, "YOUR-KEY")
    return profile.name


def _check_sync(url: str, name: str, macro: str) -> None:
    parts = urlsplit(url)
    given = dict(part.split("=", 1) for part in parts.query.split("&"))
    assert (parts.scheme, parts.path) == ("https", f"/sync/{name}")
    assert given.keys() == _SYNC
    assert all(re.fullmatch(macro, value) for value in given.values())


@pytest.mark.parametrize("block", _blocks("prebid_server_go.md"), ids=["alias", "adapter"])
def test_the_settings_for_go_are_such_as_it_accepts(block: dict[str, Any]) -> None:
    known = {"aliasOf", "endpoint", "endpointCompression", "modifyingVastXmlAllowed", "gvlVendorID", "maintainer"}
    assert block.keys() <= known | {"openrtb", "capabilities", "userSync"}
    assert _check_endpoint(block["endpoint"], load()) == "prebid_server"
    assert block["endpointCompression"] == "gzip"
    assert block["gvlVendorID"] > 0  # 0: an alias takes its parent's, and others are blocked under GDPR
    assert (block["openrtb"]["version"], block["openrtb"]["gpp-supported"]) == (2.6, True)
    places = {place: set(types["mediaTypes"]) for place, types in block["capabilities"].items()}
    if "aliasOf" in block:
        assert places.keys() == {"app", "site"}
        assert all(types <= _PARENT[block["aliasOf"]] for types in places.values())
        assert urlsplit(block["endpoint"]).path.endswith("/YOUR-KEY")  # the adapter sends no header of ours
    else:
        assert "dooh" in places
    assert block["userSync"]["redirect"]["userMacro"] == "$UID"
    _check_sync(block["userSync"]["redirect"]["url"], "prebid_server", r"\{\{\.[A-Za-z]+\}\}")


@pytest.mark.parametrize("block", _blocks("prebid_server_java.md"), ids=["generic", "thetradedesk"])
def test_the_settings_for_java_are_such_as_it_accepts(block: dict[str, Any]) -> None:
    ((parent, adapter),) = block["adapters"].items()
    ((_, alias),) = adapter["aliases"].items()
    name = _check_endpoint(alias["endpoint"], load())
    assert name == {"generic": "prebid_server_java", "thetradedesk": "prebid_server"}[parent]
    assert urlsplit(alias["endpoint"]).path.endswith("/YOUR-KEY")
    assert (alias["enabled"], alias["ortb-version"]) == (True, "ORTB_2_6")
    about = alias["meta-info"]
    assert "supported-vendors" in about
    assert about["vendor-id"] > 0
    assert "dooh-media-types" not in about
    assert all(set(about[f"{place}-media-types"]) <= _PARENT[parent] for place in ("site", "app"))
    redirect = alias["usersync"]["redirect"]
    assert redirect["uid-macro"] == "$UID"
    assert alias["usersync"]["cookie-family-name"]
    _check_sync(redirect["url"], name, r"\{[a-z_]+\}")


def test_what_the_pages_say_of_the_profiles_is_so() -> None:
    for name, page in (("prebid_server", "prebid_server_go.md"), ("prebid_server_java", "prebid_server_java.md")):
        text = (_DOCS / page).read_text(encoding="utf-8")
        (profile,) = (one for one in load() if one.name == name)
        assert (profile.pays_bid, profile.bills_by_markup, profile.caller_converts) == (True, True, True)
        assert f"notices are honoured {profile.grace_seconds} s" in text
        assert profile.grace_seconds >= 60
        assert profile.key_in == "path"
        assert profile.no_bid == "empty"
        assert all(word in text for word in ("`pays_bid`", "`bills_by_markup`", "`grace_seconds`", "`caller_converts`"))
        assert "RAYBID_PUBLIC_URL" in text
        assert (profile.formats == "first") == ("`formats: first`" in text)


def test_the_profile_on_the_page_about_user_sync_is_the_shipped_one_with_hosts() -> None:
    (text,) = re.findall(
        r"^   ```yaml\n(.*?)^   ```", (_DOCS / "user_sync.md").read_text(encoding="utf-8"), re.S | re.M
    )
    written = msgspec.convert(yaml.safe_load(text), Profile)
    (shipped,) = (profile for profile in load() if profile.name == written.name)
    assert written.user_sync.hosts
    assert replace(written, user_sync=shipped.user_sync) == shipped

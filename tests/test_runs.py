"""What `make test` says at its end is what was missing, and `make system` installs it."""

from __future__ import annotations

import re

import pytest

from raybid.local.environment import ROOT
from tests.__main__ import lacking
from tests.support import require_package


def test_the_end_says_what_was_skipped_for_want_of_which_package() -> None:
    reasons = []
    for package in ("wrk", "redis-server", "wrk"):
        with pytest.raises(pytest.skip.Exception) as skipped, pytest.MonkeyPatch.context() as patch:
            patch.delenv("RAYBID_REQUIRE_ALL", raising=False)
            require_package(False, package)
        reasons.append(str(("tests/test_one.py", 3, f"Skipped: {skipped.value}")))
    assert lacking("\n".join([*reasons, "('tests/test_two.py', 1, 'Skipped: root')"])).splitlines() == [
        "skipped for want of redis-server: 1 tests",
        "skipped for want of wrk: 2 tests",
        "`make system` installs what is missing",
    ]
    assert lacking("('tests/test_two.py', 1, 'Skipped: root')") == ""


def test_make_system_installs_every_package_that_a_test_may_lack() -> None:
    texts = [path.read_text() for path in (ROOT / "tests").rglob("*.py")]
    named = {package for text in texts for package in re.findall(r'require_package\(.+, "([\w.-]+)"\)', text)}
    assert len(named) > 5
    assert named <= set(re.findall(r"^need (\S+)", (ROOT / ".ci" / "system").read_text(), re.M))

"""Prebid.js on a page in Chromium, against the real platform; by itself: `python -m verification.prebid_js`."""

from __future__ import annotations

import os
import shutil

import pytest

from raybid.local import Platform
from rtb.runtime.settings import Settings
from tests.support import node_packages, require_package
from verification.prebid_js.trial import hold_trial

pytestmark = pytest.mark.cluster


def test_four_auctions_are_won_rendered_billed_once_and_clicked(platform: Platform, settings: Settings) -> None:
    require_package(shutil.which("chromium") or os.environ.get("RAYBID_CHROMIUM"), "chromium")
    found = hold_trial(settings.base_url, settings, node_packages())
    assert found.complaints == []
    assert found.summary() == {"auctions": 4, "rendered": 4, "billed_once": True, "clicked": True}

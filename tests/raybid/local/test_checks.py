"""A platform of this machine does without keys on loopback only."""

from __future__ import annotations

from pathlib import Path

import pytest

from raybid.local import LaunchError, preflight
from rtb.runtime.settings import Settings


@pytest.mark.parametrize("published", [{"public_url": "https://bid.example"}, {"http_host": "192.0.2.1"}])
@pytest.mark.parametrize("name", ["require_exchange_key", "require_report_key"])
def test_published_without_keys_does_not_start(name: str, published: dict[str, str], tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path).model_copy(update={name: False, **published})
    with pytest.raises(LaunchError, match=f"RAYBID_{name.upper()}=true"):
        preflight(settings)
    assert list(tmp_path.iterdir()) == []

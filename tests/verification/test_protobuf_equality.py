"""JSON and protocol buffers get equal bids."""

from __future__ import annotations

import json

import pytest

from verification.protobuf_equality import main


def test_generated_requests_get_equal_bids(capsys: pytest.CaptureFixture[str]) -> None:
    main(requests=200, seed=7)
    told = json.loads(capsys.readouterr().out)
    assert told["different"] == 0
    assert told["bids"] > 100

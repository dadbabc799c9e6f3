"""A bidder that has a creative for everything keeps to what a campaign may hold."""

from __future__ import annotations

import pytest

from simulation.exchange.generous import campaigns_for, wishes_of


@pytest.mark.parametrize("count", [1, 16, 17, 28, 64, 100])
def test_natives_hold_as_many_images_as_a_creative_may(count: int) -> None:
    imps = [
        {"id": str(start), "native": {"request": {"assets": _assets(start, min(30, count - start))}}}
        for start in range(0, count, 30)
    ]
    campaigns = campaigns_for(wishes_of([{"id": "r", "imp": imps}]))
    natives = [one.native for campaign in campaigns for one in campaign.creatives if one.native is not None]
    assert natives
    for native in natives:
        assert len({(image.w, image.h) for image in native.images}) == min(count, 64)


def _assets(start: int, count: int) -> list[dict[str, object]]:
    """Return requests for images, each of another size."""
    return [{"id": n, "img": {"type": 3, "w": 100 + start + n, "h": 100}} for n in range(count)]

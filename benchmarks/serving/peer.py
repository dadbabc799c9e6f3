"""The service people would write: FastAPI on uvicorn, a model of the request, a loop over campaigns, torch per request.

It answers the same requests with the same campaigns, targeting and network, keeps budgets in a dictionary, and omits
the costly parts that are easy to omit: validation beyond types, leases, notices, events, currencies, deals, deadlines.
It runs one process per core, each with its own budgets.

    python -m benchmarks.serving.peer FOLDER PORT     # FOLDER: of the CTR model
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import torch
import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel

from benchmarks.serving.rig import rich_campaigns
from rtb.campaigns.campaign import Campaign
from rtb.campaigns.creative import Creative
from rtb.inventory.impression import hour_of_week, impressions_of
from rtb.models.ctr import CTRScorer
from rtb.models.features import bucket, creative_row, impression_row
from rtb.openrtb import BidRequest
from rtb.runtime import calls, processes

CAMPAIGNS = 200
PATH = "/bid"
_CANDIDATES = 16
_START_SECONDS = 60.0
_MODEL_VARIABLE = "RAYBID_PEER_MODEL"


class PeerImp(BaseModel):
    """The fields of an impression that the service reads."""

    id: str
    bidfloor: float = 0.0
    banner: dict[str, Any] | None = None


class PeerBid(BaseModel):
    """A bid."""

    id: str
    impid: str
    price: float
    adm: str
    adomain: list[str]
    crid: str
    w: int
    h: int
    burl: str


class Request(BaseModel):
    """The fields of a request that the service reads."""

    id: str
    imp: list[PeerImp]
    site: dict[str, Any] | None = None
    app: dict[str, Any] | None = None
    device: dict[str, Any] | None = None
    user: dict[str, Any] | None = None


def service() -> FastAPI:
    """Build the application; each process builds its own."""
    torch.set_num_threads(1)
    scorer = CTRScorer.load(Path(os.environ[_MODEL_VARIABLE]))
    campaigns = rich_campaigns(CAMPAIGNS)
    rows = {
        (campaign.id, creative.id): creative_row(campaign.id, creative)
        for campaign in campaigns
        for creative in campaign.creatives
    }
    left = {campaign.id: campaign.budget.total_micros for campaign in campaigns}
    app = FastAPI()

    @app.post(PATH)
    async def bid(request: Request) -> Any:
        found = []
        for imp in request.imp:
            shown = _eligible(campaigns, request, imp)[:_CANDIDATES]
            if not shown:
                continue
            context = _context(request)
            features = torch.tensor([context + rows[campaign.id, creative.id] for campaign, creative in shown])
            chances = scorer.score(features.to(torch.int32).numpy())[:, 0].tolist()
            best = max(zip(shown, chances, strict=True), key=lambda pair: pair[0][0].goal.value_micros * pair[1])
            (campaign, creative), chance = best
            price = campaign.goal.value_micros * chance / 1_000
            if price >= imp.bidfloor and left[campaign.id] > price * 1_000:
                left[campaign.id] -= int(price * 1_000)
                found.append(_bid(campaign, creative, imp, price))
        if not found:
            return Response(status_code=204)
        return {"id": request.id, "seatbid": [{"bid": found}], "cur": "USD"}

    return app


def _eligible(campaigns: list[Campaign], request: Request, imp: PeerImp) -> list[tuple[Campaign, Creative]]:
    """Return campaigns whose targeting matches, with a creative of the right size, best paying first."""
    device = request.device or {}
    country = (device.get("geo") or {}).get("country", "")
    place = request.app or request.site or {}
    name = place.get("bundle") or place.get("domain", "")
    data = (request.user or {}).get("data") or []
    segments = {segment["id"] for item in data for segment in item.get("segment") or []}
    hour, size = hour_of_week(time.time()), ((imp.banner or {}).get("w"), (imp.banner or {}).get("h"))
    found = []
    for campaign in campaigns:
        wanted = campaign.targeting
        if wanted.countries and country not in wanted.countries:
            continue
        if wanted.device_types and device.get("devicetype") not in wanted.device_types:
            continue
        if wanted.inventory and ("app" if request.app else "site") not in wanted.inventory:
            continue
        if (wanted.publishers and name not in wanted.publishers) or name in wanted.exclude_publishers:
            continue
        if (wanted.segments and segments.isdisjoint(wanted.segments)) or (wanted.hours and hour not in wanted.hours):
            continue
        creative = next((one for one in campaign.creatives if (one.w, one.h) == size), None)
        if creative is not None:
            found.append((campaign, creative))
    return sorted(found, key=lambda pair: -pair[0].goal.value_micros)


def _context(request: Request) -> list[int]:
    """Return the features of the impression, by the encoder that the model was trained with."""
    typed = msgspec.convert(request.model_dump(exclude_none=True), BidRequest, strict=False)
    impressions, _ = impressions_of(typed, hour_of_week(time.time()), "USD", 1)
    return impression_row(impressions[0]) if impressions else [bucket("tag", "")]


def _bid(campaign: Campaign, creative: Creative, imp: PeerImp, price: float) -> PeerBid:
    token = secrets.token_urlsafe(48)
    return PeerBid(
        id=token[:24],
        impid=imp.id,
        price=round(price, 6),
        adm=f'<a href="{creative.landing_url}?t={token}"><img src="{creative.image_url}"></a>',
        adomain=list(campaign.adomain),
        crid=creative.id,
        w=creative.w,
        h=creative.h,
        burl=f"http://127.0.0.1/bill/{token}?price=${{AUCTION_PRICE}}",
    )


@contextmanager
def running(model: Path, port: int) -> Iterator[str]:
    """Run the service's processes for the time of the block; yield their URL.

    Raises:
        OSError: it does not start.
    """
    process = processes.start([sys.executable, "-m", "benchmarks.serving.peer", str(model), str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        _await(process, f"{url}/openapi.json")
        yield url
    finally:
        processes.end(process)


def _await(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if calls.get(url, timeout=5).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.25)
    raise OSError("the peer service did not start: see its output above")


if __name__ == "__main__":
    os.environ[_MODEL_VARIABLE] = sys.argv[1]
    uvicorn.run(
        "benchmarks.serving.peer:service",
        factory=True,
        port=int(sys.argv[2]),
        workers=os.cpu_count(),
        log_level="warning",
        access_log=False,
    )

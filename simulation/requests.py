"""Auctions as OpenRTB 2.6 bid requests."""

from __future__ import annotations

from typing import Any

from rtb.money.micros import micros_to_cpm
from rtb.pacing.landscape import Kind
from simulation.auctions import Auctions, SimulatedMarket
from simulation.population import (
    CATEGORIES,
    COUNTRIES,
    DEVICE_TYPES,
    LANGUAGES,
    POSITIONS,
    REGIONS,
    SEGMENTS,
    SIZES,
    SYSTEMS,
    user_name,
)

_AGENTS = {
    "Windows": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
    "macOS": "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15",
    "Android": "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36",
    "iOS": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "tvOS": "AppleTV11,1/18.5",
}


def to_openrtb(market: SimulatedMarket, auctions: Auctions, i: int, kind: Kind = "second") -> dict[str, Any]:
    """Build the bid request of one auction, ready for a JSON encoder.

    Args:
        market: market of the auctions.
        auctions: batch from `market.step`.
        i: position in the batch.
        kind: second-price (`at` 2) or first-price (`at` 1) auction.
    """
    medium, publisher = _medium(market, int(auctions.slot[i]))
    return {
        "id": f"{market.seed:x}-{int(auctions.number[i])}",
        "imp": [_imp(market, auctions, i)],
        medium: publisher,
        "device": _device(market, int(auctions.user[i])),
        "user": _user(market, int(auctions.user[i])),
        "at": 2 if kind == "second" else 1,
        "tmax": 300,
        "cur": ["USD"],
        "ext": {"ts": int(auctions.time[i])},
    }


def _imp(market: SimulatedMarket, auctions: Auctions, i: int) -> dict[str, Any]:
    slots, slot = market.population.slots, auctions.slot[i]
    w, h = SIZES[slots.size[slot]]
    return {
        "id": "1",
        "banner": {"w": w, "h": h, "format": [{"w": w, "h": h}], "pos": POSITIONS[slots.position[slot]]},
        "bidfloor": micros_to_cpm(int(auctions.floor_micros[i])),
        "bidfloorcur": "USD",
        "secure": 1,
    }


def _medium(market: SimulatedMarket, slot: int) -> tuple[str, dict[str, Any]]:
    """Return `site` or `app`, and its object."""
    media = market.population.publishers
    index = int(market.population.slots.publisher[slot])
    kind, category = CATEGORIES[media.category[index]]
    publisher = {"id": f"pub-{index:03d}", "name": f"{kind.title()} {index}"}
    if media.is_app[index]:
        return "app", {"id": f"app-{index:03d}", "bundle": media.name[index], "cat": [category], "publisher": publisher}
    publisher["domain"] = media.name[index]
    page = f"https://{media.name[index]}/{kind}"
    site = {"id": f"site-{index:03d}", "domain": media.name[index], "page": page, "cat": [category]}
    return "site", {**site, "publisher": publisher}


def _device(market: SimulatedMarket, user: int) -> dict[str, Any]:
    users = market.population.users
    country, system = int(users.country[user]), SYSTEMS[users.system[user]]
    return {
        "ua": _AGENTS[system],
        "devicetype": DEVICE_TYPES[users.device[user]],
        "os": system,
        "language": LANGUAGES[country],
        "geo": {"country": COUNTRIES[country], "region": REGIONS[country][users.region[user]]},
    }


def _user(market: SimulatedMarket, user: int) -> dict[str, Any]:
    member = market.population.users.segments[user]
    segments = [{"id": name} for name, inside in zip(SEGMENTS, member, strict=True) if inside]
    return {"id": user_name(user), "data": [{"id": "segments.example", "segment": segments}] if segments else []}

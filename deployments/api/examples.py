"""Bodies that work, shown in the documentation."""

from __future__ import annotations

CREATIVE = {
    "id": "a",
    "w": 300,
    "h": 250,
    "image_url": "https://cdn.example/a.png",
    "landing_url": "https://shop.example/spring",
}

CAMPAIGN = {
    "id": "spring",
    "name": "Spring sale",
    "adomain": ["shop.example"],
    "budget": {"total_micros": 50_000_000, "flight_seconds": 86_400},
    "goal": {"kind": "click", "value_micros": 250_000},
    "targeting": {"countries": ["USA"], "device_types": [4, 5]},
    "creatives": [CREATIVE],
}

PATCH = {"name": "Spring sale, second week", "budget": {"daily_micros": 5_000_000}}

TOP_UP = {"micros": 1_000_000}

PORTFOLIO = {"id": "season", "name": "All of the season", "strategy": "dual", "members": [{"campaign": "spring"}]}

PORTFOLIO_PATCH = {"strategy": "bandit", "most_move": 0.2}

BID = {
    "id": "slot-1",
    "w": 300,
    "h": 250,
    "page": "https://news-001.example/today",
    "floor": 0.05,
    "device": "phone",
    "geo": "USA/CA",
    "user": "u-17",
    "ip": "203.0.113.7",
}

BID_BATCH = {"bids": [BID, {"format": "video", "w": 640, "h": 360, "app": "com.game.example", "floor": 1.5}]}

AUCTION_RESULT = {"token": "the token of the bid", "won": True, "price": 0.42}

CANDIDATE = {"folder": "var/models/candidate"}

ROLLBACK = {"reason": "wins too little"}

KEY = {"name": "exchange one", "scopes": ["exchange"]}

OPENRTB = {
    "id": "r1",
    "at": 2,
    "tmax": 300,
    "imp": [{"id": "1", "banner": {"w": 300, "h": 250}, "bidfloor": 0.05}],
    "site": {"domain": "news-001.example"},
    "device": {"devicetype": 4, "os": "iOS", "geo": {"country": "USA", "region": "CA"}},
}

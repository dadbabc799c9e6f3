"""A program to run in the image, with its packages only: create a campaign, request bids until one comes."""

import os
import sys
import time
from pathlib import Path

import httpx

CAMPAIGN = {
    "id": "first",
    "name": "First",
    "adomain": ["shop.example"],
    "budget": {"total_micros": 50_000_000, "flight_seconds": 86_400},
    "goal": {"kind": "click", "value_micros": 5_000_000},
    "creatives": [
        {
            "id": "a",
            "w": 300,
            "h": 250,
            "image_url": "https://cdn.example/a.png",
            "landing_url": "https://shop.example/",
        }
    ],
}
REQUEST = {
    "id": "r1",
    "at": 2,
    "tmax": 1000,
    "imp": [{"id": "1", "banner": {"w": 300, "h": 250}, "bidfloor": 0.01}],
    "site": {"domain": "news-001.example"},
    "device": {"devicetype": 4, "os": "iOS", "geo": {"country": "USA", "region": "CA"}},
}


def main() -> None:
    """Create a campaign, bid, and print the status."""
    key = (Path(os.environ["RAYBID_VAR_DIR"]) / "secrets" / "admin_key").read_text()
    with httpx.Client(base_url="http://127.0.0.1:8000", headers={"X-API-Key": key}, timeout=10) as client:
        made = client.post("/campaign/create", json=CAMPAIGN)
        if made.status_code != 201:
            sys.exit(f"the campaign was refused with {made.status_code}: {made.text[:300]}")
        deadline = time.monotonic() + 60.0
        while time.monotonic() < deadline:
            answer = client.post("/openrtb2/bid", json=REQUEST)
            if answer.status_code == 200 and answer.json()["seatbid"]:
                sys.stdout.write("200\n")
                sys.exit(0)
            time.sleep(0.5)
        sys.exit(f"no bid within a minute: {answer.status_code} {answer.text[:300]}")


if __name__ == "__main__":
    main()

"""Made-up requests that use all of OpenRTB that a bidder reads, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from simulation.exchange.rules.raw import Json

_Value = TypeVar("_Value")

_DOMAINS = ("news.example", "sport.example", "blog.example", "shop.example", "food.example")
_CATEGORIES = ("IAB1", "IAB7-39", "IAB8-5", "IAB13", "IAB17", "IAB20-3", "IAB25-3", "IAB26")
_COUNTRIES = ("USA", "DEU", "FRA", "GBR", "JPN")
_SIZES = ((300, 250), (728, 90), (320, 50), (160, 600), (970, 250))
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Schüttel/1.0 (テレビ)",
)
_GPP = ("DBABTA~1YNN", "DBABTA~1YYN")
"""GPP strings of section 6, the US privacy string."""

_CONSENT = "COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA"
"""A consent string of TCF 2."""


def varied_requests(seed: int, count: int) -> Iterator[Json]:
    """Yield requests; each is valid, and is answered alike however it is encoded."""
    random_ = random.Random(seed)
    for number in range(count):
        yield _Maker(random_).request(f"{seed}-{number}")


class _Maker:
    """A maker of one request after another."""

    def __init__(self, random_: random.Random) -> None:
        self._random = random_

    def request(self, id_: str) -> Json:
        """Return a request."""
        pick = self._random
        imps = [self._imp(str(number + 1)) for number in range(pick.choice((1, 1, 1, 2, 3)))]
        request: Json = {"id": id_, "imp": imps, **self._inventory(), "device": self._device(), "user": self._user()}
        self._maybe(request, "at", lambda: pick.choice((1, 2)))
        self._maybe(request, "tmax", lambda: pick.randint(100, 1_000))
        self._maybe(request, "cur", lambda: pick.choice((["USD"], ["EUR", "USD"])))
        self._maybe(request, "bcat", lambda: self._some(_CATEGORIES), 0.3)
        self._maybe(request, "badv", lambda: self._some(_DOMAINS), 0.3)
        self._maybe(request, "bapp", lambda: ["com.example.rival"], 0.1)
        self._maybe(request, "wlang", lambda: ["en", "de"], 0.05)
        self._maybe(request, "bseat", lambda: ["someone"], 0.1)
        self._maybe(request, "source", self._source)
        self._maybe(request, "regs", self._regs, 0.3)
        self._maybe(request, "test", lambda: pick.choice((0, 1)), 0.05)
        self._maybe(request, "allimps", lambda: 1, 0.1)
        return request

    def _maybe(self, values: Json, name: str, make: Callable[[], Any], chance: float = 0.5) -> None:
        if self._random.random() < chance:
            values[name] = make()

    def _some(self, values: Sequence[_Value]) -> list[_Value]:
        return self._random.sample(values, self._random.randint(1, len(values)))

    def _imp(self, id_: str) -> Json:
        pick = self._random
        kind = pick.choice(("banner", "banner", "video", "audio", "native"))
        imp: Json = {"id": id_, kind: getattr(self, f"_{kind}")()}
        self._maybe(imp, "bidfloor", lambda: round(pick.uniform(0, 3), 3))
        self._maybe(imp, "bidfloorcur", lambda: pick.choice(("USD", "EUR")), 0.2)
        self._maybe(imp, "secure", lambda: pick.choice((0, 1)))
        self._maybe(imp, "instl", lambda: pick.choice((0, 1)), 0.2)
        self._maybe(imp, "rwdd", lambda: pick.choice((0, 1)), 0.1)
        self._maybe(imp, "tagid", lambda: f"tag-{pick.randint(1, 50)}")
        self._maybe(imp, "exp", lambda: pick.randint(10, 3_600), 0.2)
        self._maybe(imp, "pmp", self._pmp, 0.1)
        self._maybe(imp, "metric", lambda: [{"type": "viewability", "value": round(pick.random(), 2)}], 0.2)
        self._maybe(imp, "refresh", lambda: {"refsettings": [{"reftype": 1, "minint": 30}], "count": 2}, 0.1)
        self._maybe(imp, "ext", lambda: {"gpid": "/1/2", "skadn": {"skadnetids": ["a.skadnetwork"]}}, 0.2)
        self._maybe(imp, "displaymanager", lambda: "sdk", 0.2)
        return imp

    def _banner(self) -> Json:
        pick = self._random
        w, h = pick.choice(_SIZES)
        banner: Json = {"w": w, "h": h}
        self._maybe(banner, "format", lambda: [{"w": w, "h": h} for w, h in self._some(_SIZES)])
        self._maybe(banner, "pos", lambda: pick.randint(0, 7))
        self._maybe(banner, "battr", lambda: self._some((1, 2, 3, 6, 9, 500)), 0.3)
        self._maybe(banner, "btype", lambda: [4], 0.2)
        self._maybe(banner, "mimes", lambda: ["image/png", "text/html"], 0.2)
        self._maybe(banner, "topframe", lambda: 1, 0.2)
        return banner

    def _played(self) -> Json:
        pick = self._random
        slot: Json = {"minduration": 5, "maxduration": pick.choice((15, 30, 60)), "protocols": [2, 3, 7]}
        self._maybe(slot, "startdelay", lambda: pick.choice((-2, -1, 0, 10)))
        self._maybe(slot, "durfloors", lambda: [{"mindur": 1, "maxdur": 15, "bidfloor": 0.5}], 0.1)
        if pick.random() < 0.2:
            slot |= {"poddur": 60, "maxseq": pick.randint(1, 4)}
        return slot

    def _video(self) -> Json:
        slot = {**self._played(), "mimes": ["video/mp4", "video/webm"], "w": 640, "h": 360}
        self._maybe(slot, "skip", lambda: self._random.choice((0, 1)))
        self._maybe(slot, "plcmt", lambda: self._random.randint(1, 4))
        self._maybe(slot, "playbackmethod", lambda: [1, 2])
        return slot

    def _audio(self) -> Json:
        return {**self._played(), "mimes": ["audio/mpeg", "audio/mp4"]}

    def _native(self) -> Json:
        assets = [
            {"id": 1, "required": 1, "title": {"len": self._random.choice((25, 90))}},
            {"id": 2, "required": 1, "img": {"type": 3, "wmin": 300, "hmin": 200}},
            {"id": 3, "data": {"type": 2, "len": 90}},
        ]
        asked = {"ver": "1.2", "assets": assets}
        request: Any = msgspec.json.encode(asked).decode() if self._random.random() < 0.8 else asked
        return {"request": request, "ver": "1.2"}

    def _pmp(self) -> Json:
        deal: Json = {"id": "deal-1", "bidfloor": 1.5, "bidfloorcur": "USD", "at": self._random.choice((1, 2, 3))}
        self._maybe(deal, "wadomain", lambda: ["shop.example"])
        return {"private_auction": self._random.choice((0, 1)), "deals": [deal]}

    def _inventory(self) -> Json:
        pick = self._random
        domain, number = pick.choice(_DOMAINS), pick.randint(1, 200)
        place: Json = {"id": f"place-{number}", "domain": domain, "publisher": {"id": f"publisher-{number}"}}
        self._maybe(place, "cat", lambda: self._some(_CATEGORIES))
        self._maybe(place, "keywords", lambda: "sport, news,wetter")
        self._maybe(place, "content", self._content, 0.3)
        kind = pick.choice(("site", "site", "app", "dooh"))
        if kind == "site":
            self._maybe(place, "page", lambda: f"https://{domain}/{pick.randint(1, 10_000)}?a=1")
        elif kind == "app":
            place["bundle"] = f"com.example.app{number}"
        else:
            place["venuetype"] = ["transit"]
            place.pop("cat", None)
        return {kind: place}

    def _content(self) -> Json:
        return {
            "genre": self._random.choice(("comedy", "news")),
            "language": "en",
            "livestream": self._random.choice((0, 1)),
            "channel": {"id": "c1", "name": "Chännel", "domain": "channel.example"},
            "network": {"name": "Network"},
            "data": [{"id": "d", "segment": [{"id": "s1"}, {"id": "s2", "value": "x"}]}],
        }

    def _device(self) -> Json:
        pick = self._random
        geo: Json = {"country": pick.choice(_COUNTRIES), "lat": round(pick.uniform(-80, 80), 4), "lon": 13.4}
        self._maybe(geo, "region", lambda: pick.choice(("CA", "NY", "BE")))
        self._maybe(geo, "zip", lambda: f"{pick.randint(10_000, 99_999)}")
        device: Json = {"ua": pick.choice(_AGENTS), "geo": geo, "ip": f"203.0.113.{pick.randint(1, 254)}"}
        self._maybe(device, "devicetype", lambda: pick.randint(1, 7))
        self._maybe(device, "os", lambda: pick.choice(("iOS", "Android", "Windows")))
        self._maybe(device, "language", lambda: "en")
        self._maybe(device, "lmt", lambda: pick.choice((0, 1)), 0.2)
        self._maybe(device, "dnt", lambda: pick.choice((0, 1)), 0.2)
        self._maybe(device, "pxratio", lambda: 1.5, 0.2)
        self._maybe(device, "ext", lambda: {pick.choice(("gpc", "ifv")): "1", "atts": pick.choice((2, 3))}, 0.1)
        self._maybe(device, "sua", self._hints, 0.2)
        return device

    def _hints(self) -> Json:
        hints: Json = {
            "browsers": [{"brand": "Google Chrome", "version": ["140"]}],
            "mobile": self._random.choice((0, 1)),
        }
        self._maybe(hints, "platform", lambda: {"brand": "Android", "version": ["15"]})
        self._maybe(hints, "ext", lambda: {"gpc": self._random.choice(("0", "1"))}, 0.2)
        return hints

    def _user(self) -> Json:
        pick = self._random
        user: Json = {"id": f"user-{pick.randint(1, 10**9)}"}
        self._maybe(user, "buyeruid", lambda: f"ours-{pick.randint(1, 10**9)}", 0.3)
        segments = [{"id": name} for name in self._some(("gamer", "frequent-flyer", "cook"))]
        self._maybe(user, "data", lambda: [{"id": "segments.example", "segment": segments}])
        self._maybe(user, "yob", lambda: pick.randint(1950, 2005), 0.2)
        self._maybe(user, "consent", lambda: _CONSENT, 0.2)
        self._maybe(user, "ext", lambda: {"consent": _CONSENT}, 0.2)
        self._maybe(user, "eids", lambda: [{"source": "ids.example", "uids": [{"id": f"e-{pick.random()}"}]}], 0.2)
        return user

    def _source(self) -> Json:
        nodes = [{"asi": "exchange.example", "sid": str(self._random.randint(1, 99)), "hp": 1}]
        chain = {"complete": self._random.choice((0, 1)), "ver": "1.0", "nodes": nodes}
        return {"tid": "t", "schain": chain} if self._random.random() < 0.5 else {"ext": {"schain": chain}}

    def _regs(self) -> Json:
        regs: Json = {"coppa": self._random.choice((0, 0, 1))}
        self._maybe(regs, "gdpr", lambda: self._random.choice((0, 1)))
        self._maybe(regs, "us_privacy", lambda: self._random.choice(("1YNN", "1YYN")), 0.3)
        self._maybe(regs, "ext", self._regs_ext, 0.3)
        self._maybe(regs, "gpp", lambda: self._random.choice(_GPP), 0.3)
        self._maybe(regs, "gpp_sid", lambda: [6], 0.3)
        return regs

    def _regs_ext(self) -> Json:
        ext: Json = {}
        self._maybe(ext, "coppa", lambda: self._random.choice((0, 1)), 0.2)
        self._maybe(ext, "gdpr", lambda: self._random.choice((0, 1)))
        self._maybe(ext, "us_privacy", lambda: self._random.choice(("1YNN", "1YYN")))
        self._maybe(ext, "gpp", lambda: self._random.choice(_GPP))
        self._maybe(ext, "gpp_sid", lambda: [6])
        self._maybe(ext, "gpc", lambda: self._random.choice(("0", "1")), 0.2)
        self._maybe(ext, "dsa", lambda: {"dsarequired": self._random.randint(0, 2), "pubrender": 1}, 0.2)
        return ext

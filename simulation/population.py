"""The simulated market's publishers, slots and users; deterministic by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

COUNTRIES = ("USA", "GBR", "DEU", "FRA", "CHN", "JPN")
"""ISO 3166-1 alpha-3 codes, most populous first."""

REGIONS = (
    ("CA", "NY", "TX", "FL"),
    ("ENG", "SCT", "WLS"),
    ("BE", "BY", "NW"),
    ("IDF", "ARA"),
    ("BJ", "SH", "GD"),
    ("13", "27"),
)
"""ISO 3166-2 subdivisions of each country, without the country prefix."""

LANGUAGES = ("en", "en", "de", "fr", "zh", "ja")

PC, TV, PHONE, TABLET = 2, 3, 4, 5
DEVICE_TYPES = (PC, TV, PHONE, TABLET)
"""OpenRTB device types (list 5.21)."""

SYSTEMS = ("Windows", "macOS", "Android", "iOS", "tvOS")
_SYSTEMS_OF = {PC: (0, 1), TV: (4,), PHONE: (2, 3), TABLET: (2, 3)}

CATEGORIES = (
    ("news", "IAB12"),
    ("sport", "IAB17"),
    ("game", "IAB9"),
    ("travel", "IAB20"),
    ("tech", "IAB19"),
    ("food", "IAB8"),
    ("music", "IAB1"),
    ("finance", "IAB13"),
)
"""Kinds of publishers' content, and their IAB content categories."""

SEGMENTS = (
    "auto-intender",
    "bargain-hunter",
    "commuter",
    "cook",
    "frequent-flyer",
    "gamer",
    "homeowner",
    "investor",
    "music-fan",
    "parent",
    "sports-fan",
    "student",
)
"""Ids of user segments."""

SIZES = ((300, 250), (728, 90), (320, 50), (160, 600), (300, 600))
"""Width and height in pixels."""

POSITIONS = (1, 3, 0)
"""OpenRTB ad positions (list 5.4): above the fold, below it, unknown."""

DESKTOP, MOBILE_WEB, APP = 0, 1, 2
_SIZES_OF = {DESKTOP: (0, 1, 3, 4), MOBILE_WEB: (0, 2), APP: (0, 2)}

PUBLISHERS = 120
"""Number of publishers in a default population."""


@dataclass(frozen=True)
class Publishers:
    """Sites and apps; arrays of shape `(publishers,)`.

    Attributes:
        name: domain of a site or bundle of an app.
        is_app: whether it is an app.
        category: index into `CATEGORIES`.
        popularity: relative traffic.
    """

    name: tuple[str, ...]
    is_app: Bools
    category: Ints
    popularity: Floats


@dataclass(frozen=True)
class Slots:
    """Ad slots; arrays of shape `(slots,)`.

    Attributes:
        publisher: index into `Publishers`.
        form: `DESKTOP`, `MOBILE_WEB` or `APP`.
        size: index into `SIZES`.
        position: index into `POSITIONS`.
        floor_micros: floor price of an impression.
    """

    publisher: Ints
    form: Ints
    size: Ints
    position: Ints
    floor_micros: Ints


@dataclass(frozen=True)
class Users:
    """People and their devices; arrays of shape `(users,)`, segments `(users, len(SEGMENTS))`.

    Attributes:
        country: index into `COUNTRIES`.
        region: index into the country's `REGIONS`.
        device: index into `DEVICE_TYPES`.
        system: index into `SYSTEMS`.
        segments: membership in each segment.
        activity: relative number of impressions.
    """

    country: Ints
    region: Ints
    device: Ints
    system: Ints
    segments: Bools
    activity: Floats


@dataclass(frozen=True)
class Population:
    """All publishers, slots and users of a market."""

    publishers: Publishers
    slots: Slots
    users: Users


def make_population(seed: int, *, publishers: int = PUBLISHERS, users: int = 5_000) -> Population:
    """Draw a population; the same seed and sizes give the same result.

    Raises:
        ValueError: fewer than two publishers per category, or no users.
    """
    if publishers < 2 * len(CATEGORIES) or users < 1:
        raise ValueError(f"a market needs {2 * len(CATEGORIES)} publishers and at least one user")
    rng = np.random.default_rng([seed, 1])
    media = _publishers(rng, publishers)
    return Population(media, _slots(rng, media), _users(rng, users))


def publisher_name(index: int) -> str:
    """Return a publisher's domain or bundle: the same in every population, so that targeting can name it."""
    kind = CATEGORIES[index % len(CATEGORIES)][0]
    return f"com.example.{kind}{index:03d}" if _is_app(index) else f"{kind}-{index:03d}.example"


def user_name(index: int) -> str:
    """Return a user's id as an exchange would send it."""
    return f"u-{index:06x}"


def _is_app(index: int) -> bool:
    return index // len(CATEGORIES) % 2 == 1  # alternate rounds of the categories, so that both kinds have all of them


def _publishers(rng: np.random.Generator, count: int) -> Publishers:
    index = np.arange(count)
    return Publishers(
        name=tuple(publisher_name(i) for i in range(count)),
        is_app=np.array([_is_app(i) for i in range(count)]),
        category=index % len(CATEGORIES),
        popularity=rng.permutation(1.0 / (index + 5.0)),  # Zipf-like: few publishers have most of the traffic
    )


def _slots(rng: np.random.Generator, media: Publishers) -> Slots:
    rows = [
        (publisher, form, size, int(rng.integers(len(POSITIONS))))
        for publisher, is_app in enumerate(media.is_app)
        for form in ((APP,) if is_app else (DESKTOP, MOBILE_WEB))
        for size in rng.permutation(_SIZES_OF[form])[: rng.integers(2, len(_SIZES_OF[form]) + 1)]
    ]
    publisher, form, size, position = np.array(rows, np.int64).T
    floors = np.round(rng.lognormal(np.log(200.0), 0.6, len(rows)) / 10.0) * 10.0
    return Slots(publisher, form, size, position, np.clip(floors, 10, 1_000).astype(np.int64))


def _users(rng: np.random.Generator, count: int) -> Users:
    country = rng.choice(len(COUNTRIES), count, p=[0.35, 0.15, 0.15, 0.1, 0.15, 0.1])
    regions = np.array([len(regions) for regions in REGIONS])
    device = rng.choice(len(DEVICE_TYPES), count, p=[0.36, 0.04, 0.5, 0.1])
    choices = np.array([_SYSTEMS_OF[kind][:1] + _SYSTEMS_OF[kind][-1:] for kind in DEVICE_TYPES])
    return Users(
        country=country,
        region=rng.integers(regions[country]),
        device=device,
        system=choices[device, (rng.random(count) < 0.4).astype(np.int64)],
        segments=rng.random((count, len(SEGMENTS))) < 0.2,
        activity=rng.lognormal(0.0, 1.0, count),
    )

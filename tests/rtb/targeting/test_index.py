"""The targeting index answers as if every campaign's targeting were evaluated for every impression."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb.campaigns.campaign import Campaign, Targeting
from rtb.campaigns.creative import Creative
from rtb.inventory.impression import Impression, Restrictions
from rtb.targeting.index import TargetingIndex
from rtb.targeting.listing import Listing
from tests.rtb.builders import make_audience, make_campaign, make_creative, make_impression
from tests.support import examples

Pair = tuple[int, str]

_SIZES = [(300, 250), (728, 90), (160, 600), (320, 50)]
_COUNTRIES = ["USA", "usa", "DEU", "FRA"]
_REGIONS = ["USA/CA", "usa/ny", "DEU/BE"]
_PUBLISHERS = ["news.example", "News.Example", "blog.example", "com.Example.App"]
_SEGMENTS = ["s1", "s2", "s3"]
_CATEGORIES = ["IAB1", "IAB1-2", "IAB2", "IAB25-3"]
_DOMAINS = ["shop.example", "Shop.Example", "rival.example"]
_EVERY_HOUR = tuple(range(168))


def _accepts(campaign: Campaign, impression: Impression) -> bool:
    """Whether a campaign may be shown: one condition after the other, as its documentation has them."""
    wanted, audience = campaign.targeting, impression.audience
    categories = {*campaign.cat, *(category.split("-")[0] for category in campaign.cat)}
    labels = [domain.lower().split(".") for domain in campaign.adomain]
    domains = {".".join(name[place:]) for name in labels for place in range(len(name))}
    blockable = {f"cat:{category}" for category in categories} | {f"adv:{domain}" for domain in domains}
    lists = [
        ([country.upper() for country in wanted.countries], audience.country),
        ([region.upper() for region in wanted.regions], audience.region),
        ({*wanted.device_types, *((4, 5) if 1 in wanted.device_types else ())}, audience.devicetype),
        (wanted.inventory, audience.inventory),
        ([publisher.lower() for publisher in wanted.publishers], audience.publisher),
        (wanted.hours, audience.hour_of_week),
    ]
    return (
        all(value in named for named, value in lists if named)
        and audience.publisher not in [publisher.lower() for publisher in wanted.exclude_publishers]
        and (not wanted.segments or bool(set(wanted.segments) & set(audience.segments)))
        and not blockable & {*audience.restrictions.blocked}
        and _shown(campaign, impression) is not None
    )


def _shown(campaign: Campaign, impression: Impression) -> Creative | None:
    of_size = (c for size in impression.sizes for c in campaign.creatives if (c.w, c.h) == size)
    return next((c for c in of_size if not impression.slot.battr & set(c.attr)), None)


def _expected(
    listings: Sequence[Listing], impression: Impression, limit: int, is_open: set[int] | None = None
) -> list[Pair]:
    def worth(listing: Listing) -> tuple[int, int]:
        goal = listing.campaign.goal
        return -(goal.max_bid_micros or goal.value_micros), listing.number

    accepting = [
        listing
        for listing in sorted(listings, key=worth)
        if _accepts(listing.campaign, impression) and (is_open is None or listing.number in is_open)
    ]
    found = []
    for listing in accepting[:limit]:
        shown = _shown(listing.campaign, impression)
        assert shown is not None
        found.append((listing.number, shown.id))
    return found


def _found(
    index: TargetingIndex, impressions: Sequence[Impression], limit: int, is_open: set[int] | None = None
) -> list[list[Pair]]:
    candidates = index.candidates(impressions, limit, None if is_open is None else index.mask(is_open))
    assert (candidates.imp[1:] >= candidates.imp[:-1]).all()
    found: list[list[Pair]] = [[] for _ in impressions]
    for imp, line, creative in zip(candidates.imp, candidates.line, candidates.creative, strict=True):
        placement = index.creatives[creative]
        assert placement.listing is index.listings[line]
        assert placement.listing.creative(placement.number) is placement.creative
        found[imp].append((int(index.numbers[line]), placement.creative.id))
    return found


def _some(values: Sequence[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(values), max_size=2).map(tuple)


_creatives = st.lists(st.tuples(st.sampled_from(_SIZES), _some([1, 2, 3])), min_size=1, max_size=3).map(
    lambda drawn: tuple(make_creative(f"c{n}", size, attr=attr) for n, (size, attr) in enumerate(drawn))
)
_targetings = st.builds(
    Targeting,
    countries=_some(_COUNTRIES),
    regions=_some(_REGIONS),
    device_types=_some([0, 1, 2]),
    inventory=_some(["site", "app", "dooh"]),
    publishers=_some(_PUBLISHERS),
    exclude_publishers=_some(_PUBLISHERS),
    hours=st.one_of(_some([0, 12, 167]), st.just(_EVERY_HOUR), st.just((12,) * 168)),
    segments=_some(_SEGMENTS),
)
_campaigns = st.builds(
    make_campaign,
    value=st.integers(1, 5),
    max_bid=st.integers(0, 5),
    cat=_some(_CATEGORIES),
    adomain=st.lists(st.sampled_from(_DOMAINS), min_size=1, max_size=2).map(tuple),
    targeting=_targetings,
    creatives=_creatives,
)
_BLOCKS = [f"cat:{cat}" for cat in _CATEGORIES] + [
    "adv:shop.example",
    "adv:rival.example",
    "adv:example",
    "adv:nobody.example",
]
_impressions = st.builds(
    make_impression,
    st.builds(
        make_audience,
        inventory=st.sampled_from(["site", "app", "dooh", ""]),
        publisher=st.sampled_from(["news.example", "blog.example", "com.example.app", "unknown.example", ""]),
        country=st.sampled_from(["USA", "DEU", "FRA", "JPN", ""]),
        region=st.sampled_from(["USA/CA", "USA/NY", "DEU/BE", "JPN/13", ""]),
        devicetype=st.integers(0, 4),
        hour_of_week=st.sampled_from([0, 12, 100, 167]),
        segments=_some([*_SEGMENTS, "s9"]),
        restrictions=_some(_BLOCKS).map(lambda keys: Restrictions(blocked=keys)),
    ),
    sizes=st.lists(st.sampled_from([*_SIZES, (1, 1)]), min_size=1, max_size=3, unique=True).map(tuple),
    battr=_some([1, 3, 9]).map(frozenset),
)


@settings(max_examples=examples(300))
@given(
    st.lists(_campaigns, max_size=6),
    st.lists(_impressions, max_size=4),
    st.integers(1, 7),
    st.none() | st.sets(st.integers(0, 20), max_size=5),
)
def test_index_agrees_with_each_targeting(
    campaigns: list[Campaign], impressions: list[Impression], limit: int, is_open: set[int] | None
) -> None:
    listings = [Listing(3 * number, campaign) for number, campaign in enumerate(campaigns)]
    index = TargetingIndex(listings)
    assert _found(index, impressions, limit, is_open) == [
        _expected(listings, impression, limit, is_open) for impression in impressions
    ]


@given(st.lists(_campaigns, max_size=6), _impressions, st.none() | st.sets(st.integers(0, 20), max_size=5))
def test_candidates_are_those_that_pass_each_test_that_is_told(
    campaigns: list[Campaign], impression: Impression, is_open: set[int] | None
) -> None:
    index = TargetingIndex([Listing(3 * number, campaign) for number, campaign in enumerate(campaigns)])
    passed = index.tests(impression, None if is_open is None else index.mask(is_open))
    everything = [all(test[line] for test in passed.values()) for line in range(len(index))]
    (found,) = _found(index, [impression], 10, is_open)
    assert [number for number, _ in found] == [
        int(index.numbers[line]) for line in range(len(index)) if everything[line]
    ]


def _crowd(count: int, pickiness: float, source: random.Random) -> list[Listing]:
    """Many campaigns, each of whose lists is named with a chance of `pickiness`."""

    def pick(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(source.sample(values, source.randint(1, 2))) if source.random() < pickiness else ()

    def campaign(number: int) -> Campaign:
        return make_campaign(
            f"c{number}",
            value=source.randint(1, 1_000),
            max_bid=source.choice([0, source.randint(1, 1_000)]),
            cat=pick(_CATEGORIES),
            adomain=(source.choice(_DOMAINS),),
            targeting=Targeting(
                countries=pick(_COUNTRIES),
                regions=pick(_REGIONS),
                device_types=pick([1, 2, 3]),
                publishers=pick(_PUBLISHERS),
                exclude_publishers=pick(_PUBLISHERS),
                hours=pick([0, 12, 167]),
                segments=pick(_SEGMENTS),
            ),
            creatives=tuple(
                make_creative(f"b{n}", size, attr=pick([1, 2, 3]))
                for n, size in enumerate(source.sample(_SIZES, source.randint(1, 3)))
            ),
        )

    return [Listing(number, campaign(number)) for number in source.sample(range(3 * count), count)]


@settings(max_examples=examples(6))
@given(st.randoms(use_true_random=True), st.lists(_impressions, min_size=3, max_size=6), st.sampled_from([1, 5, 16]))
@pytest.mark.parametrize("pickiness", [0.05, 0.5])
@pytest.mark.parametrize("count", [63, 64, 65, 255, 257, 1_400])
def test_index_of_many_campaigns_agrees_with_each_targeting(
    count: int, pickiness: float, source: random.Random, impressions: list[Impression], limit: int
) -> None:
    listings = _crowd(count, pickiness, source)
    index = TargetingIndex(listings)
    everyone = _found(index, impressions, limit)
    assert everyone == [_expected(listings, impression, limit) for impression in impressions]
    is_open = {listing.number for listing in source.sample(listings, count // 10)}
    assert _found(index, impressions, limit, is_open) == [
        _expected(listings, impression, limit, is_open) for impression in impressions
    ]


@pytest.mark.parametrize("count", [1_024, 1_025, 2_000])
def test_campaign_at_the_far_end_is_found(count: int) -> None:
    listings = [
        Listing(n, make_campaign(value=count - n, targeting=Targeting(countries=("USA",)))) for n in range(count)
    ]
    listings[-1] = Listing(count - 1, make_campaign(value=1, targeting=Targeting(countries=("DEU",))))
    index = TargetingIndex(listings)
    asked = [make_impression(make_audience(country=country)) for country in ("USA", "DEU", "FRA")]
    assert [len(found) for found in _found(index, asked, 16)] == [16, 1, 0]
    assert _found(index, asked, 16)[1] == [(count - 1, "banner")]


def test_limit_keeps_the_campaigns_that_pay_most() -> None:
    listings = [Listing(number, make_campaign(value=1 + number % 50)) for number in range(200)]
    found = _found(TargetingIndex(listings), [make_impression()], 3)
    assert found == [[(49, "banner"), (99, "banner"), (149, "banner")]]


def test_most_to_bid_counts_for_more_than_the_value() -> None:
    modest = Listing(0, make_campaign(value=1_000_000, max_bid=5))
    eager = Listing(1, make_campaign(value=1_000_000, max_bid=6))
    assert _found(TargetingIndex([modest, eager]), [make_impression()], 1) == [[(1, "banner")]]


def test_first_size_of_the_exchange_that_the_campaign_has_is_shown() -> None:
    creatives = (make_creative("wide", (728, 90)), make_creative("box"), make_creative("other box"))
    index = TargetingIndex([Listing(0, make_campaign(creatives=creatives))])
    asked = [
        make_impression(sizes=((320, 50), (300, 250), (728, 90))),
        make_impression(sizes=((728, 90), (300, 250))),
        make_impression(sizes=((320, 50),)),
    ]
    assert _found(index, asked, 5) == [[(0, "box")], [(0, "wide")], []]


@pytest.mark.parametrize(
    ("cat", "blocked", "shown"),
    [
        ("IAB1-2", "cat:IAB1", False),
        ("IAB1-2", "cat:IAB1-2", False),
        ("IAB1", "cat:IAB1-2", True),
        ("IAB1-2", "cat:IAB1-3", True),
        ("IAB11", "cat:IAB1", True),
    ],
)
def test_blocked_category_blocks_those_below_it(cat: str, blocked: str, shown: bool) -> None:
    index = TargetingIndex([Listing(0, make_campaign(cat=(cat,)))])
    assert (
        bool(_found(index, [make_impression(make_audience(restrictions=Restrictions(blocked=(blocked,))))], 1)[0])
        is shown
    )


def test_publisher_is_excluded_however_it_is_spelt() -> None:
    excluding = make_campaign(targeting=Targeting(exclude_publishers=("com.Example.App",)))
    index = TargetingIndex([Listing(0, excluding)])
    apps = [make_impression(make_audience(publisher=name)) for name in ("com.example.app", "com.other.app")]
    assert _found(index, apps, 1) == [[], [(0, "banner")]]


def test_nobody_is_a_candidate_of_an_empty_index_or_batch() -> None:
    assert len(TargetingIndex([]).candidates([make_impression()], 5)) == 0
    assert len(TargetingIndex([Listing(0, make_campaign())]).candidates([], 5)) == 0
    empty = TargetingIndex([])
    assert len(empty.candidates([make_impression()], 5, empty.mask([1]))) == 0


def test_mask_of_numbers_that_are_not_listed_opens_nobody() -> None:
    index = TargetingIndex([Listing(5, make_campaign())])
    assert _found(index, [make_impression()], 5, {4, 6}) == [[]]
    assert _found(index, [make_impression()], 5, set()) == [[]]
    assert _found(index, [make_impression()], 5, {4, 5}) == [[(5, "banner")]]


@pytest.mark.parametrize(
    ("targeting", "audience"),
    [
        (Targeting(countries=("US",)), {"country": "USA"}),
        (Targeting(countries=("us",)), {"country": "USA"}),
        (Targeting(regions=("US/CA",)), {"region": "USA/CA"}),
        (Targeting(regions=("US-CA",)), {"region": "USA/CA"}),
        (Targeting(publishers=("https://www.News.example:8080/",)), {"publisher": "news.example"}),
        (Targeting(device_types=(1,)), {"devicetype": 1}),
        (Targeting(device_types=(1,)), {"devicetype": 4}),
        (Targeting(device_types=(1,)), {"devicetype": 5}),
        (Targeting(countries=("XX",)), {"country": "XX"}),  # of a campaign that was never checked
    ],
)
def test_a_campaign_is_found_in_any_spelling(targeting: Targeting, audience: dict[str, Any]) -> None:
    index = TargetingIndex([Listing(1, make_campaign("c", targeting=targeting))])
    assert len(index.candidates([make_impression(make_audience(**audience))], 1)) == 1


@pytest.mark.parametrize(
    ("targeting", "audience"),
    [
        (Targeting(countries=("UM",)), {"country": "USA"}),
        (Targeting(regions=("CA/ON",)), {"region": "USA/ON"}),
        (Targeting(exclude_publishers=("www.news.example",)), {"publisher": "news.example"}),
        (Targeting(device_types=(4,)), {"devicetype": 5}),
        (Targeting(device_types=(4,)), {"devicetype": 1}),
        (Targeting(device_types=(1,)), {"devicetype": 2}),
    ],
)
def test_no_other_is(targeting: Targeting, audience: dict[str, Any]) -> None:
    index = TargetingIndex([Listing(1, make_campaign("c", targeting=targeting))])
    assert len(index.candidates([make_impression(make_audience(**audience))], 1)) == 0

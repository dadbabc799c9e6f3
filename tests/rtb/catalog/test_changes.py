"""Changes of campaigns: none is lost, each is told, and what did not happen leaves no trace."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from rtb.campaigns.campaign import Campaign, CampaignError, Targeting, patch_campaign
from rtb.catalog import CampaignChanged, CampaignExists, CampaignUnknown, Catalog, tables
from tests.rtb.builders import make_campaign
from tests.support import examples

_THREADS = 8


def test_a_change_makes_the_next_version(catalog: Catalog):
    added = catalog.add(make_campaign("spring"), "anna")
    changed = catalog.change("spring", 1, {"name": "Spring sale", "budget": {"daily_micros": 5}}, "ben")
    assert (added.version, changed.version) == (1, 2)
    assert (changed.campaign.name, changed.campaign.budget.daily_micros) == ("Spring sale", 5)
    assert changed.campaign.budget.total_micros == added.campaign.budget.total_micros
    assert changed.number == added.number
    assert changed.created == pytest.approx(added.created, abs=1e-3)
    assert catalog.get("spring") == changed


def test_a_whole_campaign_can_be_put_in_its_place(catalog: Catalog):
    catalog.add(make_campaign("spring", cat=("IAB1",), value=1))
    whole = make_campaign("spring", value=2)
    assert catalog.change("spring", 1, whole, "anna").campaign == whole
    with pytest.raises(CampaignError, match=r"\$\.id"):
        catalog.change("spring", 2, make_campaign("summer"), "anna")


def test_a_stale_version_changes_nothing_and_says_which_is_current(catalog: Catalog):
    catalog.add(make_campaign("spring"))
    catalog.change("spring", 1, {"name": "first"}, "anna")
    before = (catalog.revision(), catalog.history("spring"))
    for stale in (0, 1, 3, 10**30):
        with pytest.raises(CampaignChanged, match="at version 2, not") as caught:
            catalog.change("spring", stale, {"name": "second"}, "ben")
        assert caught.value.version == 2
    assert catalog.all()[0].campaign.name == "first"
    assert (catalog.revision(), catalog.history("spring")) == before


@pytest.mark.parametrize("unknown", ["summer", "", "Spring", "spring\0", "\U0001f4b6"])
def test_a_campaign_that_is_not_there_cannot_be_changed_or_read_about(catalog: Catalog, unknown: str):
    catalog.add(make_campaign("spring"))
    assert catalog.get(unknown) is None
    for call in (lambda: catalog.change(unknown, 1, {}, "anna"), lambda: catalog.history(unknown)):
        with pytest.raises(CampaignUnknown):
            call()


def test_an_invalid_change_changes_nothing(catalog: Catalog):
    added = catalog.add(make_campaign("spring"))
    with pytest.raises(CampaignError, match=r"\$\.goal\.value_micros"):
        catalog.change("spring", 1, {"goal": {"value_micros": 0}}, "anna")
    assert catalog.all()[0].campaign == added.campaign
    assert (catalog.revision(), len(catalog.history("spring"))) == (1, 1)


def test_what_changes_nothing_is_no_change(catalog: Catalog):
    catalog.add(make_campaign("spring"))
    catalog.pause("spring", "anna")
    assert catalog.pause("spring", "anna").version == 2
    assert catalog.change("spring", 2, {}, "anna").version == 2
    assert (catalog.revision(), len(catalog.history("spring"))) == (2, 2)


def test_the_history_tells_who_did_what_when(catalog: Catalog):
    before = time.time()
    campaign = make_campaign("spring", budget=100)
    catalog.add(campaign, "anna")
    catalog.add(make_campaign("summer"), "anna")
    catalog.pause("spring", "ben")
    catalog.resume("spring", "ben", 2)
    catalog.top_up("spring", 50, "key:0123", 3)
    catalog.change("spring", 4, {"name": "Spring"}, "anna")
    lines = catalog.history("spring")
    assert [(line.actor, line.action, line.version) for line in lines] == [
        ("anna", "create", 1),
        ("ben", "pause", 2),
        ("ben", "resume", 3),
        ("key:0123", "top_up", 4),
        ("anna", "change", 5),
    ]
    assert lines[0].before is None
    assert lines[0].after == msgspec.json.decode(msgspec.json.encode(campaign))
    assert [line.before for line in lines[1:]] == [line.after for line in lines[:-1]]
    assert lines[3].after["budget"]["total_micros"] == 150
    assert before - 1e-3 <= lines[0].at <= lines[-1].at <= time.time()
    assert [line.version for line in catalog.history("spring", limit=2)] == [4, 5]


def test_a_top_up_beyond_what_a_budget_can_be_is_refused(catalog: Catalog):
    catalog.add(make_campaign("spring", budget=2**53))
    with pytest.raises(CampaignError, match=r"\$\.budget\.total_micros"):
        catalog.top_up("spring", 1, "anna")


def test_editors_who_read_change_and_retry_lose_no_change(catalog: Catalog):
    catalog.add(make_campaign("spring", cat=()))

    def add_category(number: int) -> int:
        stale = 0
        while True:
            entry = catalog.get("spring")
            assert entry is not None
            patch = {"cat": [*entry.campaign.cat, f"IAB{number}"]}
            try:
                catalog.change("spring", entry.version, patch, f"editor {number}")
                return stale
            except CampaignChanged as error:
                assert error.version > entry.version
                stale += 1

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(add_category, range(_THREADS * 3)))
    entry = catalog.get("spring")
    assert entry is not None
    assert sorted(entry.campaign.cat) == sorted(f"IAB{number}" for number in range(_THREADS * 3))
    assert entry.version == catalog.revision() == _THREADS * 3 + 1
    versions = [line.version for line in catalog.history("spring")]
    assert versions == list(range(1, entry.version + 1))


def test_of_editors_of_one_version_only_one_gets_through(catalog: Catalog):
    catalog.add(make_campaign("spring"))

    def rename(number: int) -> bool:
        try:
            catalog.change("spring", 1, {"name": f"name {number}"}, "anna")
        except CampaignChanged:
            return False
        return True

    with ThreadPoolExecutor(_THREADS) as pool:
        assert sum(pool.map(rename, range(_THREADS))) == 1


def test_top_ups_at_once_all_count(catalog: Catalog, url: str):
    catalog.add(make_campaign("spring", budget=1))
    other = Catalog(url)  # as another process would
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda n: (catalog, other)[n % 2].top_up("spring", 10, "anna"), range(_THREADS * 2)))
    other.close()
    assert catalog.all()[0].campaign.budget.total_micros == 1 + 10 * _THREADS * 2


def test_whoever_reads_the_revision_first_misses_nothing(catalog: Catalog):
    """As the Controller does it, while others create and change."""
    catalog.add(make_campaign("c0"))
    seen: dict[int, int] = {}

    def work(number: int) -> None:
        catalog.add(make_campaign(f"c{number}"))
        catalog.top_up("c0", 1, "anna")

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(work, number) for number in range(1, 13)]
        while not all(task.done() for task in running):
            seen[catalog.revision()] = len(catalog.all())
    for task in running:
        task.result()
    assert catalog.revision() == 25
    assert len(catalog.all()) == 13
    assert list(seen) == sorted(seen)


def test_an_id_that_is_taken_leaves_no_trace(catalog: Catalog):
    catalog.add(make_campaign("spring"))
    with pytest.raises(CampaignExists):
        catalog.add(make_campaign("spring"))
    assert (catalog.revision(), len(catalog.history("spring"))) == (1, 1)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_fields = st.sampled_from([*Campaign.__struct_fields__, "total_micros", "starts_at", "surprise"])


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_fields, _json | st.dictionaries(_fields, _json, max_size=3), max_size=4) | _json)
def test_any_patch_gives_a_valid_campaign_or_is_refused(patch: Any):
    campaign = make_campaign("spring")
    try:
        changed = patch_campaign(campaign, patch)
    except CampaignError:
        return
    assert changed.id == "spring"
    assert patch_campaign(changed, patch) == changed


def test_unknown_countries_are_refused_and_known_ones_taken_in_any_code(catalog: Catalog):
    with pytest.raises(CampaignError, match="'ZZ' is no country"):
        catalog.add(make_campaign("spring", targeting=Targeting(countries=("US", "ZZ"))))
    with pytest.raises(CampaignError, match="'CA' is no `country/region`"):
        catalog.add(make_campaign("spring", targeting=Targeting(regions=("CA",))))
    added = catalog.add(make_campaign("spring", targeting=Targeting(countries=("US", "deu"), regions=("us/ca",))))
    assert added.campaign.targeting.countries == ("US", "deu")  # as its owner wrote them
    with pytest.raises(CampaignError, match=r"\$\.targeting\.countries"):
        catalog.change("spring", 1, {"targeting": {"countries": ["United States"]}}, "anna")
    assert catalog.all()[0].version == 1


def test_a_campaign_that_had_an_unknown_country_is_still_read_and_changed(catalog: Catalog):
    """Former versions took any text."""
    catalog.add(make_campaign("spring"))
    old = make_campaign("spring", targeting=Targeting(countries=("Germany",)))
    with catalog._database.writing() as connection:
        body = msgspec.json.encode(old).decode()
        connection.execute(update(tables.campaigns).values(body=body))
    assert catalog.all()[0].campaign == old
    assert catalog.change("spring", 1, {"name": "Spring sale"}, "anna").campaign.name == "Spring sale"
    more = {"targeting": {"countries": ["Germany", "FRA"]}}
    assert catalog.change("spring", 2, more, "anna").campaign.targeting.countries == ("Germany", "FRA")
    with pytest.raises(CampaignError, match="Allemagne"):
        catalog.change("spring", 3, {"targeting": {"countries": ["Germany", "Allemagne"]}}, "anna")


def test_a_campaign_is_kept_in_its_currency_and_loaded_in_the_platforms(catalog: Catalog):
    added = catalog.add(make_campaign("spring", currency="EUR", budget=900), rate_of={"EUR": 0.5}.get)
    assert (added.campaign.exchange_rate, added.campaign.budget.total_micros) == (0.5, 900)
    assert catalog.get("spring") == added
    assert [entry.campaign.budget.total_micros for entry in catalog.all()] == [1_800]
    raised = catalog.top_up("spring", 100, "anna")
    assert (raised.campaign.budget.total_micros, catalog.all()[0].campaign.budget.total_micros) == (1_000, 2_000)


@pytest.mark.parametrize(
    ("patch", "currency", "rate"),
    [
        ({"name": "Spring sale"}, "EUR", 0.5),
        ({"exchange_rate": None}, "EUR", 0.8),
        ({"exchange_rate": 0.6}, "EUR", 0.6),
        ({"currency": "EUR"}, "EUR", 0.5),
        ({"currency": "JPY"}, "JPY", 150.0),
        ({"currency": "JPY", "exchange_rate": 0.5}, "JPY", 0.5),
        ({"currency": None}, "", None),
        ({"currency": ""}, "", None),
    ],
)
def test_a_rate_stays_until_it_or_the_currency_is_changed(
    catalog: Catalog, patch: dict[str, Any], currency: str, rate: float | None
):
    catalog.add(make_campaign("spring", currency="EUR", exchange_rate=0.5))
    changed = catalog.change("spring", 1, patch, "anna", rate_of={"EUR": 0.8, "JPY": 150.0}.get).campaign
    assert (changed.currency, changed.exchange_rate) == (currency, rate)


def test_a_currency_without_a_rate_is_refused(catalog: Catalog):
    with pytest.raises(CampaignError, match="no rate for EUR"):
        catalog.add(make_campaign("spring", currency="EUR"))
    with pytest.raises(CampaignError, match="no rate for EUR"):
        catalog.add_all([make_campaign("spring", currency="EUR")])
    catalog.add(make_campaign("spring"))
    for patch in ({"currency": "EUR"}, {"exchange_rate": 0.5}):
        with pytest.raises(CampaignError, match="rate"):
            catalog.change("spring", 1, patch, "anna")
    assert catalog.all()[0].version == 1

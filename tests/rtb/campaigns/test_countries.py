"""A country is one, in whichever of its codes it comes."""

from __future__ import annotations

import pytest
from iso3166 import countries_by_alpha3

from rtb.campaigns.campaign import CampaignError, Targeting, check_places
from rtb.campaigns.countries import country_code, region_code, region_named


@pytest.mark.parametrize("name", ["USA", "usa", "US", "us", "Us", " us ", "840"])
def test_a_country_has_one_code(name: str) -> None:
    assert country_code(name) == "USA"


@pytest.mark.parametrize(
    ("name", "code"),
    [("GB", "GBR"), ("UK", "GBR"), ("EL", "GRC"), ("XK", "XKX"), ("036", "AUS"), ("36", "AUS"), ("DE", "DEU")],
)
def test_codes_that_are_reserved_and_those_that_lost_their_zeros_are_known(name: str, code: str) -> None:
    assert country_code(name) == code


@pytest.mark.parametrize(
    ("name", "code"), [("ROM", "ROU"), ("zr", "COD"), ("TP", "TLS"), ("DDR", "DEU"), ("BU", "MMR"), ("FX", "FRA")]
)
def test_withdrawn_codes_are_those_of_the_country_that_came_after(name: str, code: str) -> None:
    assert country_code(name) == code


@pytest.mark.parametrize("name", ["YU", "YUG", "SU", "CS", "SCG", "AN", "ANT"])
def test_the_code_of_a_country_that_became_several_is_none(name: str) -> None:
    assert country_code(name) == ""


@pytest.mark.parametrize("name", ["", " ", "XX", "ZZZ", "USAA", "U", "United States", "1", "999", "EU", "\0"])
def test_what_is_no_country_is_none(name: str) -> None:
    assert country_code(name) == ""


def test_all_countries_are_known_by_all_their_codes() -> None:
    assert len(countries_by_alpha3) > 240
    for alpha3, country in countries_by_alpha3.items():
        assert {country_code(code) for code in (alpha3, country.alpha2, country.numeric)} == {alpha3}


@pytest.mark.parametrize("region", ["CA", "ca", "US-CA", "us-ca", "USA-CA", " CA "])
def test_a_region_has_one_code(region: str) -> None:
    assert region_code("USA", region) == "USA/CA"


def test_a_region_may_have_a_hyphen_of_its_own() -> None:
    assert region_code("USA", "A-B") == "USA/A-B"
    assert region_code("GBR", "GB-ENG") == "GBR/ENG"
    assert region_code("USA", "CA-ON") == "USA/CA-ON"


@pytest.mark.parametrize("name", ["USA/CA", "US/CA", "us/ca", "US-CA", "USA/US-CA", "840/CA"])
def test_a_campaigns_region_has_one_code(name: str) -> None:
    assert region_named(name) == "USA/CA"


@pytest.mark.parametrize("name", ["", "CA", "USA", "USA/", "ZZ/CA", "/CA", "California"])
def test_what_is_no_region_is_none(name: str) -> None:
    assert region_named(name) == ""


@pytest.mark.parametrize(
    ("targeting", "field"),
    [
        (Targeting(countries=("USA", "ZZ")), "countries"),
        (Targeting(countries=("",)), "countries"),
        (Targeting(countries=("United States",)), "countries"),
        (Targeting(regions=("CA",)), "regions"),
        (Targeting(regions=("ZZZ/CA",)), "regions"),
    ],
)
def test_an_unknown_code_is_refused_unless_it_was_there_before(targeting: Targeting, field: str) -> None:
    with pytest.raises(CampaignError, match=f"targeting.{field}"):
        check_places(targeting)
    check_places(targeting, targeting)


def test_known_codes_are_taken_in_any_form() -> None:
    check_places(Targeting(countries=("us", "DEU", "UK", "076"), regions=("us/ca", "DE-BY")))

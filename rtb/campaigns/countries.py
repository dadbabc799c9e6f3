"""Countries and their regions, in the codes of ISO 3166: `US`, `USA` and `840` are one country, here `USA`."""

from __future__ import annotations

from collections.abc import Mapping

from iso3166 import countries_by_alpha3

_ALIASES = {"UK": "GBR", "EL": "GRC"}
"""Codes that ISO reserves beside the official ones, as for the European Union."""

_FORMER = {
    **dict.fromkeys(("BU", "BUR"), "MMR"),
    **dict.fromkeys(("DD", "DDR"), "DEU"),
    **dict.fromkeys(("DY", "DHY"), "BEN"),
    **dict.fromkeys(("FX", "FXX"), "FRA"),
    **dict.fromkeys(("HV", "HVO"), "BFA"),
    **dict.fromkeys(("NH", "NHB"), "VUT"),
    **dict.fromkeys(("RH", "RHO"), "ZWE"),
    **dict.fromkeys(("TP", "TMP"), "TLS"),
    **dict.fromkeys(("VD", "VDR"), "VNM"),
    **dict.fromkeys(("YD", "YMD"), "YEM"),
    **dict.fromkeys(("ZR", "ZAR"), "COD"),
    "ROM": "ROU",
}
"""Withdrawn codes (ISO 3166-3) that databases still have, by the one country that each became; the code of a country
that became several, such as `YU` and `AN`, is none."""

_NUMERIC_DIGITS = 3


def _all_codes() -> Mapping[str, str]:
    """Return the alpha-3 codes by all codes, in upper and lower case."""
    found = {**_FORMER, **_ALIASES}
    for alpha3, country in countries_by_alpha3.items():
        found |= dict.fromkeys((country.alpha2, alpha3, country.numeric), alpha3)
    return found | {code.lower(): alpha3 for code, alpha3 in found.items()}


_CODES = _all_codes()


def country_code(name: str) -> str:
    """Return the alpha-3 code of a country, by any of its codes in any case; empty for an unknown one."""
    found = _CODES.get(name)
    if found is not None:
        return found
    code = name.strip().upper()
    return _CODES.get(code.zfill(_NUMERIC_DIGITS) if code.isdecimal() else code, "")


def region_code(country: str, region: str) -> str:
    """Return `country/region` in upper case: `USA/CA` also for `US-CA`, a region's whole code in ISO 3166-2.

    Args:
        country: alpha-3 code, or a name that is none.
        region: code of the region.
    """
    code = region.strip().upper()
    if "-" in code:
        prefix, _, rest = code.partition("-")
        code = rest if rest and country and country_code(prefix) == country else code
    return f"{country}/{code}"


def region_named(name: str) -> str:
    """Return `country/region` of a campaign's region, `US/CA` or `US-CA`; empty where its country is unknown."""
    country, mark, region = name.partition("/")
    if not mark:
        country, mark, region = name.partition("-")
    code = country_code(country)
    return region_code(code, region) if code and region.strip() else ""

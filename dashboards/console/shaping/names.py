"""Names of a feature's buckets.

Events keep the row of buckets that the model saw, not the values. Buckets of known values are computed here and looked
up; an unknown value may share one of the 65,535 buckets with them, which is rare, and a bucket that is not listed is
`other`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from rtb.models.features import bucket

OTHER = "other"

_DEVICES = {
    0: "unknown",
    1: "mobile or tablet",
    2: "PC",
    3: "TV",
    4: "phone",
    5: "tablet",
    6: "connected device",
    7: "set-top box",
    8: "out of home",
}
"""OpenRTB device types (AdCOM list 5.21)."""

_COUNTRIES = """
    ABW AFG AGO AIA ALA ALB AND ARE ARG ARM ASM ATA ATF ATG AUS AUT AZE BDI BEL BEN BES BFA BGD BGR BHR BHS BIH
    BLM BLR BLZ BMU BOL BRA BRB BRN BTN BVT BWA CAF CAN CCK CHE CHL CHN CIV CMR COD COG COK COL COM CPV CRI CUB
    CUW CXR CYM CYP CZE DEU DJI DMA DNK DOM DZA ECU EGY ERI ESH ESP EST ETH FIN FJI FLK FRA FRO FSM GAB GBR GEO
    GGY GHA GIB GIN GLP GMB GNB GNQ GRC GRD GRL GTM GUF GUM GUY HKG HMD HND HRV HTI HUN IDN IMN IND IOT IRL IRN
    IRQ ISL ISR ITA JAM JEY JOR JPN KAZ KEN KGZ KHM KIR KNA KOR KWT LAO LBN LBR LBY LCA LIE LKA LSO LTU LUX LVA
    MAC MAF MAR MCO MDA MDG MDV MEX MHL MKD MLI MLT MMR MNE MNG MNP MOZ MRT MSR MTQ MUS MWI MYS MYT NAM NCL NER
    NFK NGA NIC NIU NLD NOR NPL NRU NZL OMN PAK PAN PCN PER PHL PLW PNG POL PRI PRK PRT PRY PSE PYF QAT REU ROU
    RUS RWA SAU SDN SEN SGP SGS SHN SJM SLB SLE SLV SMR SOM SPM SRB SSD STP SUR SVK SVN SWE SWZ SXM SYC SYR TCA
    TCD TGO THA TJK TKL TKM TLS TON TTO TUN TUR TUV TWN TZA UGA UKR UMI URY USA UZB VAT VCT VEN VGB VIR VNM VUT
    WLF WSM YEM ZAF ZMB ZWE
""".split()  # noqa: SIM905
"""ISO 3166-1 alpha-3."""

_KNOWN: dict[str, dict[str, str]] = {
    "devicetype": {str(number): name for number, name in _DEVICES.items()},
    "country": {"": "unknown", **{code: code for code in _COUNTRIES}},
    "format": {kind: kind for kind in ("banner", "video", "audio", "native")},
    "inventory": {"site": "site", "app": "app", "dooh": "out of home"},
    "hour": {str(hour): f"{hour:02d}" for hour in range(24)},
}

FIELDS = tuple(_KNOWN)


@cache
def names_of(field: str) -> Mapping[int, str]:
    """Return names by bucket."""
    return {bucket(field, value): name for value, name in _KNOWN[field].items()}

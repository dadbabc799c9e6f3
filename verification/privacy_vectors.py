"""Consent strings of the reference libraries, decoded by ours and compared field by field.

How to run:

    python -m verification.privacy_vectors --vectors ../shared/data/privacy

What to expect: `gpp.jsonl` and `tcf.jsonl` of the folder are read, each line a string with what it says; differences
are described on standard error, and the last line is one JSON object. Exit code 1 if anything differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from raybid.refusing import refuse
from rtb.privacy.bits import UnreadableConsent
from rtb.privacy.gpp import split_gpp
from rtb.privacy.tcf import TcfConsent, decode_tcf
from rtb.privacy.us_sections import US_SECTIONS, decode_us_section
from rtb.runtime.terminal import plain

Json = dict[str, Any]


def main(
    vectors: Annotated[Path, typer.Option(help="Folder with gpp.jsonl and tcf.jsonl")],
) -> None:
    """Decode and compare."""
    console = Console(stderr=True, highlight=False)
    try:
        gpp, tcf = _read(vectors / "gpp.jsonl"), _read(vectors / "tcf.jsonl")
    except (OSError, msgspec.DecodeError) as error:
        refuse("privacy_vectors", error)
    found = [*_differences(gpp, "gpp", read_gpp), *_differences(tcf, "tcf", read_tcf)]
    for difference in found:
        console.print(plain(difference), soft_wrap=True)
    typer.echo(msgspec.json.encode({"gpp": len(gpp), "tcf": len(tcf), "different": len(found)}).decode())
    if found:
        raise typer.Exit(1)


def read_gpp(text: str) -> Json:
    """Return what a GPP string says, as the vectors have it."""
    sections = split_gpp(text)
    return {
        "gpp": text,
        "gpp_sid": [*sections],
        "sections": {US_SECTIONS[id].name: decode_us_section(US_SECTIONS[id], part) for id, part in sections.items()},
    }


def read_tcf(text: str) -> Json:
    """Return what a TCF string says, as the vectors have it."""
    return {"tc": text} | told(decode_tcf(text))


def told(consent: TcfConsent) -> Json:
    """Return what a consent says."""
    vendors = consent.vendors()
    return {
        "version": consent.version,
        "policy": consent.policy,
        "created_ms": consent.created_ms,
        "cmp": consent.cmp,
        "purpose_consents": [*consent.consents.ids()],
        "purpose_li": [*consent.interests.ids()],
        "special_features": [*consent.special_features.ids()],
        "vendor_consents": [*vendors.consents.ids()],
        "vendor_li": [*vendors.interests.ids()],
        "restrictions": [
            {"purpose": one.purpose, "type": one.type, "vendors": [*one.vendors.ids()]} for one in vendors.restrictions
        ],
        "purpose_one_treatment": consent.is_purpose_one_treated,
        "service_specific": consent.is_service_specific,
    }


def _read(path: Path) -> list[Json]:
    return [msgspec.json.decode(line, type=Json) for line in path.read_bytes().splitlines() if line.strip()]


def _differences(vectors: list[Json], name: str, read: Callable[[str], Json]) -> Iterator[str]:
    """Yield in words how each string that is read otherwise differs."""
    for number, vector in enumerate(vectors, start=1):
        text = vector["gpp" if name == "gpp" else "tc"]
        try:
            ours = read(text)
        except (UnreadableConsent, KeyError) as error:
            yield f"{name} {number}: not read: {error!r}: {text[:80]}"
            continue
        fields = [field for field in vector if ours.get(field) != vector[field]]
        if fields:
            what = ", ".join(f"{field} is {ours.get(field)}, and not {vector[field]}" for field in fields)
            yield f"{name} {number}: {what[:500]}"


if __name__ == "__main__":
    typer.run(main)

"""Profiles from files, shipped and of a folder: an invalid one keeps no other from bidding."""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec
import yaml

from rtb.exchanges.profile import ExchangeError, Profile
from rtb.exchanges.registry import Exchanges, LeftOut
from rtb.runtime.quarantine import RECORD_ERRORS, Fault

_NAME = re.compile(r"^name:[ \t]*[\"']?([a-z0-9][a-z0-9_-]{0,31})\b", re.M)
_KEY_ID = re.compile(r"\b[0-9a-f]{12}\b")
_MOST_BYTES = 1 << 20


def load(folder: Path | None = None, price_keys: Collection[str] | None = None) -> Exchanges:
    """Return the shipped profiles and those of a folder, without invalid ones.

    Args:
        folder: folder of further profiles; one with the name of a shipped profile replaces it.
        price_keys: names of the configured price keys; none: profiles may name any.

    Raises:
        ExchangeError: the folder does not exist, or a shipped profile is invalid.
    """
    shipped = {profile.name: profile for profile in map(_profile, _texts(resources.files("rtb.exchanges")).values())}
    if folder is None:
        return Exchanges(shipped.values())
    if not folder.is_dir():
        raise ExchangeError(f"RAYBID_EXCHANGES_DIR is not a folder: {folder}")
    own: dict[str, Profile] = {}
    left_out: list[LeftOut] = []
    for file, text in _texts(folder).items():
        try:
            profile = _profile(text)
            if profile.name in own:
                raise ExchangeError(f"name {profile.name} belongs to two exchanges")
            if profile.price_keys and price_keys is not None and profile.price_keys not in price_keys:
                raise ExchangeError(f"RAYBID_PRICE_KEYS has no keys named {profile.price_keys}")
            Exchanges((shipped | own | {profile.name: profile}).values())
        except (*RECORD_ERRORS, yaml.YAMLError) as error:
            left_out.append(_left_out(file, text, error))
        else:
            own[profile.name] = profile
    kept = shipped | own
    for one in left_out:  # the shipped profile of this name has other rules
        if one.name not in own:
            kept.pop(one.name, None)
    return Exchanges(kept.values(), left_out)


def _texts(folder: Traversable) -> dict[str, bytes]:
    """Return the readable profile files by name."""
    found: dict[str, bytes] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith((".yaml", ".yml")):
            try:
                with file.open("rb") as source:
                    found[file.name] = source.read(_MOST_BYTES)
            except OSError:
                found[file.name] = b""
    return found


def _profile(text: bytes) -> Profile:
    raw: Any = yaml.safe_load(text.decode())
    return msgspec.convert(raw, Profile)


def _left_out(file: str, text: bytes, error: Exception) -> LeftOut:
    """Return the exchange left out with an invalid file: whatever looks like its name and the ids of its keys."""
    read = text.decode("utf-8", "replace")
    named = _NAME.search(read)
    name = named[1] if named else Path(file).stem
    return LeftOut(Fault.of("exchange", file, error), name, frozenset(_KEY_ID.findall(read)))

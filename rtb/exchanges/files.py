"""Profiles from files, those shipped and those of a folder: one that cannot be used keeps no other from bidding."""

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
    """Return the profiles shipped and those in a folder, without those that cannot be used.

    Args:
        folder: of more; a profile with the name of a shipped one replaces it.
        price_keys: names of the keys there are for prices; none: whatever profiles name.

    Raises:
        ExchangeError: the folder is none, or a shipped profile cannot be used.
    """
    shipped = {profile.name: profile for profile in map(_profile, _texts(resources.files("rtb.exchanges")).values())}
    if folder is None:
        return Exchanges(shipped.values())
    if not folder.is_dir():
        raise ExchangeError(f"RAYBID_EXCHANGES_DIR is no folder: {folder}")
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
    for one in left_out:  # what is shipped under its name says something else
        if one.name not in own:
            kept.pop(one.name, None)
    return Exchanges(kept.values(), left_out)


def _texts(folder: Traversable) -> dict[str, bytes]:
    """Return the files of profiles by their names, as far as they can be read."""
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
    """Return what is left out with a file: whatever looks like its name, and like ids of its keys."""
    read = text.decode("utf-8", "replace")
    named = _NAME.search(read)
    name = named[1] if named else Path(file).stem
    return LeftOut(Fault.of("exchange", file, error), name, frozenset(_KEY_ID.findall(read)))

"""Exchange profiles as data: one YAML file each, so that adding an exchange needs no code.

Shipped profiles lie beside this module; the folder `RAYBID_EXCHANGES_DIR` adds to them, and a file there with the name
of a shipped profile replaces it. `docs/exchanges.md` describes every field.
"""

from rtb.exchanges.files import load
from rtb.exchanges.profile import GENERIC, SHARED_ENDPOINT, ExchangeError, Profile, Quirks, UserSync, key_id, number_of
from rtb.exchanges.registry import Address, Exchanges, Network

__all__ = [
    "GENERIC",
    "SHARED_ENDPOINT",
    "Address",
    "ExchangeError",
    "Exchanges",
    "Network",
    "Profile",
    "Quirks",
    "UserSync",
    "key_id",
    "load",
    "number_of",
]

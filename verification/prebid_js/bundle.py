"""Prebid.js as a publisher downloads it: the core and the modules that a page needs, in one file."""

from __future__ import annotations

from pathlib import Path

import msgspec

_CORE = "prebid-core.js"
_MODULES = ("prebidServerBidAdapter.js", "nativeRendering.js")


def bundle(packages: Path) -> bytes:
    """Return the script, concatenated as its own build does.

    Args:
        packages: the folder `node_modules`.
    """
    chunks = packages / "prebid.js" / "dist" / "chunks"
    needed = msgspec.json.decode((chunks / "dependencies.json").read_bytes(), type=dict[str, list[str]])
    shared = (name for file in (_CORE, *_MODULES) for name in needed.get(file, ()))
    names = dict.fromkeys([_CORE, *shared, *_MODULES])
    return b"\n".join([*((chunks / name).read_bytes() for name in names), b"pbjs.processQueue();"])

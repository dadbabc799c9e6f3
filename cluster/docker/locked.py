"""The part of the lock that goes into an image: the dependencies of serving, without those of development.

    python3 locked.py wanted --extras console    # the lock's lines for serving and this extra, with their hashes
    pip freeze | python3 locked.py check         # fail if something is installed that no lock pins

It runs while the image is built, before anything is installed: it uses only the standard library.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

LOCKS = ("requirements.lock", "requirements-torch.lock")
_OF_TORCH = re.compile(r"triton|(?:nvidia|cuda)-.+")
"""Dependencies of torch's usual builds, in versions that torch itself pins."""


def sections(lock: Path) -> dict[str, list[str]]:
    """Return the lines under each `# for: NAME` of the lock."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lock.read_text().splitlines():
        if line.startswith("# for: "):
            current = found.setdefault(line.removeprefix("# for: "), [])
        elif not line.startswith("#"):
            current.append(line)
    return found


def wanted(lock: Path, extras: Iterable[str]) -> list[str]:
    """Return the lock's lines for serving and for some extras.

    Raises:
        ValueError: there is no such extra.
    """
    found = sections(lock)
    names = ["serving", *filter(None, extras)]
    for name in names:
        if name not in found:
            raise ValueError(f"{lock} has no section {name!r}: there are {', '.join(found)}")
    return [line for name in names for line in found[name]]


def strays(installed: Iterable[str], locks: Iterable[Path]) -> list[str]:
    """Return the lines of `pip freeze` that no lock has; `2.13.0+cpu` counts as `2.13.0`."""
    pinned = {_pin(line) for lock in locks for line in lock.read_text().splitlines() if "==" in line}
    return [line for line in map(str.strip, installed) if line and not (_pin(line) in pinned or _is_of_torch(line))]


def name_of(line: str) -> str:
    """Return the normalised name (PEP 503) in a line of a lock."""
    return _pin(line)[0]


def _is_of_torch(line: str) -> bool:
    return _OF_TORCH.fullmatch(name_of(line)) is not None


def _pin(line: str) -> tuple[str, str]:
    """Return name, normalised (PEP 503), and version without its local part; environment markers are dropped."""
    name, _, version = line.partition(";")[0].rstrip(" \\").partition("==")
    return re.sub(r"[-_.]+", "-", name.strip()).lower(), version.strip().partition("+")[0]


def main() -> int:
    """Run the command line; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["wanted", "check"])
    parser.add_argument("--extras", default="", help="comma-separated extras of pyproject.toml")
    parser.add_argument("--folder", type=Path, default=Path(), help="folder of the locks")
    given = parser.parse_args()
    if given.what == "check":
        found = strays(sys.stdin, [given.folder / name for name in LOCKS])
        for line in found:
            sys.stderr.write(f"locked: {line} is installed, but not in {' or '.join(LOCKS)}: run `make lock`\n")
        return int(bool(found))
    try:
        lines = wanted(given.folder / LOCKS[0], given.extras.split(","))
    except ValueError as error:
        sys.stderr.write(f"locked: {error}\n")
        return 1
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

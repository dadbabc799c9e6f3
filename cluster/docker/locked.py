"""What of the lock goes into an image: the dependencies of serving, without those of development.

    python3 locked.py wanted --extras console    # requirement lines of pyproject.toml
    pip freeze | python3 locked.py check         # fails when something is installed that the lock does not pin

It runs in the image's build, before anything is installed: only the standard library.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path


def wanted(pyproject: Path, extras: Iterable[str]) -> list[str]:
    """Requirement lines of the project and of some of its extras.

    Raises:
        ValueError: there is no such extra.
    """
    project = tomllib.loads(pyproject.read_text())["project"]
    optional = project.get("optional-dependencies", {})
    lines: list[str] = list(project["dependencies"])
    for extra in filter(None, extras):
        if extra not in optional:
            raise ValueError(f"{pyproject} has no extra {extra!r}: there are {', '.join(sorted(optional))}")
        lines += optional[extra]
    return lines


def strays(installed: Iterable[str], lock: Path) -> list[str]:
    """Lines of `pip freeze` that the lock does not have; `2.13.0+cpu` is `2.13.0` built for some machines."""
    pinned = {_pin(line) for line in lock.read_text().splitlines() if "==" in line}
    return [line for line in map(str.strip, installed) if line and _pin(line) not in pinned]


def _pin(line: str) -> tuple[str, str]:
    """Name, normalised (PEP 503), and version, without its local part; for whom the line holds is nothing here."""
    name, _, version = line.partition(";")[0].strip().partition("==")
    return re.sub(r"[-_.]+", "-", name).lower(), version.partition("+")[0]


def main() -> int:
    """The command line; 1 when something is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["wanted", "check"])
    parser.add_argument("--extras", default="", help="comma-separated extras of pyproject.toml")
    parser.add_argument("--folder", type=Path, default=Path(), help="where pyproject.toml and requirements.lock lie")
    given = parser.parse_args()
    if given.what == "check":
        found = strays(sys.stdin, given.folder / "requirements.lock")
        for line in found:
            sys.stderr.write(f"locked: {line} is installed, but not in requirements.lock: run `make lock`\n")
        return int(bool(found))
    try:
        lines = wanted(given.folder / "pyproject.toml", given.extras.split(","))
    except ValueError as error:
        sys.stderr.write(f"locked: {error}\n")
        return 1
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What all commands share: options, how they fail, how they show what they found."""

from __future__ import annotations

import json
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from raybid.local.preparing import faults
from raybid.refusing import refuse
from rtb.runtime.plain import plain
from rtb.runtime.settings import Settings

FAILED = 1
"""Exit code: it was refused, or went wrong. 2, a command line that makes no sense, comes from the parser."""

NOT_RUNNING = 3
"""Exit code: no platform answers."""

LEFT_OUT = 4
"""Exit code: it bids, without records that it cannot use."""

Url = Annotated[str, typer.Option(envvar="RAYBID_URL", help="base URL of the platform; default: by the settings")]
Key = Annotated[str, typer.Option(envvar="RAYBID_KEY", help="X-API-Key; default: that of var/secrets")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON document on standard output, for programs")]

_MICROS = "_micros"


def screen() -> Console:
    """Where people read what happens: standard error, so that standard output has results only."""
    return Console(stderr=True, highlight=False)


def page() -> Console:
    """Standard output, for people."""
    return Console(highlight=False)


def fail(message: str, code: int = FAILED) -> NoReturn:
    """End with one line that says what is wrong and what to do."""
    refuse("raybid", message, code)


def settings() -> Settings:
    """The settings of the environment; ends the program where they do not hold."""
    try:
        return Settings()
    except ValidationError as error:
        fail(faults(error), 2)
    except (SettingsError, OSError) as error:  # a secret's file, for example
        fail(str(error), 2)


def show_json(found: Any) -> None:
    """One JSON document in one line."""
    typer.echo(json.dumps(found))


def units(micros: int | None) -> str:
    """An amount as people write it: six digits behind the point, without zeros that say nothing."""
    if micros is None:
        return "-"
    whole, part = divmod(abs(micros), 1_000_000)
    digits = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole:,}.{digits}"


def tree(title: str, found: Any) -> Tree:
    """A JSON value as a tree: names in order, amounts of money in micros and beside them in units."""
    root = Tree(plain(title, "bold"), guide_style="dim")
    _grow(root, found)
    return root


def _grow(node: Tree, found: Any) -> None:
    items = found.items() if isinstance(found, dict) else enumerate(found, 1) if isinstance(found, list) else ()
    for name, value in items:
        if isinstance(value, dict | list) and value:
            _grow(node.add(plain(name, "cyan")), value)
        else:
            node.add(Text.assemble(plain(name, "cyan"), "  ", *_leaf(str(name), value)))


def _leaf(name: str, value: Any) -> list[Text]:
    shown = value if isinstance(value, str) else json.dumps(value)
    money = name.endswith(_MICROS) and isinstance(value, int) and not isinstance(value, bool)
    return [plain(shown), *([plain(f"  ({units(value)})", "dim")] if money else [])]

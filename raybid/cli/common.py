"""Parts that all commands share: options, failures, output."""

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
from rtb.runtime.settings import Settings
from rtb.runtime.terminal import plain

FAILED = 1
"""The exit code of what was refused or went wrong; for a bad command line the parser exits with 2."""

NOT_RUNNING = 3
"""The exit code when no platform answers."""

LEFT_OUT = 4
"""The exit code when the platform bids, but skips records it cannot use."""

Url = Annotated[str, typer.Option(envvar="RAYBID_URL", help="base URL of the platform; default: from the settings")]
Key = Annotated[str, typer.Option(envvar="RAYBID_KEY", help="X-API-Key; default: that of var/secrets")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON document, for programs")]

_MICROS = "_micros"


def screen() -> Console:
    """Return the console for progress and errors: standard error, so that standard output holds results only."""
    return Console(stderr=True, highlight=False)


def page() -> Console:
    """Return the console for results: standard output."""
    return Console(highlight=False)


def fail(message: str, code: int = FAILED) -> NoReturn:
    """End with one line that says what is wrong and what to do."""
    refuse("raybid", message, code)


def settings() -> Settings:
    """Return the settings of the environment; invalid ones end the program."""
    try:
        return Settings()
    except ValidationError as error:
        fail(faults(error), 2)
    except (SettingsError, OSError) as error:  # an unreadable secret file, for example
        fail(str(error), 2)


def show_json(found: Any) -> None:
    """Print one JSON document on one line."""
    typer.echo(json.dumps(found))


def units(micros: int | None) -> str:
    """Format an amount of money: up to six decimals, no trailing zeros."""
    if micros is None:
        return "-"
    whole, part = divmod(abs(micros), 1_000_000)
    digits = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole:,}.{digits}"


def tree(title: str, found: Any) -> Tree:
    """Render a JSON value as a tree: names sorted, money in micros with units beside it."""
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

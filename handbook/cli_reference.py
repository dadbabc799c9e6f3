"""The command line reference of `raybid`, from its own definitions."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from handbook.cells import cell
from raybid.cli.main import app
from raybid.cli.verbs import Unloaded

_LEAD = """# Command line

```text
raybid [--install-completion] COMMAND
```

Results go to standard output, all else to standard error; `--json` makes results one JSON document. Exit codes: 0
success, 1 refused or failed, 2 an invalid command line or setting, 3 no platform answers, 4 (`status`) records skipped.
"""


def page() -> str:
    """Return all commands and their options as Markdown."""
    return "\n".join([_LEAD, *_commands(typer.main.get_command(app), "raybid", 2)]) + "\n"


def _commands(group: Any, name: str, depth: int) -> list[str]:
    lines = []
    for one in group.commands.values():
        command = one.load() if isinstance(one, Unloaded) else one
        lines += _command(command, f"{name} {one.name}", depth)
        if isinstance(command, TyperGroup):
            lines += _commands(command, f"{name} {one.name}", depth + 1)
    return lines


def _command(command: Any, name: str, depth: int) -> list[str]:
    context = typer.Context(command, info_name=name)
    lines = [f"{'#' * depth} {name}", "", (command.help or "").strip(), ""]
    rows = [found for one in command.params if (found := one.get_help_record(context)) and one.name != "help"]
    if rows:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| <code>{cell(option)}</code> | {cell(meaning)} |" for option, meaning in rows]
        lines.append("")
    return lines

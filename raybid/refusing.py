"""How a program ends that cannot do what it was asked."""

from __future__ import annotations

from typing import NoReturn

import typer
from rich.console import Console

from rtb.runtime.terminal import plain


def refuse(program: str, said: object, code: int = 1) -> NoReturn:
    """End the program with one line on standard error, and an exit code.

    Args:
        program: its name, which the line begins with.
        said: what is wrong and what to do: a text or an error.
        code: exit code.
    """
    line = plain(f"{program}: {' '.join(str(said).split())}")
    Console(stderr=True, highlight=False).print(line, style="red", soft_wrap=True)
    raise typer.Exit(code)

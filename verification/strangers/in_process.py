"""Commands run in this process, which saves the seconds that starting Python with torch takes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner


class Ran:
    """The result of a command.

    Args:
        command: function or application.
        arguments: arguments as typed.
        var_dir: folder of the platform; None: the default one.
    """

    def __init__(
        self, command: Callable[..., Any] | typer.Typer, *arguments: object, var_dir: Path | None = None
    ) -> None:
        app = command if isinstance(command, typer.Typer) else typer.Typer(add_completion=False)
        if not isinstance(command, typer.Typer):
            app.command()(command)
        environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith("RAYBID_")}
        if var_dir:
            environment["RAYBID_VAR_DIR"] = str(var_dir)
        done = CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)
        self.code, self.out, self.said = done.exit_code, done.stdout, " ".join(done.stderr.split())
        self.lines = [line for line in done.stderr.splitlines() if line.strip()]
        self.raised = done.exception if not isinstance(done.exception, SystemExit) else None

    def refused(self, *told: str) -> str | None:
        """Return what is wrong unless it was refused, with a line that contains all this."""
        if self.raised is not None:
            return f"a traceback: {self.raised!r}"
        if self.code == 0:
            return f"accepted, with {self.out.strip()[-200:]!r}"
        if self.out.strip():
            return f"refused, but prints {self.out.strip()[:200]!r}"
        missing = [words for words in told if words not in self.said]
        return f"it does not say {', '.join(missing)}, but {self.said[-300:]!r}" if missing else None

    def taken(self) -> str | None:
        """Return what is wrong unless it succeeded."""
        if self.raised is not None:
            return f"a traceback: {self.raised!r}"
        return f"refused with {self.code}: {self.said[-300:]!r}" if self.code else None

    def told(self, **expected: object) -> str | None:
        """Return what is wrong unless it succeeded, and its last line has these values."""
        if wrong := self.taken():
            return wrong
        found = json.loads(self.out.splitlines()[-1])
        different = {name: found.get(name) for name, value in expected.items() if found.get(name) != value}
        return f"{different} instead of {expected}" if different else None

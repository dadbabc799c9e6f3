"""Parsing of a Dockerfile: its stages and steps, with arguments and variables expanded as by Docker.

It supports what our Dockerfile needs; anything else is an error, so that nothing is skipped silently.
https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

INSTRUCTIONS = {
    "FROM",
    "ARG",
    "ENV",
    "WORKDIR",
    "COPY",
    "RUN",
    "USER",
    "SHELL",
    "ENTRYPOINT",
    "CMD",
    "HEALTHCHECK",
    "EXPOSE",
    "VOLUME",
    "LABEL",
    "STOPSIGNAL",
}
_VARIABLE = re.compile(r"\\(\$)|\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")


class DockerfileError(ValueError):
    """An error for a Dockerfile that cannot be read, or has something that this interpreter does not know."""


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction.

    Attributes:
        line: number of its first line, from 1.
        name: instruction in capitals.
        rest: text after the name, with lines joined.
    """

    line: int
    name: str
    rest: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.name} {self.rest}"


@dataclass(slots=True)
class Stage:
    """The steps from one FROM to the next.

    Attributes:
        name: name given with AS, else its number.
        base: image, or name of an earlier stage.
        steps: steps in order, without the FROM.
    """

    name: str
    base: str
    steps: list[Step] = field(default_factory=list)


def read(text: str, arguments: Mapping[str, str] | None = None) -> list[Stage]:
    """Return the stages of a Dockerfile.

    Args:
        text: text of the Dockerfile.
        arguments: values of `--build-arg`, for those that FROM uses.

    Raises:
        DockerfileError: it cannot be read.
    """
    given = dict(arguments or {})
    known: dict[str, str] = {}
    stages: list[Stage] = []
    for step in _steps(text):
        if step.name == "FROM":
            stages.append(_stage(step, known, len(stages)))
        elif stages:
            stages[-1].steps.append(step)
        elif step.name == "ARG":
            name, default = argument(step)
            known[name] = given.get(name, expand(default or "", known))
        else:
            raise DockerfileError(f"{step}: comes before FROM")
    if not stages:
        raise DockerfileError("there is no FROM")
    return stages


def global_arguments(text: str, arguments: Mapping[str, str]) -> dict[str, str]:
    """Return the values of ARGs before the first FROM: a stage that declares one again gets its value."""
    known: dict[str, str] = {}
    for step in _steps(text):
        if step.name == "FROM":
            break
        name, default = argument(step)
        known[name] = arguments.get(name, expand(default or "", known))
    return known


def argument(step: Step) -> tuple[str, str | None]:
    """Return name and default of an ARG."""
    name, equals, default = step.rest.partition("=")
    words = shlex.split(default)
    return name.strip(), (words[0] if words else "") if equals else None


def pairs(step: Step, variables: Mapping[str, str]) -> dict[str, str]:
    """Return what an ENV sets."""
    found = {}
    for word in shlex.split(step.rest.replace("\\$", "\\\\$")):
        name, equals, value = word.partition("=")
        if not equals:
            raise DockerfileError(f"{step}: write NAME=VALUE")
        found[name] = expand(value, variables)
    return found


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Expand variables: `$A`, `${A}`, `${A:-other}`, `${A:+other}`; unknown ones are empty."""

    def put(match: re.Match[str]) -> str:
        escaped, plain, braced, sign, other = match.groups()
        if escaped:
            return "$"
        value = variables.get(plain or braced, "")
        if sign == "-":
            return value or other
        if sign == "+":
            return other if value else ""
        return value

    return _VARIABLE.sub(put, text)


def command(step: Step) -> list[str] | str:
    """Return a command as a list of words (JSON), or one line for the shell."""
    if not step.rest.startswith("["):
        return step.rest
    try:
        words = json.loads(step.rest)
    except json.JSONDecodeError as error:
        raise DockerfileError(f"{step}: looks like JSON but is not: {error}") from error
    if not all(isinstance(word, str) for word in words):
        raise DockerfileError(f"{step}: a list of strings is expected")
    return list(words)


def _steps(text: str) -> list[Step]:
    found: list[Step] = []
    pending, began = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):  # also between continued lines
            continue
        began = began or number
        if stripped.endswith("\\"):
            pending += line.strip()[:-1].rstrip() + " "
            continue
        found.append(_step(began, pending + stripped))
        pending, began = "", 0
    if pending:
        raise DockerfileError(f"line {began}: the last line is continued, but nothing follows")
    return found


def _step(line: int, text: str) -> Step:
    name, _, rest = text.partition(" ")
    step = Step(line, name.upper(), rest.strip())
    if step.name not in INSTRUCTIONS:
        raise DockerfileError(f"{step}: this interpreter does not know {step.name}")
    if step.name in ("RUN", "COPY") and (re.search(r"<<-?\w", step.rest) or step.rest.startswith("--mount")):
        raise DockerfileError(f"{step}: this interpreter does not know here-documents and mounts")
    return step


def _stage(step: Step, known: Mapping[str, str], number: int) -> Stage:
    words = expand(step.rest, known).split()
    if words and words[0].startswith("--"):
        raise DockerfileError(f"{step}: this interpreter does not know options of FROM")
    if len(words) == 1:
        return Stage(str(number), words[0])
    if len(words) == 3 and words[1].upper() == "AS":
        return Stage(words[2], words[0])
    raise DockerfileError(f"{step}: write FROM image AS name")

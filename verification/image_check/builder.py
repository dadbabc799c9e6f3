"""Dockerfile steps carried out on folders: a stage is a root, RUN is a chroot into it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from verification.image_check import dockerfile
from verification.image_check.dockerfile import DockerfileError, Stage, Step
from verification.image_check.ignore import Context

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Say = Callable[[str], None]


class StepFailed(RuntimeError):
    """An error for a step that failed; the message says which, and why."""


class Runner(Protocol):
    """A function that runs a command in a root."""

    def __call__(
        self, root: Path, command: Sequence[str], environment: Mapping[str, str], user: str, folder: str
    ) -> int:
        """Run the command and return its exit status."""


@dataclass(slots=True)
class Image:
    """A root, and its metadata.

    Attributes:
        root: folder.
        environment: environment of its processes.
        user: user that they run as.
        folder: working folder.
        shell: shell for one-line commands.
        entrypoint: words before the command.
        command: default command.
        health: command of the health check; empty: none.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": DEFAULT_PATH})
    user: str = "0:0"
    folder: str = "/"
    shell: list[str] = field(default_factory=lambda: ["/bin/sh", "-c"])
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


class Builder:
    """A builder of a Dockerfile's stages, one after the other.

    Attributes:
        steps: number of steps carried out.

    Args:
        text: text of the Dockerfile.
        context: files for COPY.
        arguments: values of `--build-arg`.
        base: function that creates the root of an image in a folder.
        run: function that runs a command in a root.
        folder: folder for the stages' roots.
        say: called with each step.
    """

    def __init__(
        self,
        text: str,
        context: Context,
        arguments: Mapping[str, str],
        *,
        base: Callable[[str, Path], None],
        run: Runner,
        folder: Path,
        say: Say = lambda _: None,
    ) -> None:
        self._stages = dockerfile.read(text, arguments)
        self._global = dockerfile.global_arguments(text, arguments)
        self._context, self._given = context, dict(arguments)
        self._base, self._run, self._folder, self._say = base, run, folder, say
        self._images: dict[str, Image] = {}
        self.steps = 0

    def build(self) -> Image:
        """Build every stage and return the last one's image.

        Raises:
            StepFailed: a step fails.
            DockerfileError: it has something that this interpreter does not know.
        """
        for number, stage in enumerate(self._stages):
            image = self._from(stage, number)
            self._images[stage.name] = self._images[str(number)] = image
            arguments: dict[str, str] = {}
            for step in stage.steps:
                self._say(str(step))
                self._do(step, image, arguments)
                self.steps += 1
        return image

    def _from(self, stage: Stage, number: int) -> Image:
        self._say(f"FROM {stage.base} AS {stage.name}")
        root = self._folder / f"stage-{number}"
        self.steps += 1
        if stage.base not in self._images:
            self._base(stage.base, root)
            return Image(root)
        before = self._images[stage.base]
        subprocess.run(["cp", "-a", str(before.root), str(root)], check=True)  # including owners and devices
        return Image(root, dict(before.environment), before.user, before.folder, list(before.shell))

    def _do(self, step: Step, image: Image, arguments: dict[str, str]) -> None:
        known = arguments | image.environment
        match step.name:
            case "ARG":
                name, default = dockerfile.argument(step)
                value = self._global.get(name) if default is None else dockerfile.expand(default, known)
                arguments[name] = self._given.get(name, value or "")
            case "ENV":
                image.environment |= dockerfile.pairs(step, known)
            case "WORKDIR":
                image.folder = os.path.normpath(os.path.join(image.folder, dockerfile.expand(step.rest, known)))  # noqa: PTH118
                _inside(image.root, image.folder).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(step, image, known)
            case "RUN":
                self._execute(step, image, arguments)
            case "USER":
                user, _, group = dockerfile.expand(step.rest, known).partition(":")
                image.user = f"{user}:{group or user}"
            case "SHELL" | "ENTRYPOINT" | "CMD":
                setattr(image, {"CMD": "command"}.get(step.name, step.name.lower()), _words(step))
            case "HEALTHCHECK":
                image.health = _health(step)
            case "VOLUME":
                for path in _words(step):
                    _inside(image.root, path).mkdir(parents=True, exist_ok=True)
            case _:  # EXPOSE, LABEL, STOPSIGNAL only describe the image
                pass

    def _execute(self, step: Step, image: Image, arguments: Mapping[str, str]) -> None:
        said = dockerfile.command(step)
        command = said if isinstance(said, list) else [*image.shell, said]
        status = self._run(image.root, command, {**arguments, **image.environment}, image.user, image.folder)
        if status:
            raise StepFailed(f"{step}: failed with {status}; see its output above")

    def _copy(self, step: Step, image: Image, known: Mapping[str, str]) -> None:
        words = shlex.split(dockerfile.expand(step.rest, known))
        options = [word for word in words if word.startswith("--")]
        *sources, target = [word for word in words if not word.startswith("--")]
        if not sources or any(not option.startswith("--from=") for option in options):
            raise DockerfileError(f"{step}: this interpreter only knows COPY with --from=, sources and a target")
        place = _inside(image.root, os.path.join(image.folder, target))  # noqa: PTH118
        many = len(sources) > 1 or target.endswith("/") or target == "."
        for source in sources:
            if options:
                taken = self._from_stage(options[0].removeprefix("--from="), source, place, many)
            else:
                taken = self._from_context(source, place, many)
            if not taken:
                raise StepFailed(f"{step}: there is no {source}")

    def _from_stage(self, stage: str, source: str, place: Path, many: bool) -> bool:
        if stage not in self._images:
            raise DockerfileError(f"COPY --from={stage}: no earlier stage has this name")
        origin = _inside(self._images[stage].root, source)
        if not origin.exists():
            return False
        if origin.is_dir():  # its contents, as Docker does
            shutil.copytree(origin, place, symlinks=True, dirs_exist_ok=True)
        else:
            _copy_file(origin, place / origin.name if many else place)
        return True

    def _from_context(self, source: str, place: Path, many: bool) -> bool:
        """Copy files of the context, owned by root."""
        below = os.path.normpath(source)
        taken = False
        for name in self._context.files("" if below == "." else below):
            origin = self._context.folder / name
            if (self._context.folder / below).is_dir():
                target = place / name.relative_to(below)
            else:
                target = place / name.name if many else place
            _copy_file(origin, target)
            if os.geteuid() == 0:
                os.chown(target, 0, 0)
            taken = True
        return taken


def _copy_file(origin: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(origin, target)


def _inside(root: Path, path: str) -> Path:
    return root / os.path.normpath(path).lstrip("/")


def _words(step: Step) -> list[str]:
    said = dockerfile.command(step)
    if isinstance(said, str):
        raise DockerfileError(f"{step}: write it as a JSON list, so that signals reach the process")
    return said


def _health(step: Step) -> list[str]:
    options, found, rest = step.rest.partition("CMD ")
    if not found or any(not word.startswith("--") for word in options.split()):
        raise DockerfileError(f"{step}: write HEALTHCHECK --option=... CMD [...]")
    return _words(Step(step.line, "HEALTHCHECK", rest.strip()))

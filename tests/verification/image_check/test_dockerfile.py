"""The interpreter of Dockerfiles: small ones, carried out on small roots."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from raybid.local.environment import ROOT
from verification.image_check.builder import Builder, Image, StepFailed
from verification.image_check.dockerfile import DockerfileError, expand, global_arguments, read
from verification.image_check.ignore import Context
from verification.image_check.roots import STAND_IN, BareDebian

DOCKERFILE = ROOT / "cluster" / "docker" / "Dockerfile"


class Recorder:
    """Runs commands with the root as their folder, without changing into it, and remembers them."""

    def __init__(self) -> None:
        self.ran: list[tuple[list[str], dict[str, str], str, str]] = []

    def __call__(
        self, root: Path, command: Sequence[str], environment: Mapping[str, str], user: str, folder: str
    ) -> int:
        self.ran.append((list(command), dict(environment), user, folder))
        return subprocess.run(command, cwd=root, env={**os.environ, **environment}, check=False).returncode


def built(
    tmp_path: Path, text: str, rules: list[str] | None = None, **arguments: str
) -> tuple[Image, Recorder, Builder]:
    context = tmp_path / "context"
    context.mkdir(exist_ok=True)
    recorder = Recorder()

    def base(name: str, root: Path) -> None:
        root.mkdir(parents=True)
        (root / "base").write_text(name)

    builder = Builder(
        text, Context(context, rules or []), arguments, base=base, run=recorder, folder=tmp_path / "stages"
    )
    return builder.build(), recorder, builder


def write(tmp_path: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = tmp_path / "context" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A-${A}", "1-1"),
        ("${B:-other}", "other"),
        ("${A:-other}", "1"),
        ("${A:+set}${B:+set}", "set"),
        (r"\$A", "$A"),
        ("$B", ""),
    ],
)
def test_variables_are_put_in(text: str, value: str) -> None:
    assert expand(text, {"A": "1"}) == value


def test_stages_and_continued_lines_are_read() -> None:
    text = 'ARG V=1\nFROM a:$V AS one\nRUN x \\\n  # said between\n  && y\nFROM one\nCMD ["z"]\n'
    one, other = read(text, {"V": "2"})
    assert (one.name, one.base) == ("one", "a:2")
    assert (one.steps[0].line, one.steps[0].rest) == (3, "x && y")
    assert (other.name, other.base) == ("1", "one")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("RUN x", "comes before FROM"),
        ("FROM a\nADD x y", "does not know ADD"),
        ("FROM a\nONBUILD RUN x", "does not know ONBUILD"),
        ("FROM --platform=x a", "options of FROM"),
        ("FROM a b", "FROM image AS name"),
        ("FROM a\nRUN --mount=type=cache,target=/x y", "does not know here-documents and mounts"),
        ("FROM a\nRUN <<EOF\nx\nEOF", "here-documents"),
        ("FROM a\nRUN x \\", "last line is continued"),
        ("# nothing", "no FROM"),
    ],
)
def test_what_it_does_not_know_is_an_error(text: str, told: str) -> None:
    with pytest.raises(DockerfileError, match=told):
        read(text)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("COPY --chown=1 x y", "only knows COPY"),
        ("COPY --from=nobody x y", "no earlier stage"),
        ("CMD x", "JSON list"),
        ("RUN [x]", "looks like JSON"),
        ("ENV A", "NAME=VALUE"),
        ("HEALTHCHECK NONE", "write HEALTHCHECK"),
    ],
)
def test_a_step_it_cannot_carry_out_is_an_error(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(DockerfileError, match=told):
        built(tmp_path, f"FROM a\n{line}\n")


def test_arguments_and_environment_reach_commands(tmp_path: Path) -> None:
    text = 'ARG G=global\nFROM a\nARG G\nARG L=local\nARG T=unset\nENV E=$L-$G\nRUN echo "$E $T" > said\nRUN true\n'
    image, recorder, _ = built(tmp_path, text, T="told")
    assert (image.root / "said").read_text() == "local-global told\n"
    assert recorder.ran[0][1].items() >= {"G": "global", "L": "local", "E": "local-global", "T": "told"}.items()


def test_an_argument_of_the_beginning_is_unknown_in_a_stage_that_does_not_name_it(tmp_path: Path) -> None:
    image, _, _ = built(tmp_path, 'ARG G=global\nFROM a\nRUN echo "${G:-none}" > said\n')
    assert (image.root / "said").read_text() == "none\n"
    assert global_arguments("ARG G=1\nARG H=$G\nFROM a", {}) == {"G": "1", "H": "1"}


def test_user_folder_and_shell_hold_from_where_they_are_said(tmp_path: Path) -> None:
    text = (
        'FROM a\nRUN true\nSHELL ["/bin/bash", "-c"]\nWORKDIR /x\nWORKDIR y\nUSER 7:8\nRUN true\nRUN ["true", "$A"]\n'
    )
    image, recorder, _ = built(tmp_path, text)
    first, second, third = recorder.ran
    assert (first[0], first[2], first[3]) == (["/bin/sh", "-c", "true"], "0:0", "/")
    assert (second[0], second[2], second[3]) == (["/bin/bash", "-c", "true"], "7:8", "/x/y")
    assert third[0] == ["true", "$A"]  # no shell, nothing put in
    assert (image.root / "x" / "y").is_dir()


def test_what_the_image_does_is_remembered(tmp_path: Path) -> None:
    text = 'FROM a\nVOLUME ["/v"]\nHEALTHCHECK --interval=5s CMD ["ask"]\nENTRYPOINT ["e", "--"]\nCMD ["c"]\nEXPOSE 1\n'
    image, _, builder = built(tmp_path, text)
    assert (image.entrypoint, image.command, image.health) == (["e", "--"], ["c"], ["ask"])
    assert (image.root / "v").is_dir()
    assert builder.steps == 6


def test_files_are_copied_from_the_context_as_docker_does(tmp_path: Path) -> None:
    write(tmp_path, {"one": "1", "code/a.py": "a", "code/sub/b.py": "b", "secret": "s"})
    text = "FROM a\nWORKDIR /app\nCOPY one code/a.py ./\nCOPY code /there\nCOPY one /named\nCOPY . /all\n"
    image, _, _ = built(tmp_path, text, ["secret"])
    found = {path.relative_to(image.root).as_posix() for path in image.root.rglob("*") if path.is_file()}
    copied = {"app/one", "app/a.py", "there/a.py", "there/sub/b.py", "named"}
    assert found == {"base", *copied, "all/one", "all/code/a.py", "all/code/sub/b.py"}


def test_files_are_copied_from_stages(tmp_path: Path) -> None:
    first = "FROM a AS one\nRUN mkdir -p d/e && echo 1 > d/e/f && ln -s f d/e/l\n"
    text = f"{first}FROM b\nCOPY --from=one /d /x\nCOPY --from=0 /d/e/f /g\n"
    image, _, _ = built(tmp_path, text)
    assert (image.root / "base").read_text() == "b"
    assert (image.root / "x" / "e" / "f").read_text() == "1\n"
    assert (image.root / "x" / "e" / "l").is_symlink()
    assert (image.root / "g").read_text() == "1\n"


def test_a_stage_goes_on_from_another(tmp_path: Path) -> None:
    image, recorder, _ = built(tmp_path, "FROM a AS one\nENV A=1\nRUN touch made\nFROM one\nRUN test -f made\n")
    assert recorder.ran[-1][1]["A"] == "1"
    assert (image.root / "made").exists()


def test_a_command_that_fails_ends_it(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"line 3: RUN exit 3: ends with 3"):
        built(tmp_path, "FROM a\nRUN true\nRUN exit 3\nRUN touch never\n")


@pytest.mark.parametrize("source", ["nothing", "secret"])
def test_a_file_that_is_not_there_or_ignored_ends_it(tmp_path: Path, source: str) -> None:
    write(tmp_path, {"secret": "s"})
    with pytest.raises(StepFailed, match=f"there is no {source}"):
        built(tmp_path, f"FROM a\nCOPY {source} /x\n", ["secret"])


@pytest.mark.parametrize(
    ("rules", "there", "away"),
    [
        (["*", "!a", "a/x"], ["a/b", "a/c/d"], ["b", "a/x", "c/a"]),
        (["**/*.pyc", "**/__pycache__"], ["a.py"], ["a.pyc", "b/c/a.pyc", "b/__pycache__/x"]),
        (["# said", "", "/a"], ["b/a"], ["a", "a/b"]),
        (["a?"], ["a", "abc"], ["ab"]),
    ],
)
def test_the_context_has_what_is_not_ignored(rules: list[str], there: list[str], away: list[str]) -> None:
    context = Context(Path(), rules)
    assert [path for path in there if not context.has(path)] == []
    assert [path for path in away if context.has(path)] == []


def test_our_context_has_the_code_and_nothing_secret() -> None:
    context = Context(ROOT, (ROOT / ".dockerignore").read_text().splitlines())
    for name in ("rtb/runtime/settings.py", "models/ppo/weights.safetensors", "cluster/ray.env", "serve_config.yaml"):
        assert context.has(name)
        assert (ROOT / name).exists()
    for name in (".git/config", "var/secrets/admin_key", "cluster/secrets/tls_key", "tests/conftest.py", ".venv/x"):
        assert not context.has(name)


def test_our_dockerfile_is_understood() -> None:
    text = DOCKERFILE.read_text()
    stages = read(text)
    assert [stage.name for stage in stages] == ["build", "runtime"]
    assert STAND_IN.fullmatch(stages[0].base)
    last: dict[str, Any] = {step.name: step.rest for step in stages[-1].steps}
    assert last["USER"] == "10001:10001"
    assert last["HEALTHCHECK"]


def test_nothing_stands_in_for_another_base(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="no stand-in for the image alpine:3"):
        BareDebian(tmp_path)("alpine:3", tmp_path / "root")

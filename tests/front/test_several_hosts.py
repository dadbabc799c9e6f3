"""The page "From one machine to many": its commands are those that `raybid cluster` has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from raybid.cli.main import app
from raybid.local.environment import ROOT
from verification.pages import blocks

PAGE = ROOT / "docs" / "how-to" / "several_hosts.md"
STEPS = {"On one machine": "init", "On the head": "head", "On every other host": "join", "From anywhere": "deploy"}


def commands(block: str) -> list[list[str]]:
    """Return the words of each `raybid cluster` command in a block, variables replaced by something."""
    found = re.findall(r"^\.venv/bin/raybid cluster (.*)$", block.replace("\\\n", ""), re.M)
    return [shlex.split(re.sub(r"\$HOSTS\b", "3", line)) for line in found]


def parsed(words: list[str]) -> dict[str, Any]:
    """Return the parameters that a command reads from its words."""
    group: Any = typer.main.get_command(app)
    command = group.commands["cluster"].commands[words[0]]
    context = command.make_context(words[0], words[1:])
    return dict(context.params)


@pytest.fixture(autouse=True)
def _head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYBID_HEAD", "10.9.0.1")  # of cluster.env


@pytest.mark.parametrize(("heading", "verb"), STEPS.items())
def test_each_step_is_one_block_with_one_command(heading: str, verb: str) -> None:
    (block,) = blocks(PAGE)[heading]
    (words,) = commands(block)
    assert words[0] == verb
    parsed(words)
    assert (verb == "init") != (". ./cluster.env" in block)


def test_steps_read_what_the_first_one_wrote() -> None:
    told = parsed(commands(blocks(PAGE)["On one machine"][0])[0])
    assert told["file"] == Path("cluster.env")
    assert [told[name] for name in ("redis_url", "database_url", "store", "public_url", "head")] == [
        "$REDIS_URL",
        "$DATABASE_URL",
        "$STORE",
        "$PUBLIC_URL",
        "$HEAD",
    ]
    assert parsed(commands(blocks(PAGE)["On every other host"][0])[0])["head"] == "10.9.0.1"
    assert parsed(commands(blocks(PAGE)["From anywhere"][0])[0])["hosts"] == 3


def test_variables_are_explained_before_they_are_used() -> None:
    page = PAGE.read_text()
    for under in blocks(PAGE).values():
        for name in set(re.findall(r"\$([A-Z_]+)", "".join(under))):
            assert page.index(f"`{name}`") < page.index(f"${name}")


def test_blocks_are_by_heading(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One\n\n```\n# no heading\na\n```\n\n```json\n{}\n```\n\n## Two\n\n```sh\nb\n```\n\n```\nc\nd\n```\n"
    )
    assert blocks(page) == {"One": ["# no heading\na\n"], "Two": ["b\n", "c\nd\n"]}


def test_the_units_of_the_page_are_there() -> None:
    for name in re.findall(r"raybid-\w+\.service", PAGE.read_text()):
        assert (ROOT / "cluster" / "systemd" / name).exists()

"""`raybid` without a platform: its command lines, what it prints, and who runs a platform on a folder."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from raybid.cli import bids
from raybid.cli.common import tree, units
from raybid.cli.main import app
from raybid.local import LaunchError, supervision
from rtb.runtime.settings import Settings
from rtb.runtime.text import visible
from tests.made_explanation import explanation

COMMANDS = (
    "up",
    "down",
    "status",
    "token",
    "bid",
    "explain",
    "campaign",
    "cluster",
    "train",
    "backtest",
    "publish",
    "replay",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYBID_VAR_DIR", str(tmp_path))
    return tmp_path


def run(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


@contextmanager
def answering(status: int, body: bytes, kind: str = "application/json") -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Run a server with one answer; yield its URL and the headers of each request."""
    heard: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append({**self.headers, "path": self.path})
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()


def test_help_names_every_command() -> None:
    shown = run("--help").output
    assert all(f" {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("train", "ctr"), "--impressions"),
        (("train", "policy"), "--algo"),
        (("backtest",), "--bidders"),
        (("publish",), "--force"),
        (("replay",), "--rate"),
        (("cluster", "deploy"), "--hosts"),
    ],
)
def test_a_verb_of_another_pipeline_has_that_ones_options(words: tuple[str, ...], option: str) -> None:
    done = run(*words, "--help")
    assert done.exit_code == 0
    assert option in done.output


def test_completion_completes_commands_and_options_of_verbs() -> None:
    for words, expected in (("raybid pu", "publish"), ("raybid replay --ra", "--rate")):
        given_words = {
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
            "_RAYBID_COMPLETE": "complete_bash",
        }
        done = CliRunner().invoke(app, [], env=given_words, prog_name="raybid")
        assert expected in done.output.split()


def test_completion_is_installed_for_bash_and_completes_there(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    at_home = {**os.environ, "HOME": str(tmp_path), "SHELL": "/bin/bash", "PATH": path}
    script = """
        raybid --install-completion || exit 1
        . ~/.bashrc; COMP_WORDS=(raybid cam); COMP_CWORD=1; _raybid_completion raybid; echo "completes: ${COMPREPLY[*]}"
    """
    done = subprocess.run(["bash", "-c", script], env=at_home, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "completes: campaign\n" in done.stdout


def test_explain_prints_the_way_to_the_price_or_the_document_as_it_is() -> None:
    document = explanation()
    with answering(200, json.dumps(document).encode()) as (url, heard):
        shown = run("explain", "b-1", "--url", url)
        exact = run("explain", "b-1", "--url", url, "--json").output
    assert shown.exit_code == 0
    assert heard[0]["path"] == "/explain/b-1"
    said = (
        "b-1: spring/a bid 1234 micros",
        "recomputed to the same micro",
        "250,000",
        "-641",
        "1.234 USD CPM",
        "not open: [paused]",
    )
    assert all(words in shown.output for words in (*said, "bill settled (1,000 micros)", "countries", "ctr model c1"))
    assert json.loads(exact) == document


@pytest.mark.parametrize("answer", [{"bid": True, "bid_id": "b-1"}, {"seatbid": [{"bid": [{"id": "b-1"}]}]}])
def test_explain_takes_the_bid_from_an_answer_that_is_piped_in(
    answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bids, "_ON_ITS_WAY_S", 0.0)
    with answering(200, json.dumps(explanation()).encode()) as (url, heard):
        done = CliRunner().invoke(app, ["explain", "-", "--url", url], input=json.dumps(answer))
    assert done.exit_code == 0, done.stderr
    assert heard[0]["path"] == "/explain/b-1"


@pytest.mark.parametrize("answer", ["", "null", "no JSON", '{"bid": false}', '{"seatbid": []}', '{"seatbid": [{}]}'])
def test_explain_of_an_answer_without_a_bid_says_so(answer: str) -> None:
    done = CliRunner().invoke(app, ["explain", "-"], input=answer)
    assert done.exit_code == 1
    assert done.stderr.startswith("raybid: no bid on standard input")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_price_that_does_not_come_out_again_is_a_failure() -> None:
    with answering(200, json.dumps(explanation(again=1_235)).encode()) as (url, _):
        for words in ((), ("--json",)):
            done = run("explain", "b-1", "--url", url, *words)
            assert done.exit_code == 1
            assert "1234 micros but recomputes to 1235" in done.stderr


def test_a_sample_of_no_bids_says_so() -> None:
    done = run("explain", "--sample", "3")
    assert done.exit_code == 1
    assert "no decision was ever recorded" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("status", [404, 422, 503])
def test_a_problem_document_is_one_line(status: int) -> None:
    problem = {"title": "Not Found", "status": status, "detail": "bid b-1 is not kept:\n it is too old"}
    with answering(status, json.dumps(problem).encode(), "application/problem+json") as (url, _):
        done = run("explain", "b-1", "--url", url)
    assert done.exit_code == 1
    assert done.stderr == "raybid: Not Found: bid b-1 is not kept: it is too old\n"
    assert done.stdout == ""


def test_an_answer_that_is_no_document_is_no_traceback() -> None:
    with answering(502, b"<html>bad gateway</html>", "text/html") as (url, _):
        done = run("campaign", "show", "c", "--url", url)
    assert done.exit_code == 1
    assert "bad gateway" in done.stderr


def test_the_kept_key_goes_to_this_machine_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "secrets").mkdir()
    (folder / "secrets" / "admin_key").write_text("sesame, open yourself\n")
    with answering(200, b"[]") as (url, heard):
        run("campaign", "list", "--url", url)
        run("campaign", "list", "--url", url, "--key", "other")
        monkeypatch.setenv("RAYBID_HTTP_PORT", url.rpartition(":")[2])
        run("campaign", "list")
    assert [headers.get("X-API-Key") for headers in heard] == [None, "other", "sesame, open yourself"]


@pytest.mark.parametrize(
    "words",
    [
        ("bid", "--geo", "nowhere at all"),
        ("bid", "--page", "https://a.example", "--app", "b"),
        ("bid", "--openrtb", "/does/not/exist"),
        ("campaign", "create", "c", "--size", "big"),
        ("campaign", "create", "c", "--file", "/does/not/exist"),
        ("campaign", "show", "a/b"),
        ("explain", "a?b"),
        ("explain",),
        ("explain", "b-1", "--sample", "1"),
        ("status", "--url", "ftp://x"),
        ("bid", "--nonsense"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_2_or_3_and_never_a_traceback(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.exit_code in (2, 3)
    assert isinstance(done.exception, SystemExit)
    assert done.stderr


def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYBID_HTTP_PORT", "many")
    done = run("status")
    assert done.exit_code == 2
    assert "RAYBID_HTTP_PORT" in done.stderr


def test_down_where_nothing_runs_is_no_failure(folder: Path, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYBID_HTTP_PORT", str(free_port))
    done = run("down")
    assert done.exit_code == 0
    assert "nothing runs" in done.output


def test_a_stale_state_with_a_number_somebody_else_has_is_not_believed(
    folder: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYBID_HTTP_PORT", str(free_port))
    mine = os.getpid()
    state = supervision.PlatformState(pid=mine, url="http://x", stage="up", is_ready=True, ray_pid=mine, ray_born="1")
    (folder / "platform.json").write_bytes(msgspec.json.encode(state))
    (folder / "platform.lock").touch()
    assert not supervision.is_running(Settings())
    assert supervision.left_behind(Settings()) is None
    assert json.loads(run("down", "--json").output) == {"ended": False}  # and this test still lives


def test_a_lock_says_that_one_runs_and_refuses_a_second(folder: Path) -> None:
    settings = Settings()
    with (folder / "platform.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert supervision.is_running(settings)
        with pytest.raises(LaunchError, match="already"):
            supervision.supervise(settings, "composed", Console(), samples=False)
        done = run("up", "--detach")
    assert done.exit_code == 1
    assert "raybid down" in done.stderr
    assert not supervision.is_running(settings)


@given(micros=st.integers(-(2**53), 2**53))
def test_amounts_are_written_without_losing_a_micro(micros: int) -> None:
    shown = units(micros).replace(",", "")
    whole, _, part = shown.lstrip("-").partition(".")
    assert int(whole) * 1_000_000 + int(part.ljust(6, "0")) == abs(micros)
    assert shown.startswith("-") == (micros < 0)


def test_a_tree_shows_every_leaf() -> None:
    screen = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    screen.print(tree("t", {"a": {"b": [1, {"c": None}], "empty": {}}, "d": True}))
    shown = screen.export_text()
    assert all(word in shown for word in ("a", "b", "c  null", "d  true", "empty  {}"))


def test_the_token_of_ray_is_made_once_and_printed(folder: Path) -> None:
    told = run("token")
    assert (told.exit_code, told.stdout.strip()) == (0, (folder / "secrets" / "ray_token").read_text())
    lines = run("token", "--exports").stdout.splitlines()
    assert f"export RAY_AUTH_TOKEN_PATH={folder}/secrets/ray_token" in lines
    assert all(line.startswith(("export RAY_", "export NO_PROXY=", "export no_proxy=")) for line in lines)


@pytest.mark.parametrize("name", ["Sale [/b] 50%", "[red]cheap[/red]", "\x1b]0;owned\x07\x1b[2J", "a\u202eb"])
def test_a_name_that_somebody_else_chose_is_shown_and_not_obeyed(name: str) -> None:
    one = {"id": "c1", "name": name, "status": "active", "figures": None}
    with answering(200, json.dumps([one]).encode()) as (url, _):
        listed = run("campaign", "list", "--url", url)
    with answering(200, json.dumps(one).encode()) as (url, _):
        shown = run("campaign", "show", "c1", "--url", url)
    with answering(409, json.dumps({"title": name, "detail": name}).encode()) as (url, _):
        refused = run("campaign", "show", "c1", "--url", url)
    assert (listed.exit_code, shown.exit_code, refused.exit_code) == (0, 0, 1)
    for done in (listed, shown, refused):
        assert not {"\x1b", "\x07", "\u202e"} & set(done.output)
        assert visible(name)[:8] in done.output

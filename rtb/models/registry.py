"""Published models: every version that ever served, the champion, and the history of decisions.

    <folder>/<kind>/versions/<version>/   an artefact; never changed once it is there
    <folder>/<kind>/record.json           the champion and the history of decisions

The champion and the history are in one file, replaced atomically, so that they cannot disagree: readers see the state
before a decision or after it, and a crash leaves the former.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from rtb.models.artefacts import META, WEIGHTS, Meta, read_meta, read_regular

Kind = Literal["ctr", "policy"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Action = Literal["adopted", "published", "forced", "refused", "rolled back"]


class RegistryError(RuntimeError):
    """A request that the registry refuses; the message says why and what to do."""


class PublishDecision(msgspec.Struct, frozen=True):
    """A publishing decision: one line of the history.

    Attributes:
        at: UTC time, ISO 8601.
        action: the decision. `adopted`: the model served before anything was published.
        version: version of the model.
        before: the champion before; none: there was none.
        reason: reason in words.
        comparison: figures of the decision.
    """

    at: str
    action: Action
    version: str
    before: str | None
    reason: str
    comparison: dict[str, Any] = {}


class RegistryState(msgspec.Struct, frozen=True):
    """The state of a registry.

    Attributes:
        champion: serving version; none: nothing was published.
        history: decisions, oldest first.
    """

    champion: str | None = None
    history: tuple[PublishDecision, ...] = ()

    def former(self) -> str | None:
        """Return the version to roll back to: the champion's predecessor, skipping those that were rolled back."""
        line: list[str] = []
        for decision in self.history:
            if decision.action == "refused":
                continue
            if decision.action == "rolled back" and decision.version in line:
                while line[-1] != decision.version:
                    line.pop()
            elif decision.version not in line[-1:]:
                line.append(decision.version)
        return line[-2] if len(line) > 1 else None


class Registry:
    """The published models of one kind.

    Args:
        folder: folder of all kinds.
        kind: kind of the models.
    """

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.kind = kind
        self._folder = folder / kind

    def read(self) -> RegistryState:
        """Return the current state, empty where nothing was ever published.

        Raises:
            RegistryError: the record is damaged.
            OSError: it cannot be read.
        """
        path = self._folder / "record.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=RegistryState)
        except FileNotFoundError:
            return RegistryState()
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RegistryError(f"{path} is damaged ({error}): restore it from a backup, or move it away") from error

    def path(self, version: str) -> Path:
        """Return the folder of a version, whether or not it exists."""
        return self._folder / "versions" / version

    def champion(self) -> Path | None:
        """Return the folder of the serving model; `None` where nothing was published.

        Raises:
            RegistryError: the record is damaged.
            OSError: it cannot be read.
        """
        version = self.read().champion
        return None if version is None else self.path(version)

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Lock the registry while a decision is prepared and made, so that no two are made at once.

        Raises:
            RegistryError: another process holds the lock.
            OSError: the folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RegistryError(f"another {self.kind} model is being published: try again after it") from None
            yield

    def add(self, folder: Path) -> Meta:
        """Copy an artefact into the versions, once per version.

        Raises:
            ArtefactError: there is no artefact.
            OSError: it cannot be copied.
        """
        meta = read_meta(folder, self.kind)
        target = self.path(meta.version)
        if target.exists():
            return meta
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{meta.version}.", dir=target.parent))
        try:
            for name in (META, WEIGHTS):
                with (draft / name).open("wb") as copy:
                    copy.write(read_regular(folder / name))
                    copy.flush()
                    os.fsync(copy.fileno())
            draft.chmod(0o755)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return meta

    def decide(
        self, action: Action, version: str, reason: str, comparison: dict[str, Any] | None = None
    ) -> PublishDecision:
        """Record a decision; all but a refusal make the version the champion. Call it while `deciding`.

        Raises:
            RegistryError: there is no such version, or the record is damaged.
            OSError: the record cannot be written.
        """
        record = self.read()
        if action != "refused" and not (self.path(version) / META).exists():
            raise RegistryError(f"there is no {self.kind} version {version} in {self._folder / 'versions'}")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        decision = PublishDecision(now, action, version, record.champion, reason, comparison or {})
        champion = record.champion if action == "refused" else version
        self._write(RegistryState(champion, (*record.history, decision)))
        return decision

    def roll_back(self, to: str | None, reason: str) -> PublishDecision:
        """Make an earlier version the champion again: a given one, else the champion's predecessor.

        Raises:
            RegistryError: there is no earlier version.
            OSError: the record cannot be written.
        """
        record = self.read()
        target = to or record.former()
        if target is None:
            raise RegistryError(f"no {self.kind} model to go back to: {record.champion or 'none'} is the first")
        if target == record.champion:
            raise RegistryError(f"{self.kind} {target} serves already")
        return self.decide("rolled back", target, reason)

    def _write(self, record: RegistryState) -> None:
        path = self._folder / "record.json"
        draft = path.with_name(f".{path.name}.draft")  # a fixed name: the writer holds the lock
        with draft.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(record), indent=2))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

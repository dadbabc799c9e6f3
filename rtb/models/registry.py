"""Published models: every version that ever served, the champion, and the history of decisions.

    <store>/<kind>/versions/<version>/         an artefact; never changed once it is there
    <store>/<kind>/decisions/00000001.json     a decision; the last that was no refusal names the champion
    <store>/<kind>/record.json                 the decisions of releases that kept them in one file; only read

A decision is one file, created under the next number unless another has it: readers see the state before a decision or
after it, a crash leaves the former, and of two who decide at once one is told that the other came first.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import msgspec

from rtb.models.artefacts import Meta
from rtb.models.shared import get_artefact, has_artefact, put_artefact
from rtb.runtime.settings import Settings
from rtb.store import Store, model_store

Kind = Literal["ctr", "policy"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_Form = TypeVar("_Form")

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
        store: store of all kinds.
        kind: kind of the models.
        cache: folder for copies of models, where the store is none itself.
        is_shared: whether other machines publish there as well.
    """

    def __init__(self, store: Store, kind: Kind, cache: Path, *, is_shared: bool = False) -> None:
        self.kind = kind
        self._store = store.below(kind)
        self._versions = self._store.below("versions")
        self._cache = cache / kind
        self._is_shared = is_shared
        self._read: dict[str, PublishDecision] = {}
        self._judged: str | None = None

    @classmethod
    def of(cls, settings: Settings, kind: Kind) -> Registry:
        """Return the registry of a platform."""
        cache = settings.cache_dir / "published"
        return cls(model_store(settings), kind, cache, is_shared=bool(settings.store))

    def read(self) -> RegistryState:
        """Return the current state, empty where nothing was ever published.

        Raises:
            RegistryError: the record is damaged.
            OSError: it cannot be read.
        """
        return self._state(self._decided())

    def path(self, version: str) -> Path:
        """Return the folder of a version, whether or not it exists; in a bucket, of a copy.

        Raises:
            FileNotFoundError: the bucket has no such version.
            OSError: it cannot be read.
        """
        return get_artefact(self._versions, version, self._cache)

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
        """Begin a decision, which is refused in the end where another one changed the champion meanwhile.

        In a folder of this machine a lock tells so at once.

        Raises:
            RegistryError: another process of this machine is deciding.
            OSError: the store cannot be read or written.
        """
        with self._locked():
            self._judged = self.read().champion
            yield

    def add(self, folder: Path) -> Meta:
        """Copy an artefact into the versions, once per version.

        Raises:
            ArtefactError: there is no artefact.
            OSError: it cannot be copied.
        """
        return put_artefact(self._versions, folder, self.kind)

    def decide(
        self, action: Action, version: str, reason: str, comparison: dict[str, Any] | None = None
    ) -> PublishDecision:
        """Record a decision; all but a refusal make the version the champion. Call it while `deciding`.

        Raises:
            RegistryError: there is no such version, the champion changed meanwhile, or the record is damaged.
            OSError: the record cannot be written.
        """
        if action != "refused" and not has_artefact(self._versions, version):
            raise RegistryError(f"there is no {self.kind} version {version} in {self._versions.url}")
        taken: set[str] = set()  # names that a listing of a shared folder may not show yet
        while True:
            decided = sorted({*self._decided(), *taken})
            champion = self._state(decided).champion
            if champion != self._judged:
                raise RegistryError(f"another {self.kind} model was published meanwhile, {champion}: try again")
            now = datetime.now(UTC).isoformat(timespec="seconds")
            decision = PublishDecision(now, action, version, champion, reason, comparison or {})
            content = msgspec.json.format(msgspec.json.encode(decision), indent=2)
            if self._store.create(f"decisions/{_next(decided)}", content):
                break
            taken.add(_next(decided))
        if action != "refused":
            self._judged = version
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

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock a folder of this machine; those that several machines share may not have locks that work."""
        folder = None if self._is_shared else self._store.local()
        if folder is None:
            yield
            return
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RegistryError(f"another {self.kind} model is being published: try again after it") from None
            yield

    def _state(self, decided: Sequence[str]) -> RegistryState:
        """Return the state after these decisions."""
        former = self._former_record()
        decisions = [self._decision(name) for name in decided]
        served = [decision.version for decision in decisions if decision.action != "refused"]
        return RegistryState(served[-1] if served else former.champion, (*former.history, *decisions))

    def _decided(self) -> list[str]:
        """Return the names of the decisions in order."""
        return [name for name in self._store.files("decisions") if name.endswith(".json")]

    def _decision(self, name: str) -> PublishDecision:
        """Return a decision, read once: it never changes."""
        if name not in self._read:
            self._read[name] = self._decoded(f"decisions/{name}", PublishDecision)
        return self._read[name]

    def _former_record(self) -> RegistryState:
        if "record.json" not in self._store.files():
            return RegistryState()
        return self._decoded("record.json", RegistryState)

    def _decoded(self, name: str, form: type[_Form]) -> _Form:
        try:
            return msgspec.json.decode(self._store.read(name), type=form)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            where = f"{self._store.url}/{name}"
            raise RegistryError(f"{where} is damaged ({error}): restore it from a backup, or move it away") from error


def _next(decided: Sequence[str]) -> str:
    """Return the name of the decision after the last one."""
    return f"{int(decided[-1].partition('.')[0]) + 1 if decided else 1:08d}.json"

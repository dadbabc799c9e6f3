"""A trained model on disk: a folder that loads without running code from it.

    weights.safetensors   tensors by name
    meta.json             kind, schema version, configuration, metrics, provenance, and the weights' SHA-256

A process refuses a folder whose kind or schema version differs from its code's, or whose weights do not
match their checksum, and says which.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

WEIGHTS = "weights.safetensors"
META = "meta.json"

_MOST_META_BYTES = 10_000_000
_MOST_WEIGHTS_BYTES = 4_000_000_000

Tensors = dict[str, npt.NDArray[Any]]
Loaded = TypeVar("Loaded")


class ArtefactError(RuntimeError):
    """A folder without an artefact that this code can use; the message says what to do about it."""


class Meta(msgspec.Struct, frozen=True):
    """The metadata of an artefact.

    Attributes:
        kind: kind of model: `ctr` or `policy`.
        schema_version: version of the inputs it was trained on (`features.SCHEMA_VERSION`, `pacing.SCHEMA_VERSION`).
        config: configuration that rebuilds the network.
        metrics: metrics of its training.
        trained_on: description of the data and seed.
        created: UTC time, ISO 8601.
        commit: git commit of the code that trained it, `unknown` outside a checkout.
        sha256: checksum of the weights file.
        version: short digest of weights, kind, inputs and configuration.
    """

    kind: str
    schema_version: str
    config: dict[str, Any]
    metrics: dict[str, float]
    trained_on: str
    created: str
    commit: str
    sha256: str

    @property
    def version(self) -> str:
        """Short digest of this model; weights alone do not suffice, as a policy's levels are configuration."""
        made_of = (self.kind, self.schema_version, self.config, self.sha256)
        return hashlib.sha256(msgspec.json.encode(made_of, order="deterministic")).hexdigest()[:12]


@dataclass(frozen=True)
class Artefact:
    """A loaded artefact: its meta and its tensors."""

    meta: Meta
    tensors: Tensors


def save(
    folder: Path,
    *,
    kind: str,
    schema_version: str,
    tensors: Tensors,
    config: dict[str, Any],
    metrics: dict[str, float],
    trained_on: str,
) -> Meta:
    """Write an artefact; readers see the old folder or the new one, never a mixture.

    Raises:
        OSError: when the folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, draft / WEIGHTS)
        meta = Meta(
            kind=kind,
            schema_version=schema_version,
            config=config,
            metrics=metrics,
            trained_on=trained_on,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=_git_commit(),
            sha256=_sha256(draft / WEIGHTS),
        )
        (draft / META).write_bytes(msgspec.json.format(msgspec.json.encode(meta), indent=2))
        draft.chmod(0o755)
        _replace_folder(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return meta


def load(folder: Path, *, kind: str, schema_version: str) -> Artefact:
    """Read an artefact back.

    Raises:
        ArtefactError: it is missing, damaged, of another kind, or of another schema version.
    """
    meta = read_meta(folder, kind)
    if meta.kind != kind:
        raise ArtefactError(f"{folder} holds a {meta.kind} model, not a {kind} model")
    if meta.schema_version != schema_version:
        raise ArtefactError(
            f"{folder} was trained on inputs of version {meta.schema_version}, this code makes {schema_version}: "
            "train it again (`make models`)"
        )
    try:
        if _sha256(folder / WEIGHTS) != meta.sha256:
            raise ArtefactError(f"{folder / WEIGHTS} does not match its checksum: copy or train it again")
        return Artefact(meta, load_file(folder / WEIGHTS))
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"{folder / WEIGHTS} cannot be read ({error}): copy or train it again") from error


def open_regular(path: Path, most: int = _MOST_WEIGHTS_BYTES) -> BufferedReader:
    """Open a regular file of limited size; refuse a pipe at once, as reading one may block for ever.

    Raises:
        OSError: it cannot be read, or is not a regular file of at most so many bytes.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    told = os.fstat(file.fileno())
    if not stat.S_ISREG(told.st_mode) or told.st_size > most:
        file.close()
        raise OSError(f"{path} is not a regular file of at most {most} bytes")
    return file


def read_regular(path: Path, most: int = _MOST_WEIGHTS_BYTES) -> bytes:
    """Read a regular file of limited size.

    Raises:
        OSError: see `open_regular`.
    """
    with open_regular(path, most) as file:
        return file.read(most)


def below(folder: str, roots: Iterable[Path]) -> Path | None:
    """Return a folder with its links resolved where it lies below one of the roots, else `None`."""
    try:
        found = Path(folder).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None
    is_below = any(found.is_relative_to(root.resolve()) for root in roots)
    return found if is_below and found.is_dir() else None


def read_meta(folder: Path, kind: str = "trained") -> Meta:
    """Return the metadata of an artefact, without reading its weights.

    Raises:
        ArtefactError: it is missing or damaged.
    """
    try:
        return msgspec.json.decode(read_regular(folder / META, _MOST_META_BYTES), type=Meta)
    except (FileNotFoundError, NotADirectoryError):
        raise ArtefactError(f"no {kind} artefact in {folder}: train one (`make models`) or set its folder") from None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArtefactError(f"{folder / META} is damaged ({error}): train it again") from error


def check_inputs(folder: Path, name: str, inputs: Sequence[str]) -> None:
    """Check that an artefact was trained on these inputs, where its configuration names any.

    Args:
        folder: of the artefact.
        name: of the entry in its configuration.
        inputs: those of this code, in order.

    Raises:
        ArtefactError: it was trained on others, or there is none.
    """
    trained_on = read_meta(folder).config.get(name, list(inputs))
    if trained_on != list(inputs):
        raise ArtefactError(f"{folder} was trained on the {name} {', '.join(trained_on)}: train it again")


def pack(folder: Path) -> bytes:
    """Return an artefact's files as bytes, for `load_packed` on another machine; their contents are not checked.

    Raises:
        ArtefactError: a file is missing or cannot be read.
    """
    try:
        return msgspec.msgpack.encode({name: read_regular(folder / name) for name in (META, WEIGHTS)})
    except OSError as error:
        raise ArtefactError(f"{folder} cannot be read ({error}): copy or publish it again") from error


def _unpack(body: bytes, folder: Path) -> None:
    """Write the files of a packed artefact into an existing folder.

    Raises:
        ArtefactError: the bytes are not a packed artefact.
        OSError: the folder cannot be written.
    """
    try:
        files = msgspec.msgpack.decode(body, type=dict[str, bytes])
        contents = [(name, files[name]) for name in (META, WEIGHTS)]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
        raise ArtefactError(f"not a packed artefact ({error}): publish it again") from error
    for name, content in contents:
        (folder / name).write_bytes(content)


def load_packed(body: bytes, load: Callable[[Path], Loaded]) -> Loaded:
    """Load a packed artefact.

    Args:
        body: what `pack` made.
        load: reads the folder, which is gone afterwards and not named in what it raises.

    Raises:
        ArtefactError: these are not the bytes of one, or `load` refuses it.
        OSError: no temporary folder can be written.
    """
    with tempfile.TemporaryDirectory(prefix="raybid-model-") as folder:
        try:
            _unpack(body, Path(folder))
            return load(Path(folder))
        except ArtefactError as error:
            raise ArtefactError(str(error).replace(folder, "it")) from error


def _replace_folder(draft: Path, folder: Path) -> None:
    if not folder.exists():
        draft.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.old.{os.getpid()}")
    folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old)


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_commit() -> str:
    try:
        shown = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return shown.stdout.strip() if shown.returncode == 0 else "unknown"

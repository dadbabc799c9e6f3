"""The folders that models are served from, and what trainings may write there."""

from __future__ import annotations

from pathlib import Path

from rtb.models.registry import RegistryError
from rtb.runtime.settings import Settings
from rtb.store import model_store


def check_folder(settings: Settings, folder: Path) -> None:
    """Raise if a training would write into the published models, which only `publish` may do.

    Raises:
        RegistryError: the folder is one of them, or contains them.
    """
    local = model_store(settings).local()
    if local is None:
        return
    published, folder = local.resolve(), folder.resolve()
    if folder.is_relative_to(published) or published.is_relative_to(folder):
        raise RegistryError(
            f"{folder} holds published models, which only `publish` may write: give another folder with --out"
        )


def is_served(served: Path, folder: Path) -> bool:
    """Return whether a folder is the one that models are served from until one is published."""
    return folder.resolve() == served.resolve()

"""What is measured of a small repository is what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from verification.house import measure, public_attributes

CLASSES = """
@dataclass
class Record:
    one: int
    two: int

class Service:
    kept: int
    def __init__(self):
        self.shown = self._hidden = self.shown_too = 0
    def again(self):
        self.shown = 1
        self.lent.field = 2
    @property
    def told(self): ...
    @functools.cached_property
    def told_once(self): ...
    @property
    def _own(self): ...
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    files = {
        "rtb/__init__.py": "",
        "rtb/service.py": CLASSES,
        "rtb/room/inner.py": "class Small: ...\n",
        "tests/test_one.py": "class T:\n    def f(self):\n        self.a = self.b = self.c = self.d = self.e = 1\n",
        ".venv/other.py": "x = 1\n",
        "build/other.py": "x = 1\n",
        "ARCHITECTURE.md": "# A map\n\nof it\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_class_has_the_attributes_that_it_sets_and_its_properties() -> None:
    assert public_attributes(CLASSES) == {"Record": 0, "Service": 4}


def test_what_is_written_is_measured(repository: Path) -> None:
    assert measure(repository) == {
        "product_lines": CLASSES.count("\n") + 1,
        "test_lines": 3,
        "rtb_root_files": 2,
        "largest_class": "rtb/service.py: Service",
        "largest_class_attributes": 4,
        "architecture_lines": 3,
        "quick_seconds": None,
        "test_seconds": None,
    }


def test_the_seconds_are_those_that_make_noted(repository: Path) -> None:
    (repository / "var" / "seconds").mkdir(parents=True)
    (repository / "var" / "seconds" / "quick").write_text("71\n")
    told = measure(repository)
    assert (told["quick_seconds"], told["test_seconds"]) == (71.0, None)

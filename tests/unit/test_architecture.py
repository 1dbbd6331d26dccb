"""docs/architecture.rst names every room, and no file that is not there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "salt_eventsd"
TEXT = (ROOT / "docs" / "architecture.rst").read_text(encoding="utf-8")


def _names() -> list[str]:
    """``room/file`` as the page writes it, from the package's folder; a path of the repository as it is."""
    found = re.findall(r"``([A-Za-z_.]+/[A-Za-z_./*<>]*)``", TEXT)
    return sorted({name.rstrip("/") for name in found if "NAME" not in name and "<" not in name})


def _is_there(name: str) -> bool:
    patterns = [name] if "." in name.rpartition("/")[2] else [name, f"{name}.py"]
    return any(list(folder.glob(pattern)) for folder in (PACKAGE, ROOT) for pattern in patterns)


def test_a_file_that_is_named_is_there() -> None:
    assert [name for name in _names() if not _is_there(name)] == []


ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def test_every_room_is_named() -> None:
    assert [room for room in ROOMS if f"\n``{room}``" not in TEXT] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_which_file_is_which(room: str) -> None:
    told = (PACKAGE / room / "__init__.py").read_text(encoding="utf-8")
    files = {path.stem for path in (PACKAGE / room).glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in (PACKAGE / room).glob("*/__init__.py")}

    assert [name for name in sorted(files | folders) if not re.search(rf"\b{name}\b", told)] == []

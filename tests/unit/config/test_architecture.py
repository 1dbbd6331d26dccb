"""What docs/architecture.rst sends people to is there, and every room is in it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.docs import ROOT

_PAGE = (ROOT / "docs" / "architecture.rst").read_text(encoding="utf-8")
_PACKAGE = ROOT / "salt_eventsd"
_ROOMS = sorted(one.parent.name for one in _PACKAGE.glob("*/__init__.py"))
#: Paths of files that do not exist: those to be made, and those that stand for several.
_NOT_MEANT = ("NAME", "*", "<")


def _is_there(path: str) -> bool:
    return any((root / end).exists() for root in (_PACKAGE, ROOT) for end in (path, f"{path}.py"))


def test_every_file_it_names_is_there() -> None:
    tops = {*_ROOMS, *(one.name for one in ROOT.iterdir() if one.is_dir())}
    named = {
        path
        for path in re.findall(r"``([\w.<>*-]+(?:/[\w.<>*-]+)+)/?``", _PAGE)
        if Path(path).parts[0] in tops and not any(mark in path for mark in _NOT_MEANT)
    }

    assert len(named) > 50
    assert [path for path in sorted(named) if not _is_there(path)] == []


def test_every_room_is_told() -> None:
    table = _PAGE.partition("\nThe rooms\n")[2].partition("``exceptions`` stands below")[0]

    assert sorted(re.findall(r"^``(\w+)`` ", table, re.MULTILINE)) == _ROOMS


def test_every_room_says_which_file_is_which() -> None:
    untold = []
    for room in _ROOMS:
        text = (_PACKAGE / room / "__init__.py").read_text(encoding="utf-8")
        files = [one.stem for one in (_PACKAGE / room).iterdir() if one.suffix == ".py" and one.stem != "__init__"]
        folders = [one.parent.name for one in (_PACKAGE / room).glob("*/__init__.py")]
        untold += [f"{room}/{name}" for name in (*files, *folders) if not re.search(rf"\b{name}\b", text)]

    assert untold == []

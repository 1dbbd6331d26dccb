"""The rooms of the package: what may import what is checked, and the check sees each kind of wrong import."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "salt_eventsd"
#: More entries than this hide the rooms; a room with more files than this is a heap.
MOST_ENTRIES = 20
MOST_FILES = 20
#: What mypy looks at.
CHECKED = ("salt_eventsd", "_engines", "_eventsd_workers", "_returners", "_runners", "benchmarks", "tests/support")


def _lint_imports(folder: Path) -> "subprocess.CompletedProcess[str]":
    # Not the command of that name: its folder need not be in PATH.
    script = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    return subprocess.run(
        [sys.executable, "-c", script, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _files(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if one.suffix == ".py"]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    shutil.copytree(PACKAGE, tmp_path / "salt_eventsd", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        pytest.param("event/parse.py", "import salt_eventsd.engine.service", "imports only rooms below", id="upwards"),
        pytest.param(
            "bus/gaps.py", "from salt_eventsd.config import structs", "imports only rooms below", id="to a sibling"
        ),
        pytest.param(
            "database/store.py",
            "from salt_eventsd.spool import keep",
            "What writes into a place",
            id="database to spool",
        ),
        pytest.param(
            "backends/options.py", "import salt_eventsd.dispatch.lane", "What writes into a place", id="backend to lane"
        ),
        pytest.param("spool/keep.py", "import salt_eventsd.rules.match", "The spool keeps bytes", id="spool to rules"),
        pytest.param("event/codec.py", "import time", "What an event means", id="a clock in what is pure"),
        pytest.param("workers/write.py", "import salt.loader", "What an event means", id="Salt in the contract"),
        pytest.param("dispatch/run.py", "import sqlalchemy", "SQLAlchemy stays", id="SQLAlchemy in dispatch"),
    ],
)
def test_a_wrong_import_is_found(house: Path, module: str, statement: str, contract: str) -> None:
    # Given
    path = house / "salt_eventsd" / module
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}\n{statement}\n", encoding="utf-8")

    # When
    answer = _lint_imports(house)

    # Then
    broken = [line for line in answer.stdout.splitlines() if line.endswith("BROKEN")]
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert [line for line in broken if line.startswith(contract) or contract in line], answer.stdout


def test_a_room_without_a_place_is_found(house: Path) -> None:
    # Given
    (house / "salt_eventsd" / "attic").mkdir()
    (house / "salt_eventsd" / "attic" / "__init__.py").touch()

    # When
    answer = _lint_imports(house)

    # Then
    assert answer.returncode == 1
    assert "attic" in answer.stdout


def test_the_imports_are_right() -> None:
    # When
    answer = _lint_imports(ROOT)

    # Then
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_no_folder_is_a_heap() -> None:
    # When
    top = [one.name for one in PACKAGE.iterdir() if one.name != "__pycache__"]
    heaps = {
        str(folder.relative_to(PACKAGE)): len(_files(folder))
        for folder in PACKAGE.rglob("*")
        if folder.is_dir() and len(_files(folder)) > MOST_FILES
    }

    # Then
    assert len(top) <= MOST_ENTRIES, sorted(top)
    assert heaps == {}


def test_each_room_says_what_it_does() -> None:
    # When
    silent = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("__init__.py")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]

    # Then
    assert silent == []


def test_whatever_a_check_is_not_to_see_has_its_reason_beside_it() -> None:
    # When
    lines = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in CHECKED
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"# type: ignore\[[^]]*\]\s*$", line)
    ]

    # Then
    assert lines == []

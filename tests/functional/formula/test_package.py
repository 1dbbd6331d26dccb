"""The formula's way with pip: from a wheel and a folder, again, another version, extras, removed, removed again."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.docs import ROOT
from tests.support.formula import environment, wheel

pytestmark = pytest.mark.slow

_DEFAULTS = yaml.safe_load((ROOT / "eventsd" / "defaults.yaml").read_text(encoding="utf-8"))["package"]


class Pip:
    """
    An environment of its own, and the formula's script in it.

    :param folder: where.
    """

    def __init__(self, folder: Path) -> None:
        self.env = environment(folder / "venv")

    def call(self, verb: str, *args: str, **wanted: Any) -> tuple[int, dict[str, Any]]:
        """
        Run the script and return its exit code and what it told.

        :param verb: install or remove.
        :param args: further arguments.
        :param wanted: of ``lookup.package``.
        """
        done = subprocess.run(
            [str(self.env / "bin" / "python"), str(ROOT / "eventsd" / "files" / "package.py"), verb, *args],
            input=json.dumps({**_DEFAULTS, **wanted}),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.stdout, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, told


@pytest.fixture(scope="module")
def pip(tmp_path_factory: pytest.TempPathFactory) -> Pip:
    """An environment without the package."""
    return Pip(tmp_path_factory.mktemp("pip"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two versions; the folder they were built from is beside each."""
    return {version: wheel(tmp_path_factory.mktemp("wheels"), version) for version in ("1.0.0", "1.0.1")}


def test_from_nothing_through_versions_to_nothing(pip: Pip, wheels: dict[str, Path]) -> None:
    # Given nothing, when it is only asked what would happen, then nothing does
    source = str(wheels["1.0.0"])
    assert pip.call("install", "--test", source=source)[1]["comment"].endswith(
        "would be installed: it is not installed"
    )
    # When a wheel is wanted, then it is installed, once
    code, told = pip.call("install", source=source)
    assert (code, told["changed"], told["new"]) == (0, True, "1.0.0"), told
    code, told = pip.call("install", source=source)
    assert (code, told["changed"]) == (0, False), told
    # When another version is wanted, then that replaces it
    code, told = pip.call("install", source=str(wheels["1.0.1"]))
    assert (code, told["old"], told["new"]) == (0, "1.0.0", "1.0.1"), told
    # When the same version is wanted from a folder, then it is taken from there, and again if a file changes
    folder = wheels["1.0.1"].parent / "source"
    assert pip.call("install", source=str(folder))[1]["changed"]
    assert not pip.call("install", source=str(folder))[1]["changed"]
    (folder / "salt_eventsd" / "added.py").write_text("", encoding="utf-8")
    assert "what is installed is not from" in pip.call("install", "--test", source=str(folder))[1]["comment"]
    assert pip.call("install", source=str(folder))[1]["changed"]
    # When the index is enough, then what is there does, unless another version is pinned
    assert not pip.call("install")[1]["changed"]
    assert not pip.call("install", version="1.0.1")[1]["changed"]
    assert "not 1.0.2" in pip.call("install", "--test", version="1.0.2")[1]["comment"]
    # When it is removed, then it is gone, once
    assert pip.call("remove")[1]["old"] == "1.0.1"
    assert not pip.call("remove")[1]["changed"]
    assert pip.call("install", "--test")[1]["comment"].endswith("it is not installed")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        pytest.param(
            {"source": "/nowhere/x-1-py3-none-any.whl"}, "/nowhere/x-1-py3-none-any.whl cannot be had", id="file"
        ),
        pytest.param({"name": "salt-eventsd-no-such"}, "salt-eventsd-no-such cannot be had", id="index"),
        pytest.param({"pip_bin": "/nowhere/pip"}, "lookup.package.pip_bin: there is no program /nowhere/pip", id="pip"),
        pytest.param(
            {"source": "https://me:hunter2@127.0.0.1:9/x-1-py3-none-any.whl", "pip_args": ["--retries", "0"]},
            "//***@127.0.0.1:9/x-1-py3-none-any.whl",
            id="secret-url",
        ),
    ],
)
def test_what_cannot_be_had_is_told(pip: Pip, wanted: dict[str, Any], told: str) -> None:
    # Given a package that cannot be had, when it is wanted, then it is said which, and no password
    code, said = pip.call("install", **wanted)
    assert code == 1
    assert told in said["comment"]
    assert "hunter2" not in said["comment"]


def test_an_environment_without_pip_says_so(pip: Pip, tmp_path: Path) -> None:
    # Given a Python without pip
    pip_folder = next(pip.env.glob("lib/python3*/site-packages/pip"))
    shutil.move(pip_folder, tmp_path / "pip")
    try:
        # When the package is wanted, then it is said what is missing
        code, told = pip.call("install")
    finally:
        shutil.move(tmp_path / "pip", pip_folder)
    assert code == 1
    assert "has no pip: install python3-pip" in told["comment"]

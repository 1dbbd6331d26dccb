"""The sdist has every file of the repository: what a distribution or a reader needs to build, test and read it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.docs import ROOT

_BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
#: What only a repository needs.
_NOT_SHIPPED = {".gitignore"}


def test_an_sdist_has_all_that_the_repository_has(program: Callable[[str, str], str], tmp_path: Path) -> None:
    # Given
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone, so nothing says which files there should be")
    listed = subprocess.run(
        [program("git", "no sdist was looked through"), "ls-files"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    kept = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    checkout, out = tmp_path / "checkout", tmp_path / "out"
    out.mkdir()
    for name in kept:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)

    # When
    subprocess.run([sys.executable, "-c", _BUILD, str(out)], cwd=checkout, check=True, capture_output=True)

    # Then
    [archive] = out.iterdir()
    with tarfile.open(archive) as opened:
        shipped = {name.partition("/")[2] for name in opened.getnames()}
        told = opened.extractfile(f"{archive.name.removesuffix('.tar.gz')}/PKG-INFO")
        described = told.read().decode() if told else ""
    assert kept - _NOT_SHIPPED - shipped == set()
    # A package index shows the README alone, so a link to a file would lead nowhere.
    assert "``docs/configuration.rst``" in described
    assert "<docs/" not in described

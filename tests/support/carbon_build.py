"""
Installs Graphite's carbon on Python 3.12 and newer, where pip cannot install it from the package index.

Carbon 1.1.10, the last release, is on the index as source only. Its ``setup.py`` and its first import need two modules
that Python 3.12 lacks. This module installs carbon into a folder of the checkout that adds both, once for each Python;
carbon's other dependencies are in the extra ``test``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.docs import ROOT

_VERSION = "1.1.10"
# Python imports a module of this name first of all.
_SITECUSTOMIZE = """\
import configparser
import sys
import types

configparser.RawConfigParser.readfp = configparser.RawConfigParser.read_file
sys.modules["imp"] = types.ModuleType("imp")
"""


def build_carbon() -> Path:
    """
    Return the folder with carbon, to be put into ``PYTHONPATH``. Make it if it does not exist.

    :raises RuntimeError: carbon cannot be installed; the error has pip's output.
    """
    folder = ROOT / ".build" / f"carbon-{_VERSION}-python{sys.version_info.major}.{sys.version_info.minor}"
    if folder.exists():
        return folder
    folder.parent.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="carbon-", dir=folder.parent))
    try:
        (made / "sitecustomize.py").write_text(_SITECUSTOMIZE, encoding="utf-8")
        _install(made)
        made.chmod(0o755)
        # Another run of the tests may have made it meanwhile.
        if not folder.exists():
            made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _install(folder: Path) -> None:
    # In an isolated build environment, pip's default, setup.py would not see our modules.
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-build-isolation"]
    command += ["--no-deps", "--target", str(folder), f"carbon=={_VERSION}"]
    # By default, carbon goes into /opt/graphite.
    environment = {**os.environ, "PYTHONPATH": str(folder), "GRAPHITE_NO_PREFIX": "1"}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"pip cannot install carbon:\n{done.stdout[-2000:]}")

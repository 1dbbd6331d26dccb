"""
Graphite's carbon on Python 3.12 and newer, where the package index has it and pip cannot install it.

Carbon 1.1.10, the last one, is there as source alone, whose ``setup.py`` and first import want two things that Python
3.12 has left out. It is installed into a folder of the checkout that brings both back, once for each Python; what it
needs besides is in the extra ``test``.
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
# Python imports a module of this name before anything else.
_SITECUSTOMIZE = """\
import configparser
import sys
import types

configparser.RawConfigParser.readfp = configparser.RawConfigParser.read_file
sys.modules["imp"] = types.ModuleType("imp")
"""


def build_carbon() -> Path:
    """
    Return the folder with carbon in it, which has to be in ``PYTHONPATH``; it is made if it is not there.

    :raises RuntimeError: it cannot be; with what pip said.
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
        # Another run may have made it meanwhile.
        if not folder.exists():
            made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _install(folder: Path) -> None:
    # In an environment of its own, as pip would build it, setup.py would not see ours.
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-build-isolation"]
    command += ["--no-deps", "--target", str(folder), f"carbon=={_VERSION}"]
    # Its own place would be /opt/graphite.
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

"""Where Salt's loader finds this package's modules; the target of the ``salt.loader`` entry point."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from pathlib import Path

log = logging.getLogger(__name__)

#: The kind of our workers, as Salt's loader and file server know it: the folder is ``_eventsd_workers``.
WORKERS_TAG = "eventsd_workers"

#: Salt's name for a kind of module -> the package of ours that holds them.
_KINDS = {
    "engines": "salt_eventsd.engines",
    "returners": "salt_eventsd.returners",
    "runners": "salt_eventsd.runners",
}


def module_dirs() -> dict[str, list[str]]:
    """
    Return the folders Salt's loader shall search, by the kind of module they hold.

    The format (a dict of lists of paths) is that of Salt's ``salt.loader`` entry points.
    """
    # In an editable install that is older than a kind of module, the others are found all the same.
    return {kind: [package_dir(package)] for kind, package in _KINDS.items() if importlib.util.find_spec(package)}


def package_dir(package: str) -> str:
    """
    Return the folder of an installed package.

    :param package: the dotted name; in an editable install its folder is the checkout's ``_engines/`` and the like.
    """
    return str(Path(importlib.import_module(package).__path__[0]).resolve())

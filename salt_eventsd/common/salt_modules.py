"""Where Salt's loader finds this package's modules; the target of the ``salt.loader`` entry point."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from pathlib import Path

log = logging.getLogger(__name__)

#: The kind of our worker modules, as Salt's loader and file server know it. Their folder is ``_eventsd_workers``.
WORKERS_TAG = "eventsd_workers"

#: Salt's name for a kind of module -> our package that holds modules of that kind.
_KINDS = {
    "engines": "salt_eventsd.engines",
    "returners": "salt_eventsd.returners",
    "runners": "salt_eventsd.runners",
}


def module_dirs() -> dict[str, list[str]]:
    """
    Return the folders for Salt's loader to search, by the kind of module they hold.

    The format (a dict of lists of paths) is the one that Salt expects of ``salt.loader`` entry points.
    """
    # In an editable install that is older than a kind of module, the others are found all the same.
    return {kind: [package_dir(package)] for kind, package in _KINDS.items() if importlib.util.find_spec(package)}


def package_dir(package: str) -> str:
    """
    Return the folder of an installed package.

    :param package: its dotted name. In an editable install, the folder is in the checkout, such as ``_engines/``.
    """
    return str(Path(importlib.import_module(package).__path__[0]).resolve())

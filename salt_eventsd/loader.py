"""Where Salt's loader finds this package's modules; the target of the ``salt.loader`` entry point."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import salt.utils.extmods

from salt_eventsd.errors import brief

log = logging.getLogger(__name__)

#: The kind of our workers, as Salt's loader and file server know it: the folder is ``_eventsd_workers``.
WORKERS_TAG = "eventsd_workers"

#: Salt's name for a kind of module -> the package of ours that holds them.
_KINDS = {
    "engines": "salt_eventsd.engines",
    "runners": "salt_eventsd.runners",
}


def module_dirs() -> dict[str, list[str]]:
    """
    Return the folders Salt's loader shall search, by the kind of module they hold.

    The format (a dict of lists of paths) is that of Salt's ``salt.loader`` entry points.
    """
    return {kind: [package_dir(package)] for kind, package in _KINDS.items()}


def package_dir(package: str) -> str:
    """
    Return the folder of an installed package.

    :param package: the dotted name; in an editable install its folder is the checkout's ``_engines/`` and the like.
    """
    return str(Path(importlib.import_module(package).__path__[0]).resolve())


def sync_workers(opts: Mapping[str, Any], saltenv: str = "base") -> list[str]:
    """
    Copy ``_eventsd_workers/`` of the file server to ``extension_modules``, and return the names of what is new.

    :param opts: Salt's options.
    :param saltenv: the environment, or several joined with commas.
    """
    found, _ = salt.utils.extmods.sync(dict(opts), WORKERS_TAG, saltenv=saltenv)
    return [str(name) for name in found]


def sync_workers_quietly(opts: Mapping[str, Any]) -> None:
    """
    Do the same at an engine's start, where it must neither fail nor wait for a network.

    :param opts: Salt's options.
    """
    if opts.get("file_client") != "local" or not _may_have_workers(opts):
        return
    try:
        sync_workers(opts)
    except Exception as exc:
        log.warning("eventsd: own workers could not be copied from the file server: %s", brief(exc))


def _may_have_workers(opts: Mapping[str, Any]) -> bool:
    """Whether the file server may have any; asking it takes the better part of a second, in which nothing is read."""
    if list(opts.get("fileserver_backend") or ["roots"]) != ["roots"]:
        return True
    roots = [str(root) for some in (opts.get("file_roots") or {}).values() for root in some]
    return any("*" in root or "__env__" in root or Path(root, f"_{WORKERS_TAG}").is_dir() for root in roots)

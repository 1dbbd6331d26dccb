"""Sync: copy a user's own worker modules from Salt's file server to where the loader finds them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import salt.utils.extmods

from salt_eventsd.common.salt_modules import WORKERS_TAG
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)


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
    Do the same when an engine starts. There, copying must neither fail nor wait for a network.

    :param opts: Salt's options.
    """
    if opts.get("file_client") != "local" or not _may_have_workers(opts):
        return
    try:
        sync_workers(opts)
    except Exception as exc:
        log.warning("eventsd: workers of your own could not be copied from the file server: %s", one_line(exc))


def _may_have_workers(opts: Mapping[str, Any]) -> bool:
    """Whether the file server may have any. Asking it takes most of a second, during which the bus is not read."""
    if list(opts.get("fileserver_backend") or ["roots"]) != ["roots"]:
        return True
    roots = [str(root) for some in (opts.get("file_roots") or {}).values() for root in some]
    return any("*" in root or "__env__" in root or Path(root, f"_{WORKERS_TAG}").is_dir() for root in roots)

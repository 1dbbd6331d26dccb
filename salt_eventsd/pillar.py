"""
Configuration in pillar: ``pillar: true`` or a minion id merges that minion's compiled pillar ``eventsd:`` under the
master's configuration.

On a master, true means the minion that runs on it. On a minion, true is its own pillar, which it has already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import salt.pillar
import salt.utils.minions

from salt_eventsd.errors import brief, masked
from salt_eventsd.exceptions import ConfigError, Unavailable


def pillar_block(opts: Mapping[str, Any], which: Any) -> Mapping[str, Any]:
    """
    Return ``eventsd:`` of a minion's pillar, {} if there is none.

    :param opts: Salt's options.
    :param which: true or a minion id.
    :raises ConfigError: the pillar cannot be compiled, or its block is no mapping.
    """
    if which is not True and not isinstance(which, str):
        return {}  # of the wrong type, which the check of all keys will say
    if opts.get("__role") == "minion":
        pillar = opts.get("pillar") or {}
    else:
        minion_id = which if isinstance(which, str) else str(opts.get("id", "")).removesuffix("_master")
        pillar = _compiled(opts, minion_id)
    block = pillar.get("eventsd") or {}
    if not isinstance(block, Mapping):
        raise ConfigError([f"eventsd: pillar: expected a mapping under eventsd, got {type(block).__name__}"])
    return block


def _compiled(opts: Mapping[str, Any], minion_id: str) -> Mapping[str, Any]:
    try:
        _, grains, _ = salt.utils.minions.get_minion_data(minion_id, dict(opts))
        # A minion that has never reported has no grains; its id is enough for most of pillar.
        compiler = salt.pillar.Pillar(
            dict(opts), grains or {"id": minion_id, "fqdn": minion_id}, minion_id, opts.get("saltenv") or "base"
        )
        pillar: Mapping[str, Any] = compiler.compile_pillar()
    except Exception as exc:
        raise Unavailable([f"eventsd: pillar: that of {minion_id} cannot be compiled: {brief(exc)}"]) from exc
    if errors := pillar.get("_errors"):
        told = [masked(str(error)) for error in errors]
        raise Unavailable([f"eventsd: pillar: that of {minion_id} cannot be compiled: {error}" for error in told])
    return pillar

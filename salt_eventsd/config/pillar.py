"""
Configuration in pillar. With ``pillar: true`` or a minion id, that minion's compiled pillar ``eventsd:`` is merged
under the master's configuration.

On a master, true means the minion that runs on it. On a minion, true means the minion itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import salt.minion
import salt.pillar
import salt.utils.minions

from salt_eventsd.config.plain import said, without_secrets
from salt_eventsd.exceptions import ConfigError, Unavailable


def pillar_block(opts: Mapping[str, Any], which: Any) -> Mapping[str, Any]:
    """
    Return ``eventsd:`` of a minion's pillar; {} if there is none.

    :param opts: Salt's options.
    :param which: true or a minion id.
    :raises ConfigError: the pillar cannot be compiled, or its block is not a mapping.
    """
    if which is not True and not isinstance(which, str):
        return {}  # the wrong type: the check of all keys reports it
    if opts.get("__role") == "minion":
        pillar = opts.get("pillar") or _own(opts)
    else:
        pillar = _compiled(opts, _minion_id(opts, which))
    block = pillar.get("eventsd") or {}
    if not isinstance(block, Mapping):
        raise ConfigError([f"eventsd: pillar: expected a mapping under eventsd, got {type(block).__name__}"])
    return block


def look_at_pillar(opts: Mapping[str, Any], which: Any) -> tuple[str, list[str], list[str]]:
    """
    Check the pillar that is merged under the configuration. Return what was looked at, the errors, and the warnings.

    :param opts: Salt's options.
    :param which: true or a minion id.
    :raises ConfigError: the pillar cannot be compiled.
    """
    block = pillar_block(opts, which)
    has = f"eventsd, with {', '.join(map(str, block)) or 'nothing in it'}" if block else "no eventsd"
    if opts.get("__role") == "minion":
        odd = [] if block else ["eventsd: pillar: this minion's pillar has no eventsd"]
        return f"this minion's own: {has}", [], odd
    minion_id = _minion_id(opts, which)
    told = f"of minion {minion_id}: {has}"
    if _is_known(opts, minion_id):
        return told, [], [] if block else [f"eventsd: pillar: that of minion {minion_id} has no eventsd"]
    strange = f"eventsd: pillar: no minion {minion_id!r} has been accepted by this master or has grains in its cache"
    if block:
        return told, [], [f"{strange}; its pillar is made of its id alone"]
    wrong = f"{strange}, and its pillar has no eventsd; expected true, or the id of a minion that has one"
    return told, [wrong], []


def _minion_id(opts: Mapping[str, Any], which: Any) -> str:
    return which if isinstance(which, str) else str(opts.get("id", "")).removesuffix("_master")


def _is_known(opts: Mapping[str, Any], minion_id: str) -> bool:
    accepted = os.path.join(str(opts.get("pki_dir") or ""), "minions", minion_id)
    return os.path.isfile(accepted) or bool(salt.utils.minions.get_minion_data(minion_id, dict(opts))[1])


def _own(opts: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Compile a minion's own pillar, by its master or from its own disk. Salt starts the engines of a minion before it has
    asked for the pillar, and the pillar it got later is old at a reload.
    """
    masters = opts.get("master")
    is_local = opts.get("file_client") == "local"
    if not is_local and not os.path.isfile(os.path.join(str(opts.get("pki_dir")), "minion_master.pub")):
        # The minion may be making its keys now, and a second process that makes them at the same time would break them.
        raise Unavailable(["eventsd: pillar: this minion's master has not accepted it yet"])
    error: Exception | None = None
    for master in masters if isinstance(masters, list) and not is_local else [masters]:
        full = {**opts, "master": master}
        try:
            if not is_local and (isinstance(masters, list) or "master_uri" not in full):
                full.update(salt.minion.prep_ip_port(full))
                full.update(salt.minion.resolve_dns(full, fallback=False))
            compiler = salt.pillar.get_pillar(
                full,
                full.get("grains") or {"id": full["id"]},
                full["id"],
                full.get("saltenv"),
                pillarenv=full.get("pillarenv"),
            )
            return _right(compiler.compile_pillar(), str(full["id"]))
        except Unavailable:
            raise
        except (Exception, SystemExit) as exc:
            # Salt raises SystemExit where it cannot find a master.
            error = exc if isinstance(exc, Exception) else OSError(f"no master at {master}")
    raise Unavailable([f"eventsd: pillar: this minion's own cannot be had: {said(error or OSError('no master'))}"])


def _compiled(opts: Mapping[str, Any], minion_id: str) -> Mapping[str, Any]:
    try:
        _, grains, _ = salt.utils.minions.get_minion_data(minion_id, dict(opts))
        # The master has no grains of a minion that has never reported. Its id is enough for most pillars.
        compiler = salt.pillar.Pillar(
            dict(opts), grains or {"id": minion_id, "fqdn": minion_id}, minion_id, opts.get("saltenv") or "base"
        )
        pillar = compiler.compile_pillar()
    except Exception as exc:
        raise Unavailable([f"eventsd: pillar: that of {minion_id} cannot be compiled: {said(exc)}"]) from exc
    return _right(pillar, minion_id)


def _right(pillar: Mapping[str, Any], minion_id: str) -> Mapping[str, Any]:
    if errors := pillar.get("_errors"):
        told = [without_secrets(str(error)) for error in errors]
        raise Unavailable([f"eventsd: pillar: that of {minion_id} cannot be compiled: {error}" for error in told])
    return pillar

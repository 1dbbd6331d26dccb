"""
Salt's options, and what in them is ours: ``eventsd:``, what stands under ``engines:``, pillar's, and values in SDB.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import salt.config
import salt.utils.dictupdate

from salt_eventsd.config.checks import CACHEDIR
from salt_eventsd.config.plain import plain, said
from salt_eventsd.config.sources import read_sources
from salt_eventsd.exceptions import ConfigError, Unavailable

#: Options that Salt finds out when it starts, and that no file holds.
_FOUND_OUT = ("grains", "proxy", "master_ip", "master_uri")


def fresh_opts(opts: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return Salt's options as they are on disk now.

    :param opts: the options that Salt started with.
    :raises ConfigError: a file cannot be read, or is not YAML.
    """
    path = str(opts.get("conf_file") or "")
    is_master = opts.get("__role", "master") == "master"
    try:
        if path:
            # Salt treats a file that is missing, or that it may not read, as an empty one.
            with open(path, "rb"):
                pass
        # Salt would name a broken file only in the log, and would not check included files at all.
        if broken := [one for one in read_sources(opts)[0] if one.problem]:
            raise ConfigError([f"eventsd: {one.path}: {one.problem}" for one in broken])
        found: dict[str, Any]
        if is_master:
            found = salt.config.master_config(path, exit_on_config_errors=True)
        else:
            # Without an id, Salt would ask name servers for one.
            found = salt.config.minion_config(path, ignore_config_errors=False, minion_id=opts.get("id"))
    except ConfigError:
        raise
    except SystemExit as exc:
        # Salt ends a program that has such a configuration. It has said in the log what is wrong.
        raise ConfigError([f"eventsd: {path}: it, or a file it includes, is not YAML; the log says where"]) from exc
    except Exception as exc:
        raise ConfigError([f"eventsd: {path} cannot be read: {said(exc)}"]) from exc
    kept = {key: opts[key] for key in _FOUND_OUT if key in opts}
    return {**kept, **found, "__role": opts.get("__role", "master")}


def merged(opts: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """
    Return ``eventsd:`` with the engine's own options merged over it, and both over pillar's if ``pillar`` is set, as
    plain data and unchecked.

    :param opts: Salt's options.
    :param given: the engine's own options; None means those under ``engines:``.
    """
    result = without_pillar(opts, given)
    if which := result.get("pillar"):
        # Half of Salt comes along.
        from salt_eventsd.config.pillar import pillar_block

        result = salt.utils.dictupdate.update(plain(pillar_block(opts, which), "pillar"), result)
    if not _asks_sdb(result):
        # Salt's options cost more to copy than all else here.
        return result
    try:
        resolved: dict[str, Any] = salt.config.apply_sdb(dict(opts), result)
    except Exception as exc:
        raise Unavailable([f"eventsd: a value in SDB cannot be looked up: {said(exc)}"]) from exc
    return resolved


def _asks_sdb(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_asks_sdb, value.values()))
    if isinstance(value, list):
        return any(map(_asks_sdb, value))
    return isinstance(value, str) and value.startswith("sdb://")


def pillar_key(opts: Mapping[str, Any]) -> Any:
    """
    Return the configuration's key ``pillar``, without looking up any pillar.

    :param opts: Salt's options.
    """
    return without_pillar(opts).get("pillar")


def without_pillar(opts: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """
    Return ``eventsd:`` with the engine's own options merged over it, and nothing of pillar's.

    :param opts: Salt's options.
    :param given: as for :func:`merged`.
    :raises ConfigError: one of the two is no mapping.
    """
    block = block_of(opts)
    over = plain(given if given is not None else _under_engines(opts.get("engines")), "engines")
    return salt.utils.dictupdate.update(block, over) if over else block


def block_of(opts: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return ``eventsd:`` alone, as plain data.

    :param opts: Salt's options.
    :raises ConfigError: it is no mapping.
    """
    given = opts.get("eventsd")
    block = plain({} if given is None else given)
    if not isinstance(block, dict):
        raise ConfigError([f"eventsd: expected a mapping, got {type(block).__name__}"])
    return block


def engines_of(engines: Any) -> list[Mapping[str, Any]]:
    """
    Return the options of each of our engines under ``engines:``; {} for an engine without options.

    :param engines: the block, a list or a mapping.
    :raises ConfigError: the options of one are not a mapping.
    """
    entries: list[tuple[Any, Any]] = []
    if isinstance(engines, Mapping):
        entries = list(engines.items())
    elif isinstance(engines, Iterable) and not isinstance(engines, str):
        for one in engines:
            entries += one.items() if isinstance(one, Mapping) else [(one, None)]
    found: list[Mapping[str, Any]] = []
    for name, options in entries:
        if name == "eventsd" and options and not isinstance(options, Mapping):
            kind = type(options).__name__
            raise ConfigError([f"eventsd: engines: expected a mapping of the engine's options, got {kind}"])
        own = options if isinstance(options, Mapping) else {}
        if own.get("engine_module", name) == "eventsd":
            found.append({key: value for key, value in own.items() if key != "engine_module"})
    return found


def _under_engines(engines: Any) -> Mapping[str, Any]:
    return next((one for one in engines_of(engines) if one), {})


def placed(value: Any, cachedir: str) -> Any:
    """
    Return an option with the place that ``<cachedir>`` stands for.

    :param value: a path or URL; what is no text comes back as it is.
    :param cachedir: the master's (or minion's) folder.
    """
    return value.replace(CACHEDIR, cachedir.rstrip(os.sep)) if isinstance(value, str) else value

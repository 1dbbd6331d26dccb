"""
Read the configuration from Salt's options, and report all its errors at once.

Each problem is one line that names the key: ``eventsd: events.returns.tag: missing ), unterminated subpattern at 9 in
'salt/job/(\\\\d+'``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import salt.config
import salt.utils.dictupdate

from salt_eventsd.common import logins
from salt_eventsd.config.checks import CACHEDIR, is_path
from salt_eventsd.config.events import DEFAULT_WORKER, read_events
from salt_eventsd.config.explain import convert
from salt_eventsd.config.pillar import pillar_block
from salt_eventsd.config.plain import plain, said, without_empty
from salt_eventsd.config.sources import read_sources
from salt_eventsd.config.structs import OF_ANY_WORKER, Config, General, WorkerConfig
from salt_eventsd.exceptions import ConfigError, Unavailable

#: Where the worker ``history`` writes if neither it nor ``defaults`` names a database.
_DEFAULT_URL = f"sqlite:///{CACHEDIR}/eventsd/history.db"
#: Keys that say where a database is, and keys that have a meaning only beside those.
_DATABASE = ("url", "driver", "host", "database")
_LOGIN = ("port", "user", "password")
#: Options that Salt finds out when it starts, and that no file holds.
_FOUND_OUT = ("grains", "proxy", "master_ip", "master_uri")


def load(opts: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> Config:
    """
    Return the configuration of a master or minion.

    :param opts: Salt's options. This reads ``eventsd:`` in them, and merges the options under ``engines:`` over it.
    :param given: the options that Salt passed to the engine from ``engines:``. With None, this looks them up in
        ``opts``, so that a runner sees the same configuration as the engine.
    :raises ConfigError: the configuration is wrong; the error has every problem found.
    """
    try:
        return _load(opts, given)
    except ConfigError:
        raise
    except Exception as exc:
        # An error that no check has foreseen is an error in the configuration, too. It must not end the engine or a
        # runner.
        raise ConfigError([f"eventsd: the configuration cannot be read: {said(exc)}"]) from exc


def _load(opts: Mapping[str, Any], given: Mapping[str, Any] | None) -> Config:
    raw = merged(opts, given)
    # The formula's own settings, which come along where pillar is merged in.
    raw.pop("lookup", None)
    problems: list[str] = []
    for section in ("workers", "events", "defaults"):
        if not isinstance(raw.get(section) or {}, Mapping):
            problems.append(f"eventsd: {section}: expected a mapping, got {type(raw[section]).__name__}")
            raw[section] = {}
    defaults = dict(raw.pop("defaults", None) or {})
    if problems:
        # The names in the rules could not be checked without these sections.
        raise ConfigError(problems)
    raw_workers = raw.pop("workers", None) or {DEFAULT_WORKER: {}}
    workers = _workers(raw_workers, defaults, problems)
    for worker in workers.values():
        logins.note({**worker.defaults, **worker.options})
    names = [str(name) for name in raw_workers]
    counting = [name for name in names if name in workers and workers[name].module == "stats"]
    events = read_events(raw.pop("events", None) or {}, names, counting, problems)
    # An empty block, or one with all its lines commented out, counts as missing.
    raw = {key: without_empty(value) for key, value in without_empty(raw).items()}
    for key, value in raw.items():
        # One by one, so that all errors are reported at once.
        convert({key: value}, General, "", problems, others=("workers", "events", "defaults"))
    general = None if problems else convert(raw, General, "", problems)
    if general is not None:
        problems += _wrong_job_cache(general, workers)
    if problems or general is None:
        raise ConfigError(problems)
    cachedir = str(opts.get("cachedir") or "/var/cache/salt/master")
    return Config(
        general=msgspec.structs.replace(
            general,
            spool=msgspec.structs.replace(general.spool, dir=placed(general.spool.dir, cachedir)),
            state_file=placed(general.state_file, cachedir),
            # Only a master of masters has syndics below it.
            syndics=opts.get("order_masters") if general.syndics is None else general.syndics,
            # Without a cluster nobody copies events, and a minion that marks its own as copies must not hide them.
            peers=general.peers if opts.get("cluster_id") else "take",
        ),
        workers={
            name: msgspec.structs.replace(
                worker,
                options={key: placed(value, cachedir) for key, value in worker.options.items()},
                defaults={key: placed(value, cachedir) for key, value in worker.defaults.items()},
            )
            for name, worker in workers.items()
        },
        events={
            name: msgspec.structs.replace(rule, ignore=(*rule.ignore, *general.ignore)) for name, rule in events.items()
        },
    )


def _wrong_job_cache(general: General, workers: Mapping[str, WorkerConfig]) -> list[str]:
    named = general.job_cache.worker
    there = [name for name, worker in workers.items() if worker.module == "sql"]
    if named is None or named in there:
        return []
    listed = f"expected one of {', '.join(there)}" if there else "there is none"
    return [f"eventsd: job_cache.worker: {named!r} is no sql worker; {listed}"]


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
    result = _without_pillar(opts, given)
    if which := result.get("pillar"):
        result = salt.utils.dictupdate.update(plain(pillar_block(opts, which), "pillar"), result)
    try:
        resolved: dict[str, Any] = salt.config.apply_sdb(dict(opts), result)
    except Exception as exc:
        raise Unavailable([f"eventsd: a value in SDB cannot be looked up: {said(exc)}"]) from exc
    return resolved


def pillar_key(opts: Mapping[str, Any]) -> Any:
    """
    Return the configuration's key ``pillar``, without looking up any pillar.

    :param opts: Salt's options.
    """
    return _without_pillar(opts, None).get("pillar")


def _without_pillar(opts: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    block = _block(opts)
    over = plain(given if given is not None else _under_engines(opts.get("engines")), "engines")
    return salt.utils.dictupdate.update(block, over) if over else block


def _block(opts: Mapping[str, Any]) -> dict[str, Any]:
    given = opts.get("eventsd")
    block = plain({} if given is None else given)
    if not isinstance(block, dict):
        raise ConfigError([f"eventsd: expected a mapping, got {type(block).__name__}"])
    return block


def state_file(opts: Mapping[str, Any]) -> str:
    """
    Return the path of the engine's state file, even if the config is wrong: the default path if the config has none.

    :param opts: Salt's options.
    """
    value = None
    readers: tuple[Callable[[], dict[str, Any]], ...] = (
        lambda: merged(opts),
        lambda: _without_pillar(opts, None),
        lambda: _block(opts),
    )
    for read in readers:
        try:
            value = read().get("state_file")
            break
        except Exception:
            # The next reader may still find the path. The check of the configuration reports the error.
            continue
    path = value if isinstance(value, str) and is_path(value) else General().state_file
    return str(placed(path, str(opts.get("cachedir") or "/var/cache/salt/master")))


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


def _workers(raw: Mapping[Any, Any], defaults: dict[str, Any], problems: list[str]) -> dict[str, WorkerConfig]:
    common = without_empty({key: defaults.pop(key) for key in OF_ANY_WORKER if key in defaults})
    workers = {}
    for name, entry in raw.items():
        where = f"workers.{name}"
        if entry is None:
            entry = {}
        if not isinstance(entry, Mapping):
            problems.append(f"eventsd: {where}: expected a mapping, got {type(entry).__name__}")
            continue
        known = {**common, **without_empty({key: entry[key] for key in OF_ANY_WORKER if key in entry})}
        if isinstance(known.get("batch"), Mapping):
            shared = common.get("batch")
            known["batch"] = without_empty({**(shared if isinstance(shared, Mapping) else {}), **known["batch"]})
        own = {key: value for key, value in entry.items() if key not in OF_ANY_WORKER}
        if str(name) == DEFAULT_WORKER and known.get("module", "sql") == "sql" and _is_only_tuned(own, defaults):
            own["url"] = _DEFAULT_URL
        # A worker that names its database takes no URL from the defaults.
        inherited = {key: value for key, value in defaults.items() if not (key == "url" and _names_database(own))}
        struct = convert({**known, "options": own, "defaults": inherited}, WorkerConfig, where, problems)
        if struct is not None:
            workers[str(name)] = struct
    return workers


def _is_only_tuned(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Say whether the built-in worker has only options such as limits, and nothing names its database."""
    return not (any(own.get(key) is not None for key in (*_DATABASE, *_LOGIN)) or _names_database(defaults))


def _names_database(options: Mapping[str, Any]) -> bool:
    return any(options.get(key) is not None for key in _DATABASE)


def placed(value: Any, cachedir: str) -> Any:
    """
    Return an option with the place that ``<cachedir>`` stands for.

    :param value: a path or URL; what is no text comes back as it is.
    :param cachedir: the master's (or minion's) folder.
    """
    return value.replace(CACHEDIR, cachedir.rstrip(os.sep)) if isinstance(value, str) else value

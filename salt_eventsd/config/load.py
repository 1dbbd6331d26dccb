"""
Read the configuration from Salt's options, and report all its errors at once.

Each problem is one line that names the key: ``eventsd: events.returns.tag: missing ), unterminated subpattern at 9 in
'salt/job/(\\\\d+'``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from salt_eventsd.common import logins
from salt_eventsd.config.checks import CACHEDIR, is_path
from salt_eventsd.config.events import DEFAULT_WORKER, read_events
from salt_eventsd.config.explain import convert
from salt_eventsd.config.options import block_of, merged, placed, without_pillar
from salt_eventsd.config.plain import said, without_empty
from salt_eventsd.config.structs import OF_ANY_WORKER, Config, General, WorkerConfig
from salt_eventsd.exceptions import ConfigError

#: Where the worker ``history`` writes if neither it nor ``defaults`` names a database.
_DEFAULT_URL = f"sqlite:///{CACHEDIR}/eventsd/history.db"
#: Keys that say where a database is, and keys that have a meaning only beside those.
_DATABASE = ("url", "driver", "host", "database")
_LOGIN = ("port", "user", "password")


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


def state_file(opts: Mapping[str, Any]) -> str:
    """
    Return the path of the engine's state file, even if the config is wrong: the default path if the config has none.

    :param opts: Salt's options.
    """
    value = None
    readers: tuple[Callable[[], dict[str, Any]], ...] = (
        lambda: merged(opts),
        lambda: without_pillar(opts),
        lambda: block_of(opts),
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

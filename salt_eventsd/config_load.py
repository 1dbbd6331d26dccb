"""
Read the configuration out of Salt's options, and say all that is wrong with it at once.

Each problem is one line that names the key: ``eventsd: events.returns.tag: missing ), unterminated subpattern at 9 in
'salt/job/(\\\\d+'``.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
import salt.config
import salt.utils.dictupdate

from salt_eventsd.config import Config, EventRule, General, Size, WorkerConfig, default_events
from salt_eventsd.exceptions import ConfigError

Struct = TypeVar("Struct", bound=msgspec.Struct)

_CACHEDIR = "<cachedir>"
_AT = re.compile(r" - at `\$(.*)`\Z")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_OWN_KEY = re.compile(r"([a-z_]+(?:\[\d+\]|\.[^:]+)?): (.*)\Z", re.DOTALL)
#: msgspec's words for what YAML calls otherwise.
_WORDS = (("object", "mapping"), ("array", "list"), ("str", "text"), ("int", "number"), ("float", "number"))
#: The worker a config without ``workers`` gets, and the database it writes into.
_DEFAULT_WORKER = "history"
_DEFAULT_URL = f"sqlite:///{_CACHEDIR}/eventsd/history.db"


def load(opts: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> Config:
    """
    Return the configuration of a master or minion.

    :param opts: Salt's options; ``eventsd:`` in them is read, and what stands under ``engines:`` is merged over it.
    :param given: what Salt handed to the engine from ``engines:``; looked up in ``opts`` where it is None, which is
        how a runner sees the same configuration as the engine.
    :raises ConfigError: with every problem found.
    """
    raw = merged(opts, given)
    problems: list[str] = []
    for section in ("workers", "events", "defaults"):
        if not isinstance(raw.get(section) or {}, Mapping):
            problems.append(f"eventsd: {section}: expected a mapping, got {type(raw[section]).__name__}")
            raw[section] = {}
    defaults = dict(raw.pop("defaults", None) or {})
    if problems:
        # Whatever the rules name could not be found.
        raise ConfigError(problems)
    raw_workers = raw.pop("workers", None) or {_DEFAULT_WORKER: {}}
    workers = _workers(raw_workers, defaults, problems)
    events = _events(raw.pop("events", None) or {}, [str(name) for name in raw_workers], problems)
    for key, value in raw.items():
        # One by one, so that all that is wrong is told at once.
        _convert({key: value}, General, "", problems, others=("workers", "events", "defaults"))
    general = None if problems else _convert(raw, General, "", problems)
    if problems or general is None:
        raise ConfigError(problems)
    cachedir = str(opts.get("cachedir") or "/var/cache/salt/master")
    return Config(
        general=msgspec.structs.replace(
            general,
            spool=msgspec.structs.replace(general.spool, dir=_placed(general.spool.dir, cachedir)),
            state_file=_placed(general.state_file, cachedir),
        ),
        workers={
            name: msgspec.structs.replace(
                worker,
                options={key: _placed(value, cachedir) for key, value in worker.options.items()},
                defaults={key: _placed(value, cachedir) for key, value in worker.defaults.items()},
            )
            for name, worker in workers.items()
        },
        events=events,
    )


def merged(opts: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """
    Return ``eventsd:`` with the engine's own options merged over it, as plain data and unchecked.

    :param opts: Salt's options.
    :param given: the engine's own options, looked up under ``engines:`` where None.
    """
    block = _plain(opts.get("eventsd") or {})
    over = _plain(given if given is not None else _under_engines(opts.get("engines")))
    if not isinstance(block, dict):
        raise ConfigError([f"eventsd: expected a mapping, got {type(block).__name__}"])
    result: dict[str, Any] = salt.utils.dictupdate.update(block, over) if over else block
    resolved: dict[str, Any] = salt.config.apply_sdb(dict(opts), result)
    return resolved


def state_file(opts: Mapping[str, Any]) -> str:
    """
    Return where the engine keeps its state file, even if the rest of the config is wrong.

    :param opts: Salt's options.
    """
    try:
        value = merged(opts).get("state_file")
    except ConfigError:
        value = None
    path = value if isinstance(value, str) and value else General().state_file
    return str(_placed(path, str(opts.get("cachedir") or "/var/cache/salt/master")))


def _under_engines(engines: Any) -> Mapping[str, Any]:
    entries = engines.items() if isinstance(engines, Mapping) else []
    if isinstance(engines, Iterable) and not isinstance(engines, (str, Mapping)):
        entries = [pair for one in engines if isinstance(one, Mapping) for pair in one.items()]
    for name, options in entries:
        if isinstance(options, Mapping) and options.get("engine_module", name) == "eventsd":
            return {key: value for key, value in options.items() if key != "engine_module"}
    return {}


def _workers(raw: Mapping[Any, Any], defaults: dict[str, Any], problems: list[str]) -> dict[str, WorkerConfig]:
    entries = dict(raw)
    if entries == {_DEFAULT_WORKER: {}} and not _names_database(defaults):
        entries = {_DEFAULT_WORKER: {"url": _DEFAULT_URL}}
    common = {key: defaults.pop(key) for key in ("module", "batch", "concurrency") if key in defaults}
    workers = {}
    for name, entry in entries.items():
        where = f"workers.{name}"
        if entry is None:
            entry = {}
        if not isinstance(entry, Mapping):
            problems.append(f"eventsd: {where}: expected a mapping, got {type(entry).__name__}")
            continue
        own = {**common, **entry}
        known = {key: own.pop(key) for key in ("module", "batch", "concurrency") if key in own}
        # A worker that says where its database is takes no part of that from the defaults.
        inherited = {key: value for key, value in defaults.items() if not (key == "url" and _names_database(own))}
        struct = _convert({**known, "options": own, "defaults": inherited}, WorkerConfig, where, problems)
        if struct is not None:
            workers[str(name)] = struct
    return workers


def _names_database(options: Mapping[str, Any]) -> bool:
    return any(key in options for key in ("url", "host", "database"))


def _events(raw: Mapping[Any, Any], workers: list[str], problems: list[str]) -> dict[str, EventRule]:
    if not raw:
        target = workers[0] if len(workers) == 1 else _DEFAULT_WORKER
        if target not in workers:
            problems.append(
                f"eventsd: events: missing; with several workers ({', '.join(workers)}) "
                "say which events each gets, or name one of them history"
            )
        return default_events(target)
    events = {}
    for name, entry in raw.items():
        where = f"events.{name}"
        rule = _convert(entry, EventRule, where, problems)
        if rule is None:
            continue
        if not (rule.tag or rule.tag_glob):
            problems.append(f"eventsd: {where}.tag: missing; expected a regular expression such as salt/job/\\d+/ret/")
        if not rule.workers and len(workers) == 1:
            rule = msgspec.structs.replace(rule, worker=workers[0])
        _aimless(rule, where, False, workers, problems)
        _known_workers(rule, where, workers, problems)
        events[str(name)] = rule
    return events


def _known_workers(rule: EventRule, where: str, workers: list[str], problems: list[str]) -> None:
    problems.extend(
        f"eventsd: {where}.worker: no worker {name!r} under workers; there is {_listed(workers)}{_meant(name, workers)}"
        for name in rule.workers
        if name not in workers
    )
    for key, sub in rule.subs.items():
        _known_workers(sub, f"{where}.subs.{key}", workers, problems)


def _aimless(rule: EventRule, where: str, inherits: bool, workers: list[str], problems: list[str]) -> None:
    """A rule needs a worker of its own or its parent's, unless it is there for its sub-events."""
    if not (rule.workers or inherits or rule.subs):
        problems.append(f"eventsd: {where}.worker: missing; expected one or several of {_listed(workers)}")
    for key, sub in rule.subs.items():
        _aimless(sub, f"{where}.subs.{key}", bool(rule.workers) or inherits, workers, problems)


def _convert(
    value: Any, kind: type[Struct], where: str, problems: list[str], others: tuple[str, ...] = ()
) -> Struct | None:
    """Convert plain data into a struct; a problem is added to ``problems`` with the key it is at."""
    try:
        return msgspec.convert(value, kind, dec_hook=_hook)
    except msgspec.ValidationError as exc:
        message, path = str(exc), ""
        if at := _AT.search(message):
            message, path = message[: at.start()], _readable(at[1], value)
        key = ".".join(part for part in (where, path) if part)
        if unknown := _UNKNOWN.fullmatch(message):
            known = [*_fields_at(kind, path), *(others if not path else ())]
            key = ".".join(part for part in (key, unknown[1]) if part)
            message = f"unknown key; known are {', '.join(sorted(known))}{_meant(unknown[1], known)}"
        elif own := _OWN_KEY.fullmatch(message):
            # Raised by a struct about one of its own keys.
            key, message = ".".join(part for part in (key, own[1]) if part), own[2]
        else:
            message = _yaml_words(message[:1].lower() + message[1:].replace("`", ""))
        problems.append(f"eventsd: {key}: {message}" if key else f"eventsd: {message}")
        return None


def _yaml_words(message: str) -> str:
    for word, plain in _WORDS:
        message = re.sub(rf"\b{word}\b", plain, message)
    return message


def _hook(kind: type, value: Any) -> Any:
    if kind is Size:
        return Size.read(value)
    raise NotImplementedError(kind)


def _readable(path: str, value: Any) -> str:
    """
    Turn msgspec's path, in which a mapping's own keys all read ``[...]``, into the keys of the config.

    The first key whose value does not fit is the one that is meant, so each candidate is tried in turn.
    """
    parts = re.findall(r"\.([A-Za-z_]\w*)|\[(\d+)\]|(\[\.\.\.\])", path)
    keys: list[str] = []
    for name, index, _any in parts:
        if name:
            keys.append(name)
            value = value.get(name) if isinstance(value, Mapping) else None
        elif index:
            keys[-1:] = [f"{keys[-1]}[{index}]"] if keys else [f"[{index}]"]
            value = value[int(index)] if isinstance(value, list) else None
        elif isinstance(value, Mapping):
            for key, one in value.items():
                if not (isinstance(one, str) if keys[-1:] == ["functions"] else _fits(one)):
                    keys.append(str(key))
                    value = one
                    break
    return ".".join(keys)


def _fits(value: Any) -> bool:
    """The only mapping whose keys are the user's and whose values can be wrong is one of rules."""
    try:
        msgspec.convert(value, EventRule, dec_hook=_hook)
    except msgspec.ValidationError:
        return False
    return True


def _fields_at(kind: type[msgspec.Struct], path: str) -> list[str]:
    current: Any = kind
    for part in path.split(".") if path else []:
        field = next((one for one in msgspec.structs.fields(current) if one.name == part), None)
        if field is None:
            continue  # a rule's own name: the struct behind it is the same
        inner = [one for one in (field.type, *getattr(field.type, "__args__", ())) if _is_struct(one)]
        current = inner[0] if inner else current
    return [one.encode_name for one in msgspec.structs.fields(current)]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _meant(word: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(word), list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _placed(value: Any, cachedir: str) -> Any:
    """``<cachedir>`` in a path or URL is the master's (or minion's) cachedir."""
    return value.replace(_CACHEDIR, cachedir.rstrip(os.sep)) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """Salt hands out mappings of several kinds; msgspec and dictupdate want plain ones, and copies."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value

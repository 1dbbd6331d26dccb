"""
The configuration of a writer: a file in the words of the engine's, and ``source``, which says where parcels come from.

The engine's own checks find what is wrong with ``workers``, ``events`` and the rest.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import salt.config

from salt_eventsd.backends.broker.jetstream.options import Source
from salt_eventsd.common import logins
from salt_eventsd.config.checks import CACHEDIR
from salt_eventsd.config.explain import explain, meant
from salt_eventsd.config.load import load
from salt_eventsd.config.options import merged
from salt_eventsd.config.plain import without_empty
from salt_eventsd.config.servers import read_secret
from salt_eventsd.config.sources import misplaced, read_file
from salt_eventsd.config.structs import Config
from salt_eventsd.exceptions import ConfigError

#: What ``<cachedir>`` stands for.
FOLDER = "/var/cache/salt-eventsd"
#: The keys that a writer has besides ``source``, ``workers`` and ``events``.
_GENERAL = ("max_workers", "state_file", "state_timer", "metrics", "redact")
_KNOWN = ("source", "workers", "events", "defaults", *_GENERAL)
#: Keys of the engine that a writer, which has no bus and no spool, cannot follow.
_ENGINE_ONLY = ("spool", "repair", "forged", "peers", "syndics", "pillar", "ignore", "job_cache")
_NO_BATCH = "has no effect in a writer, which writes each parcel as a master has made it; it counts on the masters"
_NOT_HERE = "central sends to writers; name the place that the events go to, such as module: sql"


@dataclass(frozen=True)
class WriterConfig:
    """
    A writer's configuration, checked.

    :param source: where parcels come from.
    :param config: the rest, as the engine has it; its rules are those with a table or a statement of the user's own.
    :param opts: what stands for Salt's options, for worker modules and their loader.
    :param notes: what is right and has no effect here, a line each.
    """

    source: Source
    config: Config
    opts: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def read(path: str) -> WriterConfig:
    """
    Return the configuration in a file.

    :param path: the file's.
    :raises ConfigError: it is wrong; the error has every problem found.
    """
    opts = options(path)
    block = merged(opts, {})
    problems = [f"eventsd: {key}: {_unknown(str(key))}" for key in block if key not in _KNOWN]
    source = _source(block.pop("source", None), problems)
    workers = block.get("workers")
    if not workers:
        problems.append("eventsd: workers: missing; expected a worker such as history: {module: sql, url: ...}")
    given = {key: value for key, value in block.items() if key in _KNOWN}
    given.setdefault("state_file", f"{CACHEDIR}/{Path(path).stem}.status.json")
    if isinstance(workers, Mapping) and not given.get("events"):
        # Only rules that say how to write their events matter here. If there is none, one that takes nothing stands in.
        given["events"] = {"none": {"tag": r"\Z.", "worker": [str(name) for name in workers]}}
    config = None
    try:
        config = load({**opts, "eventsd": given}, {}) if workers else None
    except ConfigError as exc:
        problems += exc.problems
    if config is not None:
        problems += [
            f"eventsd: workers.{name}.module: {_NOT_HERE}"
            for name, worker in config.workers.items()
            if worker.module == "central"
        ]
    if problems or config is None or source is None:
        raise ConfigError(problems)
    given_batch = [name for name, one in dict(workers or {}).items() if "batch" in (one or ())]
    notes = tuple(f"eventsd: workers.{name}.batch: {_NO_BATCH}" for name in given_batch)
    return WriterConfig(source, config, opts, notes)


def options(path: str) -> dict[str, Any]:
    """
    Return what stands for Salt's options: its defaults, the writer's folders, and what else is in the file.

    :param path: the file's.
    :raises ConfigError: it cannot be read, or there is no ``eventsd`` in it.
    """
    found = read_file(path)
    if found.problem:
        raise ConfigError([f"eventsd: {path}: {found.problem}"])
    wrong, _ = misplaced([found])
    if wrong or not found.data.get("eventsd"):
        raise ConfigError([f"eventsd: {line}" for line in wrong] or [f"eventsd: {path}: no eventsd is in it"])
    return {
        **salt.config.DEFAULT_MASTER_OPTS,
        "id": socket.gethostname(),
        "cachedir": FOLDER,
        "extension_modules": f"{FOLDER}/extmods",
        **found.data,
        "conf_file": os.path.abspath(path),
        "engines": [],
        "__role": "master",
    }


def _source(raw: Any, problems: list[str]) -> Source | None:
    if raw is None:
        problems.append("eventsd: source: missing; expected a mapping such as url: nats://nats.example.com:4222")
        return None
    if not isinstance(raw, Mapping):
        problems.append(f"eventsd: source: expected a mapping, got {type(raw).__name__}")
        return None
    logins.note(raw)
    try:
        return msgspec.convert(without_empty(raw), Source, dec_hook=read_secret)
    except msgspec.ValidationError as exc:
        wrong = explain(exc, Source)
        key = ".".join(part for part in ("source", wrong.path.lstrip("."), wrong.key) if part)
        problems.append(f"eventsd: {key}: {wrong.what}")
        return None


def _unknown(key: str) -> str:
    if key in _ENGINE_ONLY:
        return "a writer has no such key; it belongs to the masters"
    return f"unknown key; known are {', '.join(sorted(_KNOWN))}{meant(key, _KNOWN)}"

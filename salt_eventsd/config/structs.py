"""
The whole configuration under ``eventsd:`` as frozen structs, with every key and every default.

``docs/configuration.rst`` explains each key. :mod:`salt_eventsd.config.load` reads the structs from Salt's options and
reports all errors at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import salt.utils.stringutils

from salt_eventsd.config.checks import require, require_expression, require_path, require_port, require_threads
from salt_eventsd.config.language import destination
from salt_eventsd.config.language.conditions import compile_conditions

#: The tables of the sql worker that a rule may name with ``into``.
BUILT_IN_TABLES = ("jobs", "returns", "states", "events", "minions")
#: What may be dropped of a function's events (``redact: functions:``).
DROPPABLE = ("return", "arguments", "both", "nothing")
#: What the engine can do with events that other masters of its cluster have copied to it.
PEERS = ("skip", "take")
#: What the engine can do with forged events.
FORGED = ("divert", "drop", "take")
_DAY = 86_400
#: Functions that are ignored by default: Salt itself calls them many times for each job that takes long.
IGNORED_BY_DEFAULT = ("saltutil.find_job",)


class Size(int):
    """A number of bytes; ``8MiB``, ``1GiB`` and plain numbers are understood."""

    @classmethod
    def read(cls, value: Any) -> Size:
        """
        Read a size.

        :param value: bytes as a number, or text such as ``8MiB``.
        :raises ValueError: it is not a size above 0.
        """
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(f"expected a size such as 8MiB, got {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"expected a size such as 8MiB, got {value!r}")
        size = salt.utils.stringutils.human_to_bytes(value) if isinstance(value, str) else int(value)
        if size <= 0:
            raise ValueError(f"expected a size above 0 such as 8MiB, got {value!r}")
        return cls(size)


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class BatchLimits(_Struct, frozen=True, kw_only=True):
    """A batch is written when it has so many events or bytes, or when its oldest event has waited so many seconds."""

    events: int = 1000
    bytes: Size = Size(8 * 2**20)
    seconds: float = 1.0

    def __post_init__(self) -> None:
        require(self.events >= 1, f"events: expected 1 or more, got {self.events}")
        require(self.seconds > 0, f"seconds: expected a number above 0, got {self.seconds}")
        require(self.seconds <= _DAY, f"seconds: expected no more than {_DAY}, got {self.seconds}")


class WorkerConfig(_Struct, frozen=True, kw_only=True):
    """
    One entry of ``workers``.

    :param options: the keys that belong to the worker's module.
    :param defaults: the ``defaults`` of all workers; the worker takes the keys that its module knows.
    """

    module: str = "sql"
    batch: BatchLimits = BatchLimits()
    concurrency: int = 1
    options: dict[str, Any] = {}
    defaults: dict[str, Any] = {}

    def __post_init__(self) -> None:
        require_threads("concurrency", self.concurrency)

    def __repr__(self) -> str:
        """Return a text without the options, which may hold passwords."""
        told = ", ".join(f"{key}={getattr(self, key)!r}" for key in OF_ANY_WORKER)
        return f"WorkerConfig({told})"


#: The keys of a worker that do not belong to its module.
OF_ANY_WORKER = tuple(key for key in WorkerConfig.__struct_fields__ if key not in ("options", "defaults"))


class EventRule(_Struct, frozen=True, kw_only=True):
    """
    One entry of ``events``, or of its ``subs``. The first half says which events it takes, the rest where they go.

    :param into: a built-in table. Instead of it: ``table`` with ``columns``, or ``statement`` with ``fields``.
    :param missing: what happens if an event lacks a field of a user's own table or statement: ``null`` writes NULL,
        ``refuse`` makes the event a dead letter.
    """

    tag: str | None = None
    tag_glob: str | None = None
    fun: str | None = None
    fun_glob: str | None = None
    minion: str | tuple[str, ...] | None = None
    where: dict[str, Any] = {}
    unless: dict[str, Any] = {}
    ignore: tuple[str, ...] = ()
    worker: str | list[str] | None = None
    into: str | None = None
    table: str | None = None
    columns: dict[str, Any] = {}
    upsert: tuple[str, ...] = ()
    statement: str | None = None
    fields: dict[str, Any] = {}
    missing: str | None = None
    prio: bool | int | None = None
    subs: dict[str, EventRule] = {}

    def __post_init__(self) -> None:
        require_expression("tag", self.tag)
        require_expression("fun", self.fun)
        require(self.tag is None or self.tag_glob is None, "tag_glob: there is a tag already; one of them")
        require(self.fun is None or self.fun_glob is None, "fun_glob: there is a fun already; one of them")
        require(
            self.into is None or self.into in BUILT_IN_TABLES,
            f"into: no table {self.into!r}; there are {', '.join(BUILT_IN_TABLES)}",
        )
        require(self.missing in (None, "null", "refuse"), f"missing: expected null or refuse, got {self.missing!r}")
        require(self.minion not in ((), ""), "minion: expected a minion id such as web*, or a list of such, got none")
        _told("where", compile_conditions, self.where)
        _told("unless", compile_conditions, self.unless)
        destination.check(self)

    @property
    def is_own(self) -> bool:
        """Whether the events go to a table or a statement of the user's own."""
        return self.table is not None or self.statement is not None

    @property
    def minions(self) -> tuple[str, ...]:
        """The globs of minion ids; empty if the rule takes any minion's events."""
        if self.minion is None:
            return ()
        return (self.minion,) if isinstance(self.minion, str) else self.minion

    @property
    def workers(self) -> tuple[str, ...]:
        """The names of the workers; empty if the rule names none."""
        if self.worker is None:
            return ()
        return (self.worker,) if isinstance(self.worker, str) else tuple(self.worker)

    @property
    def all_workers(self) -> set[str]:
        """The names of the workers, including those of its sub-events."""
        return set(self.workers).union(*(sub.all_workers for sub in self.subs.values()))

    def with_inherited(self, workers: tuple[str, ...], prio: bool | int | None) -> EventRule:
        """Return the rule with the workers and prio it got from its parent, for its sub-events to inherit."""
        return msgspec.structs.replace(self, worker=list(workers), prio=prio)


class SpoolConfig(_Struct, frozen=True, kw_only=True):
    """The spool: its folder, its size, and what is dropped when it is full."""

    dir: str = "<cachedir>/eventsd/spool"
    max_bytes: Size = Size(2**30)
    when_full: str = "drop_oldest"
    commit_seconds: float = 0.1

    def __post_init__(self) -> None:
        require_path("dir", self.dir)
        require(
            self.when_full in ("drop_oldest", "drop_newest"),
            f"when_full: expected drop_oldest or drop_newest, got {self.when_full!r}",
        )
        require(
            0 < self.commit_seconds <= 60,
            f"commit_seconds: expected a number above 0 and up to 60, got {self.commit_seconds}",
        )


class RedactConfig(_Struct, frozen=True, kw_only=True):
    """
    What is masked before the spool, besides the defaults.

    :param keys: names whose values are secret. A ``!`` before a name takes it out of the defaults.
    """

    keys: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    functions: dict[str, str] | tuple[str, ...] = {}

    def __post_init__(self) -> None:
        if self.keys:
            # The module takes long to load, and most configurations have no such keys.
            from salt_eventsd.redact.families import why_not

            for index, key in enumerate(self.keys):
                require(not (why := why_not(key)), f"keys[{index}]: {why}")
        for index, value in enumerate(self.values):
            require_expression(f"values[{index}]", value)
        for glob, what in self.by_function.items():
            require(what in DROPPABLE, f"functions.{glob}: expected one of {', '.join(DROPPABLE)}, got {what!r}")

    @property
    def by_function(self) -> dict[str, str]:
        """Glob on the function -> what is dropped of its events; ``both`` for a function in a plain list."""
        return self.functions if isinstance(self.functions, dict) else dict.fromkeys(self.functions, "both")


class MetricsConfig(_Struct, frozen=True, kw_only=True):
    """
    The address at which Prometheus reads the engine's metrics.

    :param minion_label: count functions by minion, too.
    :param certfile: with ``keyfile``: it answers over TLS, with this certificate.
    :param client_cafile: it answers those only who have a certificate of this authority.
    """

    host: str = "127.0.0.1"
    port: int = 9175
    minion_label: bool = False
    certfile: str | None = None
    keyfile: str | None = None
    client_cafile: str | None = None

    def __post_init__(self) -> None:
        require_port(self.port)
        for key in ("certfile", "keyfile", "client_cafile"):
            path = getattr(self, key)
            require(path is None or path.startswith("/"), f"{key}: expected a path that begins with /, got {path!r}")
        require(bool(self.certfile) == bool(self.keyfile), "keyfile: certfile and keyfile are needed, both or neither")
        require(self.client_cafile is None or self.certfile is not None, "client_cafile: needs a certfile")


class JobCacheConfig(_Struct, frozen=True, kw_only=True):
    """
    Whose database the questions to the history, and Salt's job cache, are about.

    :param worker: a sql worker; the first one if it is not said.
    """

    worker: str | None = None


class General(_Struct, frozen=True, kw_only=True):
    """The keys directly under ``eventsd:``, except ``workers`` and ``events``."""

    spool: SpoolConfig = SpoolConfig()
    redact: RedactConfig = RedactConfig()
    max_workers: int = 4
    state_file: str = "<cachedir>/eventsd/status.json"
    state_timer: float = 5.0
    metrics: MetricsConfig | None = None
    job_cache: JobCacheConfig = JobCacheConfig()
    pillar: bool | str = False
    ignore: tuple[str, ...] = ()
    repair: bool = True
    forged: str = "divert"
    peers: str = "skip"
    syndics: bool | str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        require(self.forged in FORGED, f"forged: expected one of {', '.join(FORGED)}, got {self.forged!r}")
        require(self.peers in PEERS, f"peers: expected one of {', '.join(PEERS)}, got {self.peers!r}")
        require_path("state_file", self.state_file)
        require_threads("max_workers", self.max_workers)
        require(self.state_timer > 0, f"state_timer: expected a number of seconds above 0, got {self.state_timer}")
        require(self.state_timer <= _DAY, f"state_timer: expected no more than {_DAY}, got {self.state_timer}")

    @property
    def believed_syndics(self) -> bool | tuple[str, ...]:
        """Globs of the syndics whose prefix on a tag is believed; True for any, False for none."""
        if self.syndics is None:
            return True
        return (self.syndics,) if isinstance(self.syndics, str) else self.syndics


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration, checked."""

    general: General
    workers: dict[str, WorkerConfig]
    events: dict[str, EventRule]

    @property
    def sql_workers(self) -> tuple[str, ...]:
        """The workers that write into a SQL database, by name."""
        return tuple(name for name, worker in self.workers.items() if worker.module == "sql")

    @property
    def asked(self) -> str | None:
        """The worker whose database the questions and Salt's job cache ask; None if there is no sql worker."""
        return self.general.job_cache.worker or next(iter(self.sql_workers), None)


def default_events(worker: str) -> dict[str, EventRule]:
    """
    Return the default rules, for a config without any: jobs and returns of minions, runners and wheels.

    :param worker: the worker that gets them.
    """
    ignore = IGNORED_BY_DEFAULT
    return {
        "jobs": EventRule(tag=r"salt/(job|run|wheel)/[^/]+/new\Z", worker=worker, into="jobs", ignore=ignore),
        "returns": EventRule(
            tag=r"salt/(job/[^/]+/ret/|(run|wheel)/[^/]+/ret\Z)", worker=worker, into="returns", ignore=ignore
        ),
    }


def stats_rule(workers: list[str]) -> dict[str, EventRule]:
    """
    Return the rule for workers that keep the engine's own counters.

    :param workers: the workers that no other rule names.
    """
    return {"eventsd_stats": EventRule(tag=r"eventsd/stats\Z", worker=workers)}


def _told(key: str, compiled: Callable[[Any], object], value: Any) -> None:
    """Call ``compiled`` on a value; put the key before the error's text."""
    try:
        compiled(value)
    except ValueError as exc:
        raise ValueError(f"{key}.{exc}") from None

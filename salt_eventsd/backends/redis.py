"""
Events into Redis: one transaction and one round trip a batch.

The commands of a batch stand between MULTI and EXEC. If the server refuses one of them beforehand (no permission, no
memory), it runs none. A command that fails when it runs (the key holds something of another type) stops no other, and
only its event is buried.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import redis
from redis import exceptions as errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from salt_eventsd.backends.envelope import envelope
from salt_eventsd.backends.options import Secret, read_field, read_options, read_template, require
from salt_eventsd.backends.refusals import bury, make_each
from salt_eventsd.event import Event
from salt_eventsd.exceptions import Held, Refused, Transient, WorkerError
from salt_eventsd.fields import MISSING, Facts, Field, Template, as_text
from salt_eventsd.settle import brief
from salt_eventsd.workers import Batch, Context, Refusal

_VERBS = ("set", "list", "stream", "publish")
_URL = "a URL such as redis://user:password@redis.example.com:6379/0, rediss:// for TLS or unix:///run/redis.sock"
#: Refusals that go away by themselves, of which the client knows some by name.
_PASSING = (errors.BusyLoadingError, errors.ReadOnlyError, errors.OutOfMemoryError)
_PASSING_WORDS = ("BUSY", "OOM", "MISCONF", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS")
_COMMAND = re.compile(r"Command # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)

#: One command, to be queued.
Command = Callable[[Any], Any]


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What is done with each event; one of the first four.

    :param set: a key, whose value becomes the event's.
    :param list: a key, to whose list the event is appended.
    :param stream: a key, to whose stream the event is added.
    :param publish: a channel, on which the event is published.
    :param value: the field of the event that is written; the whole event where there is none.
    :param expire: after how many seconds a key that was set goes.
    :param maxlen: how many elements of a list or a stream stay.
    """

    set: str | None = None
    list: str | None = None
    stream: str | None = None
    publish: str | None = None
    value: str | None = None
    expire: int | None = None
    maxlen: int | None = None

    def __post_init__(self) -> None:
        if sum(getattr(self, verb) is not None for verb in _VERBS) != 1:
            raise ValueError(f"expected one of {', '.join(_VERBS)}, with a key or a channel")
        require(self.expire is None or self.set is not None, "expire: only keys that are set expire")
        require(self.expire is None or self.expire > 0, f"expire: expected seconds above 0, got {self.expire}")
        trimmed = self.list is not None or self.stream is not None
        require(self.maxlen is None or trimmed, "maxlen: only a list or a stream has a length")
        require(self.maxlen is None or self.maxlen > 0, f"maxlen: expected a number above 0, got {self.maxlen}")

    @property
    def verb(self) -> str:
        """Which of the four it is."""
        return next(verb for verb in _VERBS if getattr(self, verb) is not None)


class RedisOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a redis worker.

    :param url: of the server; db, user and password may stand beside it.
    :param db: the number of the database.
    :param tls: speak TLS, where there is no URL.
    :param timeout_seconds: how long connecting may take, and how long an answer.
    """

    actions: list[Action] = []
    url: Secret | None = None
    host: str = "127.0.0.1"
    port: int = 6379
    db: int = 0
    user: str | None = None
    password: Secret | None = None
    tls: bool = False
    timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        require(bool(self.actions), "actions: missing; expected a list such as [{list: salt:events, maxlen: 10000}]")
        require(1 <= self.port <= 65_535, f"port: expected a number from 1 to 65535, got {self.port}")
        require(self.db >= 0, f"db: expected 0 or more, got {self.db}")
        require(0 < self.timeout_seconds <= 600, "timeout_seconds: expected a number above 0 and up to 600")


@dataclass(frozen=True)
class Step:
    """An action, compiled."""

    verb: str
    key: Template
    value: Field | None
    expire: int | None
    maxlen: int | None


class Writer:
    """
    The worker.

    :param client: of the server; it connects when it is first used.
    :param steps: what is done with each event, in this order.
    :param node_id: the master's (or minion's) id.
    """

    def __init__(self, client: redis.Redis, steps: list[Step], node_id: str) -> None:
        self._client = client
        self._steps = steps
        self._node_id = node_id

    def write(self, batch: Batch) -> None:
        """
        Write a batch in one transaction.

        :param batch: the batch.
        :raises WorkerError: nothing was written, or it is not known whether all was.
        """
        trims: dict[str, int] = {}
        made, refusals = make_each(batch, lambda event: self._commands(event, trims))
        owners: list[int] = []
        answers: list[Refusal] = []
        if made:
            with self._client.pipeline(transaction=True) as pipe:
                for position, commands in made:
                    for command in commands:
                        command(pipe)
                        owners.append(position)
                for key, maxlen in trims.items():
                    pipe.ltrim(key, -maxlen, -1)
                try:
                    results = pipe.execute(raise_on_error=False)
                except (errors.RedisError, OSError) as exc:
                    raise meaning(exc) from exc
            failed = {owner: one for owner, one in zip(owners, results) if isinstance(one, Exception)}
            answers = [(owner, shown(one)) for owner, one in failed.items()]
        bury(batch, refusals, answers)

    def check(self) -> str:
        """
        Return a line that says the server answers.

        :raises WorkerError: it does not.
        """
        try:
            self._client.ping()
        except (errors.RedisError, OSError) as exc:
            raise meaning(exc) from exc
        return "reachable"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _commands(self, event: Event, trims: dict[str, int]) -> list[Command]:
        facts = Facts(event, self._node_id)
        return [self._command(step, facts, event, trims) for step in self._steps]

    def _command(self, step: Step, facts: Facts, event: Event, trims: dict[str, int]) -> Command:
        key = step.key.render(facts)
        value: Any
        if step.value is None:
            value = envelope(event, self._node_id)
        elif (value := step.value.of(facts)) is MISSING:
            raise Refused(f"the event has no {step.value.text}")
        else:
            value = as_text(value)
        if step.verb == "set":
            return lambda pipe: pipe.set(key, value, ex=step.expire)
        if step.verb == "stream":
            return lambda pipe: pipe.xadd(key, {"event": value}, maxlen=step.maxlen, approximate=True)
        if step.verb == "publish":
            return lambda pipe: pipe.publish(key, value)
        if step.maxlen:
            trims[key] = step.maxlen
        return lambda pipe: pipe.rpush(key, value)


def make(context: Context) -> Writer:
    """
    Make the worker.

    :param context: its options and its name.
    :raises ConfigError: an option is wrong.
    """
    options = read_options(context, RedisOptions)
    steps = []
    for number, action in enumerate(options.actions):
        where = f"actions[{number}]"
        key = read_template(context, f"{where}.{action.verb}", getattr(action, action.verb))
        value = None if action.value is None else read_field(context, f"{where}.value", action.value)
        steps.append(Step(action.verb, key, value, action.expire, action.maxlen))
    settings: dict[str, Any] = {
        "username": options.user,
        "password": options.password,
        "db": options.db,
        "socket_connect_timeout": options.timeout_seconds,
        "socket_timeout": options.timeout_seconds,
        # The engine tries again, and knows when; a second try down here would double what the first one wrote.
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    try:
        if options.url:
            client = redis.Redis.from_url(options.url, **settings)
        else:
            client = redis.Redis(options.host, options.port, ssl=options.tls, **settings)
        # What it is told in the URL's query is looked at only when it makes a connection.
        client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
    except (ValueError, TypeError, errors.RedisError):
        # The errors repeat parts of the URL.
        raise context.problem("url", f"expected {_URL}") from None
    return Writer(client, steps, context.node_id)


def meaning(error: Exception) -> WorkerError:
    """
    Return what an error means for the batch.

    :param error: of the client.
    """
    text = shown(error)
    if isinstance(error, (errors.AuthenticationError, errors.AuthorizationError, errors.NoPermissionError)):
        return Held(text)
    if isinstance(error, errors.ResponseError) and not isinstance(error, _PASSING):
        return Transient(text) if any(word in text for word in _PASSING_WORDS) else Held(text)
    return Transient(text)


def shown(error: Exception) -> str:
    """
    Return an error's text without the command it is about, which has the event's values in it.

    :param error: of the client.
    """
    return _COMMAND.sub("", brief(error))

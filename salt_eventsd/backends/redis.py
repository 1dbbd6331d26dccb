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

import redis
from redis import exceptions as errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from salt_eventsd.backends.envelope import envelope
from salt_eventsd.backends.options import read_field, read_options, read_template
from salt_eventsd.backends.redis_options import RedisOptions
from salt_eventsd.backends.refusals import bury, make_each
from salt_eventsd.event import Event
from salt_eventsd.exceptions import Held, Refused, Transient, WorkerError
from salt_eventsd.fields import MISSING, Facts, Field, Template, as_text
from salt_eventsd.settle import brief
from salt_eventsd.workers import Batch, Context, Refusal

_URL = "a URL such as redis://user:password@redis.example.com:6379/0, rediss:// for TLS or unix:///run/redis.sock"
#: Refusals that go away by themselves, of which the client knows some by name.
_PASSING = (errors.BusyLoadingError, errors.ReadOnlyError, errors.OutOfMemoryError)
_PASSING_WORDS = ("BUSY", "OOM", "MISCONF", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS")
_COMMAND = re.compile(r"Command # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)

#: One command, to be queued.
Command = Callable[[Any], Any]


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
            if any(not isinstance(one, Exception) for one in results[: len(owners)]):
                # Part of it is written, so holding the batch would write that part again and again.
                refusals, answers = [*refusals, *answers], []
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

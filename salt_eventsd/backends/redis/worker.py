"""
Events into Redis: one transaction and one round trip a batch.

The commands of a batch stand between MULTI and EXEC. If the server refuses one of them beforehand (no permission, no
memory), it runs none. A command that fails when it runs (the key holds something of another type) stops no other, and
only its event is buried.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import redis
from redis import exceptions as errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from salt_eventsd.backends.ahead import Ahead
from salt_eventsd.backends.envelope import envelope
from salt_eventsd.backends.ids import event_id
from salt_eventsd.backends.options import read_field, read_options, read_template
from salt_eventsd.backends.redis.options import RedisOptions
from salt_eventsd.backends.sockets import end, keepalive
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Cut, Doubtful, Held, Refused, Transient, WorkerError
from salt_eventsd.language.fields import MISSING, Facts, Field, as_text
from salt_eventsd.language.template import MARK, Template, tame
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.isolate import bury, make_each
from salt_eventsd.workers.write import Batch, Context, Refusal

_URL = "a URL such as redis://user:password@redis.example.com:6379/0, rediss:// for TLS or unix:///run/redis.sock"
#: Refusals that go away by themselves, of which the client knows some by name ...
_PASSING = (errors.BusyLoadingError, errors.ReadOnlyError, errors.OutOfMemoryError)
_PASSING_WORDS = re.compile(r"\b(?:BUSY|OOM|MISCONF|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|LOADING)\b")
#: ... and those that have nothing to do with what is written.
_HELD = (errors.AuthenticationError, errors.AuthorizationError, errors.AskError)
_HELD_WORDS = re.compile(r"\b(?:NOAUTH|WRONGPASS|MOVED|ASK|CROSSSLOT|DENIED|unknown command)\b")
#: Ends a command in an error's text.
_COMMAND = " of pipeline caused error: "

#: So much later than the client's own limit, in seconds, which says more clearly what was waited for.
_GRACE = 0.25
#: What a field may not bring into a key, and how many characters of it are kept.
_UNFIT = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{MARK}]")
_LONGEST_PART = 512

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
    :param seconds: how long the answers to a batch may take.
    """

    def __init__(self, client: redis.Redis, steps: list[Step], node_id: str, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        self._steps = steps
        self._node_id = node_id
        # Commands that need not be run again: some of an event's have failed, and others have not.
        self._ahead = Ahead()
        self._is_new = True
        self._largest: int | None = None

    def write(self, batch: Batch) -> None:
        """
        Write a batch in one transaction.

        :param batch: the batch.
        :raises WorkerError: nothing was written, or it is not known whether all was.
        """
        try:
            self._write(batch)
        except WorkerError:
            # What this connection is refused, or lost, the next one may have.
            self._client.connection_pool.disconnect(inuse_connections=False)
            self._is_new = True
            raise

    def _write(self, batch: Batch) -> None:
        connection = self._connect()
        trims: dict[str, int] = {}
        try:
            made, refusals = make_each(batch, lambda event: self._commands(event, trims))
        except BaseException:
            self._client.connection_pool.release(connection)
            raise
        owners = [(position, id_) for position, commands in made for id_, _ in commands]
        answers: list[Refusal] = []
        if not owners:
            self._client.connection_pool.release(connection)
        else:
            results = self._execute(connection, [command for _, some in made for _, command in some], trims)
            failed = {position: one for (position, _), one in zip(owners, results) if isinstance(one, Exception)}
            answers = [(position, shown(one)) for position, one in failed.items()]
            if failed:
                done = zip(owners, results)
                self._ahead.add(self._id(batch, at, id_) for (at, id_), one in done if not isinstance(one, Exception))
        bury(batch, refusals, answers)
        if self._ahead:
            numbers = range(len(self._steps))
            ids = [self._id(batch, position, n) for position, _ in made for n in numbers]
            self._ahead.settled(batch, ids)

    def _connect(self) -> Any:
        """Return a connection; what fails from now on may be the batch's doing."""
        pool = self._client.connection_pool
        try:
            if self._is_new:
                self._largest = self._limit()
                self._is_new = False
            try:
                return pool.get_connection()
            except TypeError:
                # redis-py before 5.3 wants to know what for.
                return pool.get_connection("MULTI")
        except (errors.RedisError, OSError) as exc:
            raise meaning(exc) from exc

    def _limit(self) -> int | None:
        """Return how large a value may be, None if the server does not say."""
        try:
            return int(self._client.config_get("proto-max-bulk-len")["proto-max-bulk-len"])
        except (errors.ResponseError, KeyError, ValueError):
            return None

    def _execute(self, connection: Any, commands: list[Command], trims: Mapping[str, int]) -> list[Any]:
        # The client's own limit is one of each wait; a server may answer a byte at a time.
        over = threading.Timer(self._seconds + _GRACE, lambda: end(getattr(connection, "_sock", None)))
        over.daemon = True
        with self._client.pipeline(transaction=True) as pipe:
            # It gives the connection back.
            pipe.connection = connection
            for command in commands:
                command(pipe)
            for key, maxlen in trims.items():
                pipe.ltrim(key, -maxlen, -1)
            over.start()
            try:
                results: list[Any] = pipe.execute(raise_on_error=False)
            except (errors.RedisError, OSError) as exc:
                raise meaning(exc, sent=True) from exc
            finally:
                over.cancel()
        return results

    def check(self) -> str:
        """
        Return a line that says the server answers and would take the commands. It looks at whether it may when a
        transaction's commands are queued; this one ends with its connection.

        :raises WorkerError: it does not.
        """
        pool = self._client.connection_pool
        try:
            self._client.ping()
            connection = _connection(pool)
            try:
                for words in (("MULTI",), *map(_trial, self._steps)):
                    connection.send_command(*words)
                    connection.read_response()
            finally:
                connection.disconnect()
                pool.release(connection)
        except (errors.RedisError, OSError) as exc:
            raise meaning(exc) from exc
        return "reachable"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _id(self, batch: Batch, position: int, number: int) -> str:
        """Return the id of one of an event's commands."""
        return event_id(batch.events[position], str(number))

    def _commands(self, event: Event, trims: dict[str, int]) -> list[tuple[int, Command]]:
        """Return an event's commands that have not been run, with their numbers."""
        facts = Facts(event, self._node_id)
        return [
            (number, self._command(step, facts, event, trims))
            for number, step in enumerate(self._steps)
            if not (self._ahead and event_id(event, str(number)) in self._ahead)
        ]

    def _command(self, step: Step, facts: Facts, event: Event, trims: dict[str, int]) -> Command:
        key = step.key.render(facts, clean)
        value: Any
        if step.value is None:
            value = envelope(event, self._node_id)
        elif (value := step.value.of(facts)) is MISSING:
            raise Refused(f"the event has no {step.value.text}")
        else:
            value = as_text(value).encode()
        if self._largest is not None and len(value) > self._largest:
            raise Refused(f"the value is larger than the server takes ({self._largest} bytes)")
        if step.verb == "set":
            return lambda pipe: pipe.set(key, value, ex=step.expire)
        if step.verb == "stream":
            return lambda pipe: pipe.xadd(key, {"event": value}, maxlen=step.maxlen, approximate=True)
        if step.verb == "publish":
            return lambda pipe: pipe.publish(key, value)
        if step.maxlen:
            trims[key] = step.maxlen
        return lambda pipe: pipe.rpush(key, value)


def _connection(pool: Any) -> Any:
    try:
        return pool.get_connection()
    except TypeError:
        # redis-py before 5.3 wants to know what for.
        return pool.get_connection("MULTI")


def _trial(step: Step) -> tuple[str, ...]:
    """A command such as an event would make, with a key of the same shape."""
    key = "".join(f"{literal}{'eventsd-check' if field else ''}" for literal, field, *_ in step.key.parts)
    return {
        "set": ("SET", key, ""),
        "stream": ("XADD", key, "*", "event", ""),
        "publish": ("PUBLISH", key, ""),
    }.get(step.verb, ("RPUSH", key, ""))


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
        "socket_connect_timeout": options.timeout,
        "socket_timeout": options.timeout,
        # The engine tries again, and knows when; a second try down here would double what the first one wrote.
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if not str(options.url or "").startswith("unix:"):
        settings["socket_keepalive"] = True
        settings["socket_keepalive_options"] = {
            option: value for level, option, value in keepalive(options.timeout) if level == socket.IPPROTO_TCP
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
    return Writer(client, steps, context.node_id, options.timeout)


def clean(text: str, apart: str = "") -> str:
    """
    Return text as a part of a key, without control characters and not endless, and not what another becomes.

    :param text: of a field.
    :param apart: further signs that may not stand in it.
    """
    return tame(text, _UNFIT, apart, _LONGEST_PART)


def meaning(error: Exception, sent: bool = False) -> WorkerError:
    """
    Return what an error means for the batch.

    :param error: of the client.
    :param sent: there was a connection, and the batch was on its way.
    """
    text = shown(error)
    if isinstance(error, _HELD):
        return Held(text)
    if isinstance(error, _PASSING):
        return Transient(text)
    if isinstance(error, errors.ResponseError):
        if _PASSING_WORDS.search(text):
            return Transient(text)
        # The transaction is undone; one of its commands is to blame, or the server takes none such.
        return Doubtful(text) if sent and not _HELD_WORDS.search(text) else Held(text)
    away = (errors.ConnectionError, errors.TimeoutError, OSError)
    return Cut(text) if sent and isinstance(error, away) else Transient(text)


def shown(error: Exception) -> str:
    """
    Return an error's text without the command it is about, which has the event's values in it.

    :param error: of the client.
    """
    text = str(error)
    if _COMMAND in text:
        # As the last words of it: a value may hold the same ones.
        text = text.rpartition(_COMMAND)[2]
    return one_line(Transient(f"{type(error).__name__}: {text}"))

"""
Events into Redis: one transaction and one round trip for each batch.

The commands of a batch stand between MULTI and EXEC. If the server refuses one of them while they are queued (no
permission, no memory), it runs none. A command that fails when it runs (the key holds something of another type) stops
no other, and only its event is buried.
"""

from __future__ import annotations

import socket
from typing import Any

import redis
from redis import exceptions as errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from salt_eventsd.backends.ahead import Ahead
from salt_eventsd.backends.connections import end, ended_after, keepalive, renewed_after_failure
from salt_eventsd.backends.options import read_options
from salt_eventsd.backends.redis.commands import Command, Commands, Step, queue, read_steps
from salt_eventsd.backends.redis.faults import classify, shown
from salt_eventsd.backends.redis.options import RedisOptions
from salt_eventsd.backends.shape import event_id
from salt_eventsd.event.parse import Event
from salt_eventsd.workers.isolate import bury, make_each
from salt_eventsd.workers.write import Batch, Context, Refusal

_URL = "a URL such as redis://user:password@redis.example.com:6379/0, rediss:// for TLS or unix:///run/redis.sock"


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
        # Commands that need not be run again: some of their event's commands have failed, and others have not.
        self._ahead = Ahead()
        self._is_new = True
        self._largest: int | None = None

    def write(self, batch: Batch) -> None:
        """
        Write a batch in one transaction.

        :param batch: the batch.
        :raises WorkerError: nothing was written, or it is not known whether all was.
        """
        with renewed_after_failure(self._renew):
            self._write(batch)

    def _write(self, batch: Batch) -> None:
        connection = self._connect()
        wanted = Commands(self._steps, self._node_id, self._largest, self._is_done)
        try:
            made, refusals = make_each(batch, wanted.of)
        except BaseException:
            self._client.connection_pool.release(connection)
            raise
        owners = [(position, number) for position, commands in made for number, _ in commands]
        answers: list[Refusal] = []
        if not owners:
            self._client.connection_pool.release(connection)
        else:
            results = self._execute(connection, [command for _, some in made for _, command in some], wanted.trims)
            failed = {position: one for (position, _), one in zip(owners, results) if isinstance(one, Exception)}
            answers = [(position, shown(one)) for position, one in failed.items()]
            if failed:
                done = [owner for owner, one in zip(owners, results) if not isinstance(one, Exception)]
                self._ahead.add(_command_id(batch.events[position], number) for position, number in done)
        bury(batch, refusals, answers)
        if self._ahead:
            numbers = range(len(self._steps))
            ids = [_command_id(batch.events[position], number) for position, _ in made for number in numbers]
            self._ahead.settled(batch, ids)

    def check(self) -> str:
        """
        Return a line that says the server answers and would take the commands. The server looks at permissions when a
        command of a transaction is queued; this transaction ends with its connection and runs nothing.

        :raises WorkerError: the server does not.
        """
        pool = self._client.connection_pool
        try:
            self._client.ping()
            connection = _taken_from(pool)
            try:
                for words in (("MULTI",), *(step.trial for step in self._steps)):
                    connection.send_command(*words)
                    connection.read_response()
            finally:
                connection.disconnect()
                pool.release(connection)
        except (errors.RedisError, OSError) as exc:
            raise classify(exc) from exc
        return "reachable"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _renew(self) -> None:
        self._client.connection_pool.disconnect(inuse_connections=False)
        self._is_new = True

    def _connect(self) -> Any:
        """Return a connection; what fails from now on may be the batch's doing."""
        try:
            if self._is_new:
                self._largest = self._limit()
                self._is_new = False
            return _taken_from(self._client.connection_pool)
        except (errors.RedisError, OSError) as exc:
            raise classify(exc) from exc

    def _limit(self) -> int | None:
        """Return how large a value may be, in bytes; None if the server does not say."""
        try:
            return int(self._client.config_get("proto-max-bulk-len")["proto-max-bulk-len"])
        except (errors.ResponseError, KeyError, ValueError):
            return None

    def _execute(self, connection: Any, commands: list[Command], trims: dict[str, int]) -> list[Any]:
        with self._client.pipeline(transaction=True) as pipe:
            # The pipeline gives the connection back to the pool.
            pipe.connection = connection
            queue(pipe, commands, trims)
            try:
                with ended_after(self._seconds, lambda: end(getattr(connection, "_sock", None))):
                    results: list[Any] = pipe.execute(raise_on_error=False)
            except (errors.RedisError, OSError) as exc:
                raise classify(exc, sent=True) from exc
        return results

    def _is_done(self, event: Event, number: int) -> bool:
        return bool(self._ahead) and _command_id(event, number) in self._ahead


def _command_id(event: Event, number: int) -> str:
    """Return the id of one of an event's commands."""
    return event_id(event, str(number))


def _taken_from(pool: Any) -> Any:
    try:
        return pool.get_connection()
    except TypeError:
        # redis-py before 5.3 wants to know what for.
        return pool.get_connection("MULTI")


def make(context: Context) -> Writer:
    """
    Make the worker.

    :param context: its options and its name.
    :raises ConfigError: an option is wrong.
    """
    options = read_options(context, RedisOptions)
    steps = read_steps(context, options.actions)
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
        # The client looks at what the URL's query says only when it makes a connection.
        client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
    except (ValueError, TypeError, errors.RedisError):
        # The errors repeat parts of the URL.
        raise context.problem("url", f"expected {_URL}") from None
    return Writer(client, steps, context.node_id, options.timeout)

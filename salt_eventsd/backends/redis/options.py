"""The options of a redis worker."""

from __future__ import annotations

import msgspec

from salt_eventsd.config.checks import require, require_port
from salt_eventsd.config.servers import Secret, Timed

_VERBS = ("set", "list", "stream", "publish")


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What is done with each event: exactly one of set, list, stream and publish.

    :param set: a key, whose value becomes the event's.
    :param list: a key, to whose list the event is appended.
    :param stream: a key, to whose stream the event is added.
    :param publish: a channel, on which the event is published.
    :param value: the field of the event that is written; None for the whole event.
    :param expire: after how many seconds Redis deletes a key that was set; None for never.
    :param maxlen: how many elements a list or a stream keeps; None for all.
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
        """The one of the four that is given."""
        return next(verb for verb in _VERBS if getattr(self, verb) is not None)


class RedisOptions(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a redis worker.

    :param actions: what is done with each event, in this order.
    :param url: of the server; db, user and password may stand beside it.
    :param db: the number of the database.
    :param tls: speak TLS if there is no URL.
    """

    actions: list[Action] = msgspec.field(default_factory=list)
    url: Secret | None = None
    host: str = "127.0.0.1"
    port: int = 6379
    db: int = 0
    user: str | None = None
    password: Secret | None = None
    tls: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.actions), "actions: missing; expected a list such as [{list: salt:events, maxlen: 10000}]")
        require_port(self.port)
        require(self.db >= 0, f"db: expected 0 or more, got {self.db}")

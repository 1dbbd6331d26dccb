"""Make the stream of parcels, or check the one there is."""

from __future__ import annotations

from typing import Any

from salt_eventsd.backends.broker.jetstream.api import Denied, Missing, Stream, ask
from salt_eventsd.backends.broker.jetstream.link import Link
from salt_eventsd.backends.broker.jetstream.names import Names
from salt_eventsd.backends.broker.jetstream.options import Naming, Source, Target
from salt_eventsd.backends.broker.parcel import OVERHEAD_BYTES, PART_BYTES
from salt_eventsd.exceptions import Held, Transient

_NANOSECONDS = 10**9
#: For how long a stream that we make knows a second copy: longer than a master mostly needs to come back.
_DUPLICATE_SECONDS = 600.0
#: What headers and the subject take of a message.
HEADER_BYTES = 4096
#: JetStream's codes: the name has a stream with other settings ...
_OTHER_SETTINGS = 10058
#: ... and what is wrong with those that we ask for, by the option that says it.
_WRONG = {
    "replicas": (10005, 10074, 10052),
    "max_bytes": (10047, 10046, 10028),
    "stream": (10065,),
}


async def prepared(link: Link, names: Names, options: Source, naming: Naming) -> Stream:
    """
    Return the stream; one that is missing is made for a master.

    :param link: to a server.
    :param names: of the stream.
    :param options: a master's are a :class:`~salt_eventsd.backends.broker.jetstream.options.Target`.
    :param naming: how errors name the options.
    :raises Held: it is not as it has to be.
    :raises Transient: no master has made it yet.
    """
    require_room(link, naming)
    try:
        found = await _find(link, names, options)
    except Missing:
        if not isinstance(options, Target):
            raise Transient(f"no master has made the stream {names.stream} yet") from None
        found = await _make(link, names, options, naming)
    check(found, names, options, naming)
    return found


async def _find(link: Link, names: Names, options: Source) -> Stream:
    return await ask(link, f"STREAM.INFO.{names.stream}", None, Stream, options.timeout)


async def _make(link: Link, names: Names, options: Target, naming: Naming) -> Stream:
    wanted = {
        "name": names.stream,
        "subjects": [names.subjects],
        "retention": "workqueue",
        "storage": "file",
        "discard": "new",
        "num_replicas": options.replicas or 1,
        "max_bytes": int(options.max_bytes or -1),
        "max_msgs": -1,
        "max_consumers": -1,
        "max_msg_size": -1,
        "duplicate_window": round((options.duplicate_seconds or _DUPLICATE_SECONDS) * _NANOSECONDS),
    }
    try:
        return await ask(link, f"STREAM.CREATE.{names.stream}", wanted, Stream, options.timeout)
    except Denied as exc:
        if exc.code == _OTHER_SETTINGS:
            # Another master was faster.
            return await _find(link, names, options)
        key = next((key for key, codes in _WRONG.items() if exc.code in codes), "stream")
        raise Held(naming.problem(key, f"the stream {names.stream} cannot be made: {exc}")) from exc


def require_room(link: Link, naming: Naming) -> None:
    """
    Fail unless parcels have room in a message.

    :param link: to a server.
    :param naming: how errors name the options.
    :raises Held: they have not.
    """
    expected = PART_BYTES + OVERHEAD_BYTES + HEADER_BYTES
    if link.client.max_payload < expected:
        what = f"the server takes messages of {link.client.max_payload} bytes; set max_payload there to"
        raise Held(naming.problem("url", f"{what} {expected} or more, such as 1MB"))


def check(found: Stream, names: Names, options: Source, naming: Naming) -> None:
    """
    Fail unless a stream is as it has to be.

    :param found: the stream.
    :param names: of the stream.
    :param options: a master's are a :class:`~salt_eventsd.backends.broker.jetstream.options.Target`.
    :param naming: how errors name the options.
    :raises Held: it is not.
    """
    config = found.config
    wanted: list[tuple[str, str, Any, Any]] = [
        ("stream", "retention", config.retention, "workqueue"),
        ("stream", "storage", config.storage, "file"),
        ("stream", "discard", config.discard, "new"),
        ("stream", "subjects", config.subjects, [names.subjects]),
        ("stream", "max_age", config.max_age, 0),
    ]
    if isinstance(options, Target):
        seconds = options.duplicate_seconds
        window = None if seconds is None else round(seconds * _NANOSECONDS)
        wanted += [
            ("replicas", "replicas", config.num_replicas, options.replicas),
            ("max_bytes", "max_bytes", config.max_bytes, options.max_bytes),
            ("duplicate_seconds", "duplicate_window", config.duplicate_window, window),
        ]
    for key, name, has, expected in wanted:
        if expected is not None and has != expected:
            what = f"the stream {names.stream} has {name} {has}, expected {expected}; change one of them"
            raise Held(naming.problem(key, what))

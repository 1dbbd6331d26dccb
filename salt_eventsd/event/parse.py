"""
Parse: a frame and its decoded payload become one frozen :class:`Event`.

This is the only module that knows the shapes a payload can take. Payloads come from minions, runners, syndics and
anybody else who fires events, so anything may be missing or odd. What cannot be understood is kept as text, and not
dropped.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from salt_eventsd.event.clip import LONGEST_NAME, named
from salt_eventsd.event.codec import Texts, encode
from salt_eventsd.event.frame import Frame, syndics_of

#: salt/job/<jid>/ret/<minion id>, and the jid of any job, runner or wheel tag.
_KINDS, _PHASES = frozenset(("job", "run", "wheel")), frozenset(("new", "ret"))
#: Where an event goes by its phase, if its rule does not say.
_INTO = {"new": "jobs", "ret": "returns", "": "events"}
_EPOCH = datetime(1970, 1, 1)
#: 9999-12-31, less a day for any time zone.
_LATEST_SECONDS = 253_402_214_400.0
#: What Salt puts in place of a value that makes an event too large (salt.utils.dicttrim).
_TRIMMED_VALUE = "VALUE_TRIMMED"
#: Its end, in payloads where it may be: to search for all of it takes twice as long.
TRIMMED = b"_TRIMMED"


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One event, as it is kept in the spool and handed to workers.

    :param tag: the tag, without a syndic's prefix.
    :param received: when the engine read it, in seconds since 1970 UTC.
    :param stamp: when it was fired, in seconds since 1970 UTC; ``received`` if the event does not say.
    :param jid: the job id, from the payload or else the tag; "" if there is none.
    :param minion_id: the minion id, from the payload or else the tag; "" if there is none.
    :param fun: the function, several joined with commas; "" if there is none.
    :param kind: "job", "run" or "wheel" for a job's start and return, else "".
    :param phase: "new" or "ret" where ``kind`` is set, else "".
    :param body: the payload as JSON text in UTF-8, without its ``return``.
    :param returned: what the function returned, as JSON text in UTF-8; b"" if the payload has no ``return``. It is kept
        apart because it goes into a column of its own, and is by far the largest part.
    :param rule: the name of the rule that took it.
    :param into: the built-in table it goes into, or :data:`salt_eventsd.event.chunk.OWN`.
    :param syndic: for a job's start, the names of the syndics it came through, outermost first, with slashes between;
        "" if it came through none.
    """

    tag: str
    received: float
    stamp: float
    jid: str
    minion_id: str
    fun: str
    kind: str
    phase: str
    body: bytes
    returned: bytes = b""
    rule: str = ""
    into: str = ""
    syndic: str = ""

    @property
    def data(self) -> Any:
        """The payload, decoded."""
        data = msgspec.json.decode(self.body)
        if self.returned:
            data["return"] = msgspec.json.decode(self.returned)
        return data

    def json(self) -> bytes:
        """Return the whole payload as JSON text."""
        if not self.returned:
            return self.body
        comma = b"" if self.body == b"{}" else b","
        return b'%s%s"return":%s}' % (self.body[:-1], comma, self.returned)


def build(frame: Frame, data: Any, fun: str, rule: str = "", into: str = "", texts: Texts | None = None) -> Event:
    """
    Build the event of a frame and its decoded payload. If Salt has trimmed it, it gets ``eventsd_trimmed: true``.

    :param frame: from :func:`salt_eventsd.event.frame.read_tag`.
    :param data: from :func:`salt_eventsd.event.codec.decode`, and redacted. Its ``return`` is removed from it.
    :param fun: from :func:`function_of`.
    :param rule: the name of the rule that takes the event.
    :param into: the table that the rule names; "" if it names none, and the kind of event decides.
    :param texts: the data as JSON text, if that is known.
    """
    returned = b""
    fields: dict[Any, Any] = {}
    if isinstance(data, dict):
        fields = data
        if TRIMMED in frame.payload and _is_trimmed(data):
            data["eventsd_trimmed"] = True
            texts = None
        if "return" in data:
            value = data.pop("return")
            returned = texts[1] if texts else encode(value)
    jid, minion_id, kind, phase = identity(data, frame.tag)
    stamp = seconds_of(fields.get("_stamp"), frame.received)
    return Event(
        frame.tag,
        frame.received,
        stamp,
        jid,
        minion_id,
        fun,
        kind,
        phase,
        texts[0] if texts else encode(data),
        returned,
        rule,
        into or _INTO[phase],
        syndics_of(frame.full_tag) if phase == "new" else "",
    )


def _is_trimmed(data: dict[Any, Any]) -> bool:
    """Say whether Salt has replaced a value that was too large; it replaces values of mappings only."""
    inside = [data]
    while inside:
        for value in inside.pop().values():
            if value == _TRIMMED_VALUE:
                return True
            if isinstance(value, dict):
                inside.append(value)
    return False


def for_route(event: Event, rule: str, into: str) -> Event:
    """
    Return the event as a further destination gets it: the very same, where nothing differs.

    :param event: as the first destination gets it.
    :param rule: the name of the rule that takes it there.
    :param into: the table that the rule names; "" if it names none, and the kind of event decides.
    """
    into = into or _INTO[event.phase]
    if rule == event.rule and into == event.into:
        return event
    return msgspec.structs.replace(event, rule=rule, into=into)


def undecodable(payload: bytes, received: float) -> Event:
    """
    Return an event in place of one that a disk has changed and nobody can decode; it holds the bytes as text.

    :param payload: the bytes.
    :param received: when the event was read, in seconds since 1970 UTC.
    """
    body = encode({"undecodable": payload.decode("utf-8", "backslashreplace")})
    return Event("eventsd/undecodable", received, received, "", "", "", "", "", body, into="events")


def identity(data: Any, tag: str) -> tuple[str, str, str, str]:
    """
    Return job id, minion id, kind and phase, as :class:`Event` has them: from the payload, or else from the tag.

    :param data: a decoded payload.
    :param tag: without a syndic's prefix.
    """
    jid: Any = ""
    minion_id: Any = ""
    kind = phase = ""
    if isinstance(data, dict):
        jid, minion_id = data.get("jid"), data.get("id")
        # Nearly all are text, and this is done for each event.
        if type(jid) is not str:
            jid = text_of(jid)
        if type(minion_id) is not str:
            minion_id = text_of(minion_id)
    # An expression would take twice as long.
    parts = tag.split("/", 4)
    if len(parts) > 3 and parts[0] == "salt" and parts[1] in _KINDS and parts[3] in _PHASES and parts[2] and parts[-1]:
        _, kind, of_tag, phase, *rest = parts
        jid = jid or of_tag
        if not minion_id and rest and phase == "ret":
            minion_id = rest[0]
    if len(jid) > LONGEST_NAME or len(minion_id) > LONGEST_NAME or jid[-1:] == " " or minion_id[-1:] == " ":
        jid, minion_id = named(jid), named(minion_id)
    return jid, minion_id, kind, phase


def function_of(data: Any) -> str:
    """
    Return the function a payload is about: ``fun``, or ``data.fun``, where older Salts put it; "" if there is neither.

    :param data: a decoded payload.
    """
    if not isinstance(data, dict):
        return ""
    fun = data.get("fun")
    if type(fun) is str:
        return fun
    if fun is None and isinstance(inner := data.get("data"), dict):
        fun = inner.get("fun")
    if isinstance(fun, (list, tuple)):
        return ",".join(text_of(one) for one in fun)
    return text_of(fun)


def text_of(value: Any) -> str:
    """
    Return a name in a payload as text; "" for a value that cannot be a name.

    :param value: from a decoded payload.
    """
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (dict, list, tuple, bool)):
        return ""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    return str(value)


def seconds_of(stamp: Any, otherwise: float) -> float:
    """
    Return a stamp in seconds since 1970 UTC. Salt's stamps are in UTC, and mostly do not say so.

    :param stamp: as it stands in a payload.
    :param otherwise: what to return for what is no stamp.
    """
    if not isinstance(stamp, str):
        return otherwise
    try:
        moment = datetime.fromisoformat(stamp)
        seconds = moment.timestamp() if moment.tzinfo else (moment - _EPOCH).total_seconds()
    except (ValueError, OverflowError):
        return otherwise
    # Some databases cannot hold a time before 1970 or after 9999, and only a broken clock makes such a stamp.
    return seconds if 0 < seconds < _LATEST_SECONDS else otherwise

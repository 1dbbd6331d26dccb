"""
Make frames of what a job cache has kept, which is less than the bus has carried.

A return is kept without its function and arguments: these are the job's. What it returned goes from file to frame as it
is, without being decoded, unless the master has written into it since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import msgspec

from salt_eventsd.event.codec import decode, pack
from salt_eventsd.event.frame import TAG_END, pack_frame
from salt_eventsd.event.handed import as_fired, is_of_ssh, kind_of_runner, told_by, without_login
from salt_eventsd.event.outcome import STATE_SEPARATOR
from salt_eventsd.event.parse import text_of
from salt_eventsd.event.weight import LIGHT_BYTES, is_heavy
from salt_eventsd.intake.drain import frames_of_load
from salt_eventsd.intake.origin import EVERYTHING, Origins
from salt_eventsd.intake.past.told import Told
from salt_eventsd.spool.doorstep import Load

#: Names of a return, with their values in MessagePack.
Packed = Mapping[str, msgspec.Raw]
_MARK_OF_STATES = STATE_SEPARATOR.encode()


def is_of_return(load: Mapping[str, Any]) -> bool:
    """
    Say whether a job's load is that of a return, for want of another. A minion has written it, then, and it speaks for
    no other.

    :param load: as the job cache has it; what was returned may be left out.
    """
    return "return" in load or text_of(load.get("cmd")) not in ("", "publish")


def starts(
    jid: str, load: Mapping[str, Any], minions: Mapping[str, list[str]], began: float, origins: Origins
) -> Iterator[Told]:
    """
    Yield a job's start, once for whoever has named minions.

    :param jid: the job id.
    :param load: of its publication.
    :param minions: its minions, by the id of the syndic that named them, "" for the master itself.
    :param began: when it began, in seconds since 1970 UTC.
    :param origins: says who is believed.
    """
    packed = msgspec.msgpack.encode({key: sorted(set(names)) for key, names in origins.believed(minions).items()})
    known = Load(jid, pack(without_login(load)), 0, packed, 0, None, began, 1)
    count = len(known.minions) if minions else None
    for frame in frames_of_load(known, EVERYTHING):
        yield Told(jid, True, "", count, frame)


def expected(minions: Mapping[str, list[str]], origins: Origins) -> frozenset[str] | None:
    """
    Return the minions that may return to a job; None if nobody has said.

    :param minions: its minions, by the id of the syndic that named them, "" for the master itself.
    :param origins: says who is believed.
    """
    return frozenset(one for some in origins.believed(minions).values() for one in some) or None


def returns(jid: str, minion: str, load: Mapping[str, Any] | None, found: Packed, kept: float) -> list[Told]:
    """
    Return a return; of a runner's job its start, too, of which nothing else tells. Nothing, if nobody knows its
    function.

    :param jid: the job id.
    :param minion: who returned it.
    :param load: the job's, None if there is none.
    :param found: what was kept of the return: ``return`` and, where they are known, ``retcode``, ``success``, ``out``.
    :param kept: when, in seconds since 1970 UTC.
    """
    base = _base(minion, load or {})
    if runner := _of_runner(base, found):
        return [Told(jid, tag.endswith("/new"), "", None, pack_frame(tag, data)) for tag, data in told_by(runner)]
    if not base.get("fun") and "fun" not in found:
        return []
    found = _as_fired_by_ssh(jid, minion, load or {}, found)
    data = {
        "_stamp": datetime.fromtimestamp(kept, timezone.utc).isoformat(),
        **without_login(base),
        **_as_fired(jid, base, found),
        "cmd": "_return",
        "id": minion,
        "jid": jid,
    }
    tag = f"salt/job/{jid}/ret/{minion}"
    frame = tag.encode("utf-8", "surrogatepass") + TAG_END + msgspec.msgpack.encode(data)
    return [Told(jid, False, minion, None, frame)]


def _base(minion: str, load: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the job's load says of a return."""
    if not is_of_return(load):
        return {"fun": load.get("fun"), "fun_args": load.get("arg") or []} if load.get("fun") else {}
    if text_of(load.get("id")) != minion:
        return {}
    return {name: value for name, value in load.items() if name != "return"}


def _of_runner(base: Mapping[str, Any], found: Packed) -> dict[str, Any]:
    if "cmd" in base or "tgt" not in base or "fun" not in base or _is_heavy(found):
        return {}
    load = {**base, **{name: decode(bytes(value)) for name, value in found.items()}}
    return load if kind_of_runner(load) else {}


def _as_fired(jid: str, base: Mapping[str, Any], found: Packed) -> dict[str, Any]:
    """Return a return without what the master writes into results of states that have failed."""
    if _MARK_OF_STATES not in bytes(found.get("return", b"")) or _is_heavy(found):
        return dict(found)
    plain = {name: decode(bytes(value)) for name, value in found.items()}
    fired = as_fired({**base, **plain, "jid": jid})
    if fired["return"] == plain["return"]:
        return dict(found)
    return {**found, "return": msgspec.Raw(pack(fired["return"]))}


def _as_fired_by_ssh(jid: str, minion: str, load: Mapping[str, Any], found: Packed) -> Packed:
    """Return a return as salt-ssh fires it, if it is of a job of its: a master's own has ``cmd`` in its load."""
    if "cmd" in load or "fun" not in load or is_of_return(load) or found.keys() != {"return"} or _is_heavy(found):
        return found
    whole = {"jid": jid, "id": minion, "fun": load["fun"], "return": decode(bytes(found["return"]))}
    assert is_of_ssh(whole)
    return {name: msgspec.Raw(pack(value)) for name, value in as_fired(whole).items() if name not in ("jid", "id")}


def _is_heavy(found: Packed) -> bool:
    packed = msgspec.msgpack.encode(found)
    return len(packed) > LIGHT_BYTES and is_heavy(packed)

"""
Ask any returner of Salt's that can be a job cache: ``get_jids``, then ``get_load`` and ``get_jid`` of each job.

A returner tells all job ids at once, and all answers to a job at once; that is what it needs of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import salt.loader

from salt_eventsd.event.codec import decode, pack
from salt_eventsd.event.parse import seconds_of, text_of
from salt_eventsd.intake.origin import EVERYTHING
from salt_eventsd.intake.past.frames import expected, is_of_return, returns, starts
from salt_eventsd.intake.past.told import Item, Items, Place, SourceError, Unread, Wanted, began_at
from salt_eventsd.redact.error_text import one_line

_NEEDED = ("get_jids", "get_load", "get_jid")


def tell(opts: Mapping[str, Any], name: str, wanted: Wanted, after: str = "") -> Items:
    """
    Return what a returner tells of all jobs, in the order of their ids.

    :param opts: Salt's options.
    :param name: the returner's.
    :param wanted: of which time jobs began; a returner does not say when it has kept something.
    :param after: only jobs behind this id.
    :raises SourceError: there is no such returner, or it does not answer.
    """
    known = salt.loader.returners(dict(opts), {})
    if lacking := [function for function in _NEEDED if f"{name}.{function}" not in known]:
        why = known.missing_fun_string(f"{name}.{lacking[0]}")
        raise SourceError(
            f"source: expected local_cache or a returner that can be a job cache, got {name!r}: it has no"
            f" {', no '.join(lacking)} ({one_line(Exception(why))})"
        )
    functions = {function: known[f"{name}.{function}"] for function in _NEEDED}
    return _tell(functions, name, wanted, after)


def _tell(functions: Mapping[str, Callable[..., Any]], name: str, wanted: Wanted, after: str) -> Iterator[Item]:
    try:
        jids = sorted(text_of(jid) for jid in functions["get_jids"]())
    except Exception as exc:
        raise SourceError(f"source: {name} does not answer: {one_line(exc)}") from None
    for jid in jids:
        began = began_at(jid, 0.0)
        if jid > after and wanted.since <= began < wanted.until and wanted.piece(began):
            yield from _job(functions, jid, began)
            yield Place(jid)


def _job(functions: Mapping[str, Callable[..., Any]], jid: str, began: float) -> Iterator[Item]:
    try:
        load = _plain(functions["get_load"](jid))
    except Exception as exc:
        load = {}
        yield Unread(f"{jid}: its load", one_line(exc))
    minions = load.pop("Minions", None)
    meant: frozenset[str] | None = None
    if load and not is_of_return(load):
        named = {"": list(map(text_of, minions))} if isinstance(minions, list) else {}
        meant = expected(named, EVERYTHING)
        yield from starts(jid, load, named, began, EVERYTHING)
    try:
        answers = _plain(functions["get_jid"](jid))
    except Exception as exc:
        yield Unread(f"{jid}: its returns", one_line(exc))
        return
    for minion, answer in answers.items():
        found = answer if isinstance(answer, dict) and "return" in answer else {"return": answer}
        packed = {name: msgspec.Raw(pack(value)) for name, value in found.items()}
        kept = seconds_of(found.get("_stamp"), began)
        told = returns(jid, minion, load, packed, kept)
        if not told:
            yield Unread(f"{jid}: what {minion} returned", "nobody has kept which function it is of")
        yield from (one._replace(is_expected=one.is_start or meant is None or minion in meant) for one in told)


def _plain(found: Any) -> dict[str, Any]:
    """Return a mapping as it would come off the bus."""
    plain = decode(pack(found))
    return plain if isinstance(plain, dict) else {}

"""
The status as a person reads it: the most important first, in words, and in times and sizes that are easy to read.

A healthy engine with up to six workers takes ten lines at most. Each problem adds a line that says what is wrong, and
one that says what to do about it.
"""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Iterator, Mapping
from typing import Any

from salt_eventsd.common.english import counted
from salt_eventsd.engine.problems import problems
from salt_eventsd.engine.report import BusReport, Report, SpoolReport
from salt_eventsd.engine.state_file import IdleReport
from salt_eventsd.operate.status import LATE, WRONG_ON_DISK

#: The longest line, however wide the terminal is: long lines are hard to read.
_WIDEST = 120
_NARROWEST = 40
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_SIZES = ("bytes", "KiB", "MiB", "GiB", "TiB")
_UNIT = re.compile(r"(\d) (?=(?:s|min|h|d|bytes|[KMGT]iB)\b|%)")

#: What to do about what is wrong, by the kind of :class:`salt_eventsd.engine.problems.Problem`; its text may say more.
_ADVICE = {
    "stalled": "if it does not go on by itself, restart the master; the master's log may say why it stands still",
    "ended": "restart the master; its log says why",
    "disconnected": "nothing, if the master has just been started: the engine connects by itself",
    "gap": "salt-run eventsd.repair asks Salt's job cache; salt-run eventsd.status detail=True shows when it was",
    "dispatch": "look at the disk of spool.dir, and at the master's log",
    "spool": "look at the disk of spool.dir; the engine goes on by itself",
    "unkept": "look at the disk of spool.dir; the engine goes on by itself",
    "full": "mend the worker whose queue it is, or raise spool.max_bytes and salt-run eventsd.reload",
    "set_aside": "keep the file if its events matter, or delete it",
    "retrying": "nothing is lost, its events wait in the spool; it tries again by itself",
    "held": "nothing is lost, its events wait in the spool; mend what it says, and it goes on by itself",
    "paused": "salt-run eventsd.resume and its name, once its database is ready; the spool must not get full before",
    "growing": "it is slower than the events come: see to the database, or raise the worker's concurrency",
    "hanging": "see to the database; the worker gives up after its timeout and tries again",
    "buried": "salt-run eventsd.dead shows them and why; eventsd.requeue puts them back, eventsd.discard deletes them",
    "metrics": "give metrics another host or port and salt-run eventsd.reload; it tries again by itself",
    "lost": "salt-run eventsd.status seen=True stops this being told",
}
_ADVICE_BY_STATE = {
    "down": "start the master; if it runs, salt-run eventsd.check tells whether the engine is switched on, and lines of"
    " the master's log that begin with eventsd: tell why it ended",
    "idle, the config is wrong": "mend it, then salt-run eventsd.reload",
}
#: Advice about notes that do not come from the engine's report, by how they begin.
_ADVICE_BY_START = {
    LATE: _ADVICE["stalled"],
    WRONG_ON_DISK: "the engine goes on with what it has; mend it, then salt-run eventsd.reload",
}
#: The report a status was made of; None where there is none that can be read.
Found = Report | IdleReport | None
_COLORS = {"well": "GREEN", "degraded": "YELLOW"}


def page(told: Mapping[str, Any], found: Found, width: int, colors: Mapping[str, Any]) -> str:
    """
    Return the status as text.

    :param told: from :func:`salt_eventsd.operate.status.read`.
    :param found: the engine's report that it was made of, None if there is none.
    :param width: of the terminal, in columns.
    :param colors: from :func:`salt.utils.color.get_colors`.
    """
    width = max(_NARROWEST, min(width, _WIDEST))
    color = state_color(told, colors)
    lines = [f"{color}{line}{colors['ENDC']}" for line in _wrapped("", headline(told, found), width)]
    for what, advice in _wrong(told, found):
        lines += _wrapped("! ", what, width)
        lines += _wrapped("  -> ", advice, width) if advice else []
    if isinstance(found, Report):
        rows = [("bus", bus_line(found.bus)), *_peers(found), *_workers(found), ("spool", spool_line(found.spool))]
        room = max(len(name) for name, _ in rows) + 2
        for name, text in rows:
            lines += _wrapped(name.ljust(room), text, width)
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """
    Return a time as people say it: ``0.4 s``, ``12 s``, ``3 min``, ``2 h 13 min``, ``5 d 4 h``.

    :param seconds: the time.
    """
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    for at, (unit, size) in enumerate(_UNITS):
        if seconds >= size:
            count, left = divmod(int(seconds), size)
            finer, its_size = _UNITS[at + 1] if unit in ("d", "h") else ("", 1)
            return f"{count} {unit}" + (f" {left // its_size} {finer}" if finer and left >= its_size else "")
    return "0 s"


def size(count: float) -> str:
    """
    Return a size as people say it: ``512 bytes``, ``1.5 GiB``.

    :param count: of bytes.
    """
    at = 0
    while count >= 1024 and at < len(_SIZES) - 1:
        count, at = count / 1024, at + 1
    return f"{count:.0f} {_SIZES[at]}" if at == 0 or count >= 100 else f"{count:.1f} {_SIZES[at]}"


def state_color(told: Mapping[str, Any], colors: Mapping[str, Any]) -> str:
    """
    Return the color that a status is shown in.

    :param told: the status.
    :param colors: from :func:`salt.utils.color.get_colors`.
    """
    return str(colors[_COLORS.get(told["state"], "LIGHT_RED")])


def headline(told: Mapping[str, Any], found: Found) -> str:
    """
    Return a status in one line.

    :param told: the status.
    :param found: the report that it was made of.
    """
    # Only the first word in capitals: in "idle, the config is wrong" the rest says why.
    word, comma, why = told["state"].partition(",")
    state = word if word == "well" else f"{word.upper()}{comma}{why}"
    if not told["running"]:
        return f"eventsd is {state}"
    age = f" ({duration(time.time() - found.started)})" if found else ""
    return f"eventsd is {state}, running since {told['since']}{age}"


def _wrong(told: Mapping[str, Any], found: Found) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and what to do about it."""
    known = problems(found) if told["running"] and isinstance(found, Report) else []
    by_text = {one.text: one.kind for one in known}
    for_state = _ADVICE_BY_STATE.get(told["state"], "")
    notes = told["notes"]
    for note, after in zip(notes, [*notes[1:], ""]):
        kind = by_text.get(note, "")
        # If several notes need the same advice, it stands once, under the last of them.
        advice = _ADVICE.get(kind, "") or ("" if after else for_state)
        for start, its_advice in _ADVICE_BY_START.items():
            if told["running"] and note.startswith(start) and not after.startswith(start):
                advice = its_advice
        yield _with_next_try(note, kind, found), advice


def _with_next_try(note: str, kind: str, found: Found) -> str:
    if kind not in ("retrying", "held") or not isinstance(found, Report):
        return note
    waits = [one["next_try_seconds"] for one in found.workers.values() if one.last_error in note]
    soonest = min((one for one in waits if one), default=0.0) - (time.time() - found.written)
    return f"{note} (next try in {duration(soonest)})" if soonest > 0 else note


def bus_line(bus: BusReport) -> str:
    """
    Return in a line how the bus is.

    :param bus: its report.
    """
    last = f"last {duration(time.time() - bus.last)} ago" if bus.last else "none yet"
    gaps = [gap for gap in bus.gaps if gap.until]
    missing = sum(gap.missing or 0 for gap in gaps)
    repaired = sum(gap.repaired or 0 for gap in gaps)
    told = f"{counted(len(gaps), 'gap')}, about {counted(missing)} missed" if gaps else "no gaps"
    told += f", {repaired:,} repaired" if repaired else ""
    state = "" if bus.connected else "not connected; "
    return f"{state}{rate(bus['events_per_second'])}, {last}; {bus['received']:,} read, {bus['lost']:,} lost; {told}"


def _peers(found: Report) -> Iterator[tuple[str, str]]:
    for name, one in found.bus.peers.items():
        heard = f"heard {duration(time.time() - one.heard)} ago" if one.heard else "never heard"
        yield f"peer {name}", f"{one.engine}; {heard}; {one.copied:,} copied, {one.taken:,} kept here"


def _workers(found: Report) -> Iterator[tuple[str, str]]:
    for name, one in found.workers.items():
        waiting = f"{one['queued_events']:,} wait" if one["queued_events"] else "none wait"
        if one["queued_events"] and one["oldest_age"]:
            waiting += f", the oldest {duration(one['oldest_age'])} old"
        written = f"{one['written']:,} written, {rate(one['written_per_second'])}"
        if one.last_write:
            written += f", last {duration(time.time() - one.last_write)} ago"
        dead = f"; {one['dead_letters']:,} dead" if one["dead_letters"] else ""
        yield name, f"{'paused' if one['paused_seconds'] else one.state}; {waiting}; {written}{dead}"


def spool_line(spool: SpoolReport) -> str:
    """
    Return in a line how full the spool is.

    :param spool: its report.
    """
    used, most = max(spool["bytes"], 0), spool["max_bytes"]
    return f"{100 * used / max(most, 1):.1f} % of {size(most)} ({counted(spool.count('events'), verb='waits')})"


def rate(per_second: float) -> str:
    """
    Return a rate as people say it: ``0/s``, ``3.5/s``, ``1,200/s``.

    :param per_second: events in a second.
    """
    return f"{per_second:,.0f}/s" if per_second >= 10 or not per_second else f"{per_second:.1f}/s"


def _wrapped(head: str, text: str, width: int) -> list[str]:
    # A number and its unit stay together.
    lines = textwrap.wrap(
        _UNIT.sub("\\1\xa0", text),
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
    )
    return [line.replace("\xa0", " ") for line in lines] or [head.rstrip()]

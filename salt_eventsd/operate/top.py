"""
What ``salt-run eventsd.top`` does: looks at a running engine again and again.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from salt_eventsd.engine.control import ask, socket_path
from salt_eventsd.engine.report import Report
from salt_eventsd.engine.state_file import IdleReport
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.status import Told, read_both
from salt_eventsd.operate.top_page import RuleRate, lines

#: What a terminal does with these: use the other screen and hide the cursor, go to the upper left, clear the rest of a
#: line or of the screen, and go back.
_BEGIN, _HOME, _REST_OF_LINE, _REST, _END = "\033[?1049h\033[?25l", "\033[H", "\033[K", "\033[J", "\033[?25h\033[?1049l"
_LONGEST_SECONDS = 3600.0


class Look(NamedTuple):
    """
    One look at an engine.

    :param told: its status.
    :param found: the report the status was made of, None if there is none.
    :param rules: how busy each rule was since the look before, the busiest first.
    """

    told: Told
    found: Report | IdleReport | None
    rules: list[RuleRate]


def looks(state_file: Path, seconds: Any, count: Any = None) -> Iterator[Look]:
    """
    Look at an engine, and yield what is seen; the first look takes ``seconds``, too, to see how busy the rules are.

    :param state_file: the engine's.
    :param seconds: how long to wait before each look, as it was given.
    :param count: how many looks, as it was given; None for no end.
    :raises EventsdError: these are no numbers, or no engine runs at the beginning.
    """
    pause, most = _numbers(seconds, count)
    taken = _taken(state_file)
    if taken is None:
        told = read_both(state_file)[0]
        if not told["running"]:
            raise EventsdError(f"eventsd: {told['notes'][0]}")
    at, shown = time.monotonic(), 0
    while most is None or shown < most:
        time.sleep(pause)
        now = _taken(state_file)
        moment = time.monotonic()
        yield Look(*read_both(state_file), _rates(taken or {}, now or {}, moment - at))
        taken, at, shown = now, moment, shown + 1


def live(state_file: Path, seconds: Any, count: Any, colors: Mapping[str, Any]) -> int:
    """
    Show an engine on the terminal until ctrl-C; return the return code of its status at the end.

    :param state_file: the engine's.
    :param seconds: how long to wait before each look.
    :param count: how many looks; None for no end.
    :param colors: from :func:`salt.utils.color.get_colors`.
    :raises EventsdError: as of :func:`looks`.
    """
    code, begun = 0, False
    try:
        for look in looks(state_file, seconds, count):
            code = int(look.told["retcode"])
            size = shutil.get_terminal_size((80, 24))
            page = lines(look.told, look.found, look.rules, (size.columns, size.lines), colors)
            # At once, so that nothing flickers. The last line has no end, which would move all lines up.
            text = f"{_REST_OF_LINE}\n".join(page) + _REST_OF_LINE + _REST
            _write(("" if begun else _BEGIN) + _HOME + text)
            begun = True
    finally:
        if begun:
            _write(_END)
    return code


def as_data(look: Look) -> Told:
    """
    Return a look as data.

    :param look: from :func:`looks`.
    """
    return {**look.told, "rules": {one.name: {"per_second": one.rate, "taken": one.taken} for one in look.rules}}


def _write(text: str) -> None:
    sys.stdout.write(text.encode(sys.stdout.encoding or "ascii", "replace").decode(sys.stdout.encoding or "ascii"))
    sys.stdout.flush()


def _taken(state_file: Path) -> dict[str, int] | None:
    """Return how many events each rule has taken so far; None if no engine tells it."""
    try:
        found: dict[str, int] | None = ask(socket_path(state_file), "rules").get("rules")
    except EventsdError:
        return None
    return found


def _rates(before: Mapping[str, int], now: Mapping[str, int], seconds: float) -> list[RuleRate]:
    # An engine that was started anew counts from 0.
    new = {name: max(0, count - before.get(name, 0)) for name, count in now.items()}
    rates = [RuleRate(name, round(new[name] / max(seconds, 0.001), 1), count) for name, count in now.items()]
    return sorted(rates, key=lambda one: (-one.rate, -one.taken, one.name))


def _numbers(seconds: Any, count: Any) -> tuple[float, int | None]:
    try:
        pause, most = float(seconds), None if count is None else int(count)
    except (TypeError, ValueError):
        pause, most = math.nan, None
    if not 0.1 <= pause <= _LONGEST_SECONDS or (most is not None and most < 1):
        expected = f"seconds from 0.1 to {_LONGEST_SECONDS:.0f}, and a count of 1 or more"
        raise EventsdError(f"eventsd.top: expected {expected}, got seconds={seconds!r} count={count!r}")
    return pause, most

"""
Counts jobs and their returns for metrics, under the names and labels that users of salt-exporter know.

The thread of the intake counts each event as it keeps it; whoever reads the metrics looks at the numbers at any time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from salt_eventsd.event import outcome
from salt_eventsd.event.dry_run import is_test, runs_states
from salt_eventsd.event.parse import Event
from salt_eventsd.intake.labels import MOST_VALUES, Labels, Series

#: The minion's name in what runners return: they run on the master.
_MASTER = "master"
#: How the state is called that ``state.highstate``, and ``state.apply`` without a name, run.
_HIGHSTATE = "highstate"
#: The argument that names what a function runs.
_NAMED_BY = {"state.apply": "mods", "state.sls": "mods", "state.single": "fun"}
#: How the tags of beacons begin.
BEACON = "salt/beacon/"
#: The tag of a minion's ``status`` beacon; the group is the minion's id.
_STATUS = re.compile(BEACON + r"([^/]+)/status(?:/|\Z)")
#: What was returned does not tell of states without it.
STATE_MARK = outcome.STATE_SEPARATOR.encode()
#: Results of states in a larger return are not looked through, in bytes: its code says how it went.
_MOST_LOOKED_AT = 2 * 2**20
_WORDS = {True: "true", False: "false", None: "unknown"}


class Told(NamedTuple):
    """
    What a return is counted as.

    :param fun: its function.
    :param state: what a function of the module ``state`` has run; "" for any other function.
    :param success: how it went, a word.
    :param is_scheduled: it is that of a scheduled job.
    """

    fun: str
    state: str
    success: str
    is_scheduled: bool


class JobCounts:
    """
    What there is to count of jobs. One thread notes events, other threads read.

    :ivar new_jobs: jobs begun, by function and state.
    :ivar expected: minions they were sent to, by function and state.
    :ivar responses: returns of published jobs, by function, state, success and, if asked for, minion.
    :ivar scheduled: returns of scheduled jobs, likewise.
    :ivar by_minion: returns by minion and success.
    :ivar status: whether a minion's last run of states went well (1 or 0), by minion, function and state.
    :ivar seconds: how long the states of the last run took, by function, state and, if asked for, minion.
    :ivar answered: when a minion returned last, in seconds since 1970 UTC.
    :ivar beats: when a minion's ``status`` beacon came last, in seconds since 1970 UTC.
    :ivar accepted: the minions whose keys the master has accepted; None if that is not known.
    """

    def __init__(self) -> None:
        self.new_jobs = Series(MOST_VALUES)
        self.expected = Series(MOST_VALUES)
        self.responses = Series()
        self.scheduled = Series()
        self.by_minion = Series(len(_WORDS) * MOST_VALUES)
        self.status = Series()
        self.seconds = Series()
        self.answered = Series()
        self.beats = Series()
        self.accepted: frozenset[str] | None = None
        # When each of ``status`` was, in seconds since 1970 UTC.
        self._ran = Series()
        self._minions = Labels()
        self._beating = Labels()
        self._has_minion: bool | None = None

    def note(self, event: Event, data: Any, returned: Any, has_minion: bool, moment: float) -> None:
        """
        Count an event that some rule takes.

        :param event: as it is kept.
        :param data: its payload, redacted and without its ``return``.
        :param returned: the payload's ``return``, redacted.
        :param has_minion: whether functions are also counted by minion.
        :param moment: when it happened, in seconds since 1970 UTC.
        """
        if has_minion is not self._has_minion:
            self._label_by_minion(has_minion)
        if event.kind in ("job", "run") and isinstance(data, Mapping):
            if event.phase == "ret":
                self._returned(event, data, returned, has_minion, moment)
            elif event.phase == "new":
                self._begun(event, data)

    def again(self, returns: Iterable[tuple[Told, Event]], has_minion: bool) -> None:
        """
        Count returns that have just come over the bus, of which the payload need not be looked at.

        :param returns: each with what :func:`told_of` says of it.
        :param has_minion: as of :meth:`note`.
        """
        if has_minion is not self._has_minion:
            self._label_by_minion(has_minion)
        for told, event in returns:
            self._answered(told, self._minions.of(event.minion_id), has_minion, event.received)

    def beat(self, tag: str, received: float) -> None:
        """
        Note the sign of life that a ``status`` beacon is; do nothing for any other event.

        :param tag: of an event that was not found to be forged.
        :param received: when it was read, in seconds since 1970 UTC.
        """
        found = _STATUS.match(tag)
        if found and (self.accepted is None or found[1] in self.accepted):
            self.beats.set((self._beating.of(found[1]),), "", received)

    def _label_by_minion(self, has_minion: bool) -> None:
        """Begin anew where series have another number of labels than before: they do not go together."""
        self._has_minion = has_minion
        for series in (self.responses, self.scheduled, self.seconds):
            series.clear()

    def _begun(self, event: Event, data: Mapping[Any, Any]) -> None:
        key = (event.fun, _state_of(event.fun, data))
        minions = data.get("minions")
        # A master of masters hears of a job twice: its own, for the syndic, and the syndic's, for the minions below.
        if not event.syndic:
            self.new_jobs.add(key, "")
        self.expected.add(key, "", len(minions) if isinstance(minions, list) else 0)

    def _returned(self, event: Event, data: Mapping[Any, Any], returned: Any, has_minion: bool, moment: float) -> None:
        fun = event.fun
        minion = self._minions.of(event.minion_id or _MASTER)
        state = _state_of(fun, data) if fun.startswith("state.") else ""
        is_small = len(event.returned) <= _MOST_LOOKED_AT
        run = outcome.plain_run(returned) if is_small and _has_states(event) else None
        found = _outcome(event, data, returned, run)
        told = Told(fun, state, _WORDS[found.success], bool(data.get("schedule")))
        self._answered(told, minion, has_minion, moment)
        if not state or found.test or found.success is None:
            return
        if self._ran.rise((minion, fun, state), minion, moment):
            self.status.set((minion, fun, state), minion, float(found.success))
            seconds = run.seconds if run else _seconds(returned, event)
            if seconds is not None:
                self.seconds.set((fun, state, minion) if has_minion else (fun, state), minion, seconds)

    def _answered(self, told: Told, minion: str, has_minion: bool, moment: float) -> None:
        fun, state, success, is_scheduled = told
        counted = self.scheduled if is_scheduled else self.responses
        counted.add((fun, state, success, minion) if has_minion else (fun, state, success), minion)
        self.by_minion.add((minion, success), "")
        self.answered.rise((minion,), "", moment)


_WELL = outcome.Outcome(0, True, None)


def told_of(event: Event, data: Mapping[Any, Any]) -> Told | None:
    """
    Return what a minion's return is counted as, and any other with the same payload but for what was returned, if that
    does not tell of states either; None if it may.

    :param event: the return of one function.
    :param data: its payload, without its ``return``.
    """
    if _has_states(event) or runs_states(event.fun) or event.fun.startswith("state."):
        return None
    return Told(event.fun, "", _WORDS[_outcome(event, data, None).success], bool(data.get("schedule")))


def _outcome(
    event: Event, data: Mapping[Any, Any], returned: Any, run: outcome.PlainRun | None = None
) -> outcome.Outcome:
    fun, code, told = data.get("fun"), data.get("retcode"), data.get("success")
    arguments = data.get("fun_args") if "fun_args" in data else data.get("arg")
    if run and event.kind == "job" and isinstance(name := fun or event.fun, str):
        return outcome.of_plain(is_test(name, arguments), run, returned, code, told)
    tells = isinstance(fun, (list, tuple)) or event.kind == "run" or _has_states(event)
    tells = tells or (isinstance(returned, list) and runs_states(event.fun))
    if not tells and code == 0 and told is True:
        return _WELL
    value = returned if tells and len(event.returned) <= _MOST_LOOKED_AT else None
    return outcome.read(outcome.parts_of(fun or event.fun, arguments, value), code, told, event.kind == "run")


def _has_states(event: Event) -> bool:
    return STATE_MARK in event.returned


def _state_of(fun: str, data: Mapping[Any, Any]) -> str:
    """Return what a function of the module ``state`` runs, as salt-exporter names it; "" for any other function."""
    if fun == "state.highstate":
        return _HIGHSTATE
    key = _NAMED_BY.get(fun)
    if key is None:
        return ""
    arguments = data.get("arg") or data.get("fun_args")
    named: Any = None
    if isinstance(arguments, (list, tuple)):
        for place, one in enumerate(arguments):
            if isinstance(one, Mapping):
                named = named or one.get(key)
            elif isinstance(one, str) and one.startswith(f"{key}="):
                named = one.partition("=")[2]
            elif place == 0 and not (isinstance(one, str) and one.partition("=")[0].isidentifier() and "=" in one):
                named = one
    if isinstance(named, (list, tuple)):
        named = ",".join(one for one in named if isinstance(one, str))
    if isinstance(named, str) and named:
        return named
    return _HIGHSTATE if fun == "state.apply" else ""


def _seconds(returned: Any, event: Event) -> float | None:
    """Return how long the states took that ran, in seconds; None if that is not said."""
    if not isinstance(returned, Mapping) or len(event.returned) > _MOST_LOOKED_AT:
        return None
    told: list[Any] = [result.get("duration") for _, result in outcome.states_of(returned)]
    durations = [float(one) for one in told if type(one) in (int, float) and 0 <= one < math.inf]
    return sum(durations) / 1000 if durations else None

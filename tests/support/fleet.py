"""
A week of a fleet as a company has one: web servers, databases and the like that run their states each hour, people who
run commands, and what goes wrong. It fills pages and dashboards, so that there is something to look at.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from salt_eventsd.event.parse import Event
from tests.support.events import fired, job_data, return_data, state_result

_ROLES = {"web": 16, "db": 6, "cache": 6, "mail": 4, "ci": 8, "edge": 8}
MINIONS = tuple(f"{role}{number:02d}.example.com" for role, count in _ROLES.items() for number in range(1, count + 1))
#: State: file, id, function, name, usual duration in ms, what it says when it fails.
_STATES = (
    ("base.packages", "base packages", "pkg.installed", "base packages", 4200.0, "Unable to fetch 2 archives: 503"),
    ("base.ntp", "ntp config", "file.managed", "/etc/ntp.conf", 35.0, "Source file salt://ntp/ntp.conf not found"),
    ("base.users", "deploy user", "user.present", "deploy", 21.0, "User deploy could not be created"),
    ("base.ssh", "sshd config", "file.managed", "/etc/ssh/sshd_config", 28.0, "Failed to commit change: disk is full"),
    ("web.nginx", "nginx", "service.running", "nginx", 310.0, "The named service nginx is not available"),
    ("web.app", "app checkout", "git.latest", "https://git.example.com/shop.git", 9300.0, "Repository is unreachable"),
)
_ERRORS = {
    "cmd.run": "bash: line 1: backup-all: command not found",
    "pkg.install": "E: Unable to locate package nginx-extra",
    "service.restart": "Job for postgresql.service failed because the control process exited with error code.",
}
_WORK = (
    ("alice", "cmd.run", 5),
    ("sudo_bob", "pkg.install", 2),
    ("sudo_bob", "service.restart", 2),
    ("carol", "grains.items", 3),
    ("ci", "test.ping", 12),
    ("ci", "cmd.run", 4),
)
#: Minions that do not answer, and that fail in one state until somebody mends it.
_AWAY, _BROKEN = ("edge07.example.com", "mail03.example.com"), ("web03.example.com", "db02.example.com")


def week(end: datetime | None = None, seed: int = 3, days: int = 7) -> list[Event]:
    """
    Return the events of a week, or of as many days as are said.

    :param end: when it ends; now.
    :param seed: of what is left to chance.
    :param days: how many.
    """
    return list(_Week(end or datetime.now(timezone.utc), random.Random(seed), days))


class _Week:
    def __init__(self, end: datetime, chance: random.Random, days: int) -> None:
        self._end, self._chance, self._days, self._count = end, chance, days, 0

    def __iter__(self) -> Iterator[Event]:
        for hour in range(self._days * 24, 0, -1):
            begin = self._end - timedelta(hours=hour)
            if hour % 4 == 0:
                yield from self._states(begin, hour)
            is_day = 7 <= begin.hour <= 18
            for _ in range(self._chance.randint(3, 9) if is_day else self._chance.randint(0, 2)):
                yield from self._command(begin + timedelta(seconds=self._chance.uniform(60, 3000)))

    def _states(self, when: datetime, hour: int) -> Iterator[Event]:
        """A highstate of everybody; the last ones leave some as they are to be seen."""
        yield from self._job(when, "state.highstate", "root", list(MINIONS))
        for minion_id in MINIONS:
            if minion_id not in _AWAY or hour > 60:
                breaks = self._chance.random() < 0.02 or (minion_id in _BROKEN and hour < 50)
                yield self._answer(when, minion_id, "state.highstate", self._run(minion_id, breaks), not breaks)

    def _run(self, minion_id: str, breaks: bool) -> dict[str, Any]:
        known = _STATES if minion_id.startswith("web") else _STATES[:4]
        broken = self._chance.choice(known) if breaks else None
        value = {}
        for number, one in enumerate(known):
            sls, state_id, function, name, took, says = one
            changes = {"diff": f"-old line\n+new line of {name}"} if self._chance.random() < 0.015 else {}
            module, _, what = function.partition(".")
            value[f"{module}_|-{state_id}_|-{name}_|-{what}"] = state_result(
                name,
                number,
                result=one is not broken,
                comment=says if one is broken else "in the right state",
                changes={} if one is broken else changes,
                duration=took * self._chance.lognormvariate(0, 0.5),
                __sls__=sls,
                __id__=state_id,
            )
        return value

    def _command(self, when: datetime) -> Iterator[Event]:
        user, fun, _ = self._chance.choices(_WORK, [weight for *_, weight in _WORK])[0]
        asked = list(MINIONS) if fun == "test.ping" else self._chance.sample(MINIONS, self._chance.randint(1, 6))
        yield from self._job(when, fun, user, asked)
        for minion_id in asked:
            if minion_id in _AWAY and self._chance.random() < 0.9:
                continue
            ok = fun not in _ERRORS or self._chance.random() > 0.06
            yield self._answer(when, minion_id, fun, True if ok else _ERRORS[fun], ok)

    def _job(self, when: datetime, fun: str, user: str, asked: list[str]) -> Iterator[Event]:
        self._count += 1
        self._jid = f"{when:%Y%m%d%H%M%S}{self._count:06d}"
        stamp = f"{when:%Y-%m-%dT%H:%M:%S.%f}"
        yield fired(f"salt/job/{self._jid}/new", job_data(self._jid, fun, user=user, minions=asked, _stamp=stamp))

    def _answer(self, when: datetime, minion_id: str, fun: str, value: Any, ok: bool) -> Event:
        came = when + timedelta(seconds=self._chance.uniform(0.2, 20))
        more = {"retcode": 0 if ok else 2, "success": ok, "_stamp": f"{came:%Y-%m-%dT%H:%M:%S.%f}"}
        return fired(f"salt/job/{self._jid}/ret/{minion_id}", return_data(value, self._jid, minion_id, fun, **more))

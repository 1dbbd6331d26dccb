"""
A history whose truth is known: :class:`Story` makes events of jobs, and notes what each of them was and how it went, in
words of its own. Nothing here reads what the package makes of the events.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from salt_eventsd.event.parse import Event
from tests.support.events import fired, job_data, return_data, state_result

USERS = ("root", "alice", "sudo_bob", "Alice")
MINIONS = (*tuple(f"web{number}.example.com" for number in range(1, 7)), "db1", "DB1", "under_score", "underXscore")
SUCCEEDED, FAILED, MISSING = "succeeded", "failed", "missing"
#: The master's id in what runners return.
MASTER = "master-1"
_PLAIN = ("test.ping", "cmd.run", "pkg.install", "grains.items")


@dataclass
class State:
    """A state that ran: what came of it, and whether it truly changed something."""

    jid: str
    minion_id: str
    number: int
    function: str
    name: str
    id: str
    sls: str
    ok: bool | None
    changed: bool
    duration: float


@dataclass
class Job:
    """A job: what was asked of whom, and how each minion's answer was; those that were not asked are in it, too."""

    jid: str
    kind: str
    fun: str
    user: str | None
    target: str
    asked: list[str] | None
    when: datetime
    test: bool = False
    schedule: str | None = None
    published: bool = True
    started: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    returned: list[tuple[str, datetime, bool]] = field(default_factory=list)
    states: list[State] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Who was asked and did not answer."""
        return sorted(set(self.asked or ()) - set(self.answers))

    @property
    def outcome(self) -> str:
        """The worst of its answers; nobody, if there was nobody to ask."""
        told = {
            *self.answers.values(),
            *([MISSING] if self.missing or (self.asked is None and not self.answers) else []),
        }
        return next((one for one in (FAILED, MISSING, SUCCEEDED) if one in told), "nobody")


class Story:
    """
    Events and what they mean.

    :param seed: of what is left to chance.
    :param end: when the last job runs; the others are before it.
    """

    def __init__(self, seed: int = 1, end: datetime | None = None) -> None:
        self._random = random.Random(seed)
        self._end = end or datetime.now(timezone.utc) - timedelta(minutes=5)
        self._clock = self._end
        self._count = 0
        self.jobs: list[Job] = []
        self.events: list[Event] = []

    def at(self, ago: timedelta) -> Story:
        """Let the next job begin so long before the end."""
        self._clock = self._end - ago
        return self

    def ping(
        self,
        asked: Sequence[str] = MINIONS,
        missing: Iterable[str] = (),
        failed: Iterable[str] = (),
        fun: str = "test.ping",
        user: str = "root",
        arg: Sequence[Any] = (),
        target: str = "*",
    ) -> Job:
        """Add a job of a plain function."""
        job = self._published(fun, user, target, list(asked), arg)
        for minion_id in asked:
            if minion_id not in set(missing):
                self._answer(job, minion_id, ok=minion_id not in set(failed), fun_args=list(arg))
        return job

    def states(
        self,
        outcomes: dict[str, str],
        fun: str = "state.apply",
        test: bool = False,
        user: str = "root",
        names: Sequence[str] = ("/etc/motd", "/etc/ntp.conf"),
        retcode: int | None = None,
    ) -> Job:
        """
        Add a run of states.

        :param outcomes: minion -> ``healthy``, ``changed``, ``failed`` or ``rendering`` (no state could be read).
        :param retcode: what the return says of a failure; Salt says 2, and an old one 0.
        """
        arg = [{"__kwarg__": True, "test": True}] if test else []
        job = self._published(fun, user, "*", list(outcomes), arg)
        job.test = test
        for minion_id, outcome in outcomes.items():
            if outcome == "rendering":
                self._answer(job, minion_id, False, ["Rendering SLS 'base:motd' failed: no such file"], arg, fun, 1)
                continue
            value = {}
            for number, name in enumerate(names):
                last = number == len(names) - 1
                ok: bool | None = not (outcome == "failed" and last)
                changes = {"diff": "+x"} if outcome == "changed" and last else {}
                if test and changes:
                    ok = None
                duration = 10.0 * self._count + number
                value[f"file_|-id of {name}_|-{name}_|-managed"] = state_result(
                    name,
                    number,
                    result=ok,
                    changes=changes,
                    duration=duration,
                    __sls__="base.files",
                    __id__=f"id of {name}",
                )
                truly = bool(changes) and not test
                job.states.append(
                    State(
                        job.jid,
                        minion_id,
                        number,
                        "file.managed",
                        name,
                        f"id of {name}",
                        "base.files",
                        ok,
                        truly,
                        duration,
                    )
                )
            code = (2 if outcome == "failed" else 0) if retcode is None else retcode
            self._answer(job, minion_id, outcome != "failed", value, arg, fun, code)
        return job

    def several(self, outcomes: dict[str, bool], user: str = "root") -> Job:
        """Add a job of two functions, of which the second one may fail."""
        functions, arguments = ["test.ping", "cmd.run"], [[], ["false"]]
        job = self._published(",".join(functions), user, "*", list(outcomes), arguments, fun=functions)
        for minion_id, ok in outcomes.items():
            data = return_data(
                {"test.ping": True, "cmd.run": "x"},
                job.jid,
                minion_id,
                fun_args=arguments,
                retcode={"test.ping": 0, "cmd.run": 0 if ok else 1},
                success={"test.ping": True, "cmd.run": ok},
                _stamp=self._stamp(),
            )
            data["fun"] = functions
            self._note(job, minion_id, ok, f"salt/job/{job.jid}/ret/{minion_id}", data)
        return job

    def batch(self, groups: Sequence[Sequence[str]], missing: Iterable[str] = ()) -> Job:
        """Add a batch: one jid that is published once for each group."""
        job = self._published("cmd.run", "root", "*", [], ["uptime"], announce=False)
        for group in groups:
            assert job.asked is not None
            job.asked.extend(group)
            self._announce(job, "cmd.run", ["uptime"], list(group))
            for minion_id in group:
                if minion_id not in set(missing):
                    self._answer(job, minion_id, True, fun_args=["uptime"])
        return job

    def call(self, minion_id: str, ok: bool = True) -> Job:
        """Add a run of salt-call: a return that nobody has published, and that does not say whether it went well."""
        job = self._job("call", "cmd.run", None, minion_id, [minion_id])
        data = return_data("x", job.jid, minion_id, "cmd.run", retcode=0 if ok else 1, _stamp=self._stamp())
        del data["success"]
        data.update(tgt=minion_id, tgt_type="glob")
        self._note(job, minion_id, ok, f"salt/job/{job.jid}/ret/{minion_id}", data)
        return job

    def scheduled(self, minion_id: str, name: str, ok: bool = True) -> Job:
        """Add a run of a minion's schedule."""
        job = self._job("schedule", "cmd.run", None, minion_id, [minion_id])
        job.schedule = name
        data = return_data("x", job.jid, minion_id, "cmd.run", retcode=0 if ok else 1, success=ok, _stamp=self._stamp())
        data.update(schedule=name, tgt=minion_id, tgt_type="glob")
        self._note(job, minion_id, ok, f"salt/job/{job.jid}/ret/{minion_id}", data)
        return job

    def unknown(self, minion_id: str, ok: bool = True) -> Job:
        """Add a return whose job was never told of."""
        job = self._job("", "test.ping", None, "", None)
        job.published = False
        self._answer(job, minion_id, ok)
        return job

    def runner(
        self, fun: str = "manage.up", user: str = "alice", ok: bool = True, value: Any = None, kind: str = "run"
    ) -> Job:
        """Add a runner's job, or with ``kind`` a wheel's."""
        whole = f"{'runner' if kind == 'run' else kind}.{fun}"
        job = self._job("runner" if kind == "run" else kind, whole, user, "", None)
        about = {"fun": whole, "fun_args": [], "jid": job.jid, "user": user}
        self.events.append(fired(f"salt/{kind}/{job.jid}/new", {**about, "_stamp": self._stamp()}))
        told = {**about, "return": value, "success": ok, "_stamp": self._stamp()}
        self._note(job, MASTER, ok, f"salt/{kind}/{job.jid}/ret", told)
        return job

    def orchestration(self, *started: Job, user: str = "alice") -> Job:
        """Add an orchestration that started some jobs, which have been added before."""
        value = {
            "data": {
                f"{MASTER}_master": {
                    f"salt_|-step {number}_|-step {number}_|-state": {
                        **state_result(f"step {number}", number, __sls__="orch"),
                        "__jid__": one.jid,
                    }
                    for number, one in enumerate(started)
                }
            },
            "outputter": "highstate",
            "retcode": 0,
        }
        job = self.runner("state.orchestrate", user=user, value=value)
        job.started = [one.jid for one in started]
        return job

    def by_chance(self, count: int) -> None:
        """Add so many jobs of all kinds, a few minutes apart, the oldest first."""
        pick = self._random
        for number in range(count):
            self.at(timedelta(minutes=7 * (count - number)))
            some = pick.sample(MINIONS, pick.randint(1, len(MINIONS)))
            user = pick.choice(USERS)
            kind = pick.randrange(8)
            if kind <= 2:
                away = [one for one in some if pick.random() < 0.1]
                failed = [one for one in some if pick.random() < 0.1]
                self.ping(
                    some, away, failed, pick.choice(_PLAIN), user, target=pick.choice(["*", "web*", "G@os:Debian"])
                )
            elif kind <= 4:
                words = ("healthy", "healthy", "changed", "failed", "rendering")
                test = pick.random() < 0.3
                fun = pick.choice(["state.apply", "state.highstate"])
                self.states({one: pick.choice(words) for one in some}, fun, test, user)
            elif kind == 5:
                self.several({one: pick.random() < 0.8 for one in some}, user)
            elif kind == 6:
                pick.choice([self.call, lambda one, ok: self.scheduled(one, "hourly", ok)])(
                    some[0], pick.random() < 0.7
                )
            else:
                self.runner(user=user, ok=pick.random() < 0.8)

    def again(self, job: Job, minion_id: str, ok: bool) -> None:
        """Have a minion answer a job once more; it has failed if one of its answers has."""
        self._answer(job, minion_id, ok, value="once more")

    def _published(
        self,
        name: str,
        user: str,
        target: str,
        asked: list[str],
        arg: Sequence[Any],
        fun: Any = None,
        announce: bool = True,
    ) -> Job:
        job = self._job("job", name, user, target, asked)
        if announce:
            self._announce(job, fun or name, arg, asked)
        return job

    def _announce(self, job: Job, fun: Any, arg: Sequence[Any], minions: list[str]) -> None:
        about = {"user": job.user, "tgt": job.target, "minions": minions, "arg": list(arg), "_stamp": self._stamp()}
        self.events.append(fired(f"salt/job/{job.jid}/new", job_data(job.jid, fun, **about)))

    def _job(self, kind: str, fun: str, user: str | None, target: str, asked: list[str] | None) -> Job:
        self._count += 1
        self._clock += timedelta(seconds=1)
        job = Job(f"{self._clock:%Y%m%d%H%M%S}{self._count:06d}", kind, fun, user, target, asked, self._clock)
        self.jobs.append(job)
        return job

    def _answer(
        self,
        job: Job,
        minion_id: str,
        ok: bool,
        value: Any = "x",
        fun_args: Sequence[Any] = (),
        fun: str | None = None,
        retcode: int | None = None,
    ) -> None:
        code = (0 if ok else 1) if retcode is None else retcode
        more = {"retcode": code, "success": ok or code == 0, "fun_args": list(fun_args), "_stamp": self._stamp()}
        data = return_data(value, job.jid, minion_id, fun or job.fun, **more)
        self._note(job, minion_id, ok, f"salt/job/{job.jid}/ret/{minion_id}", data)

    def _note(self, job: Job, minion_id: str, ok: bool, tag: str, data: dict[str, Any]) -> None:
        self.events.append(fired(tag, data))
        job.returned.append((minion_id, datetime.fromisoformat(f"{data['_stamp']}+00:00"), ok))
        job.answers[minion_id] = FAILED if not ok or job.answers.get(minion_id) == FAILED else SUCCEEDED

    def _stamp(self) -> str:
        self._clock += timedelta(milliseconds=10)
        return f"{self._clock:%Y-%m-%dT%H:%M:%S.%f}"

"""
Twins: two real masters that run the same jobs, so that what their job caches answer can be compared.

Ids of masters, minions and jobs are replaced by names that both have: jobs are numbered in the order of their start.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import requests
import salt.client
import salt.config
import salt.minion
import salt.runner

from tests.support.nodes import Master, minion_config
from tests.support.salt import wait_until
from tests.support.server import free_port

#: A minion's names on both sides.
MINIONS = ("one", "two")
#: Fails in one state of two.
FAILS = """
good:
  test.succeed_with_changes
bad:
  test.fail_without_changes
"""
#: A function on a minion, and then the states above, which fail.
ORCHESTRATION = """
greet:
  salt.function:
    - name: test.echo
    - tgt: 'one-*'
    - arg: [hello]
break:
  salt.state:
    - tgt: 'one-*'
    - sls: fails
"""
SCHEDULE = {"greeting": {"function": "test.echo", "args": ["scheduled"], "seconds": 3600, "run_on_start": True}}
#: Options of a master that salt-api's user logs in to.
API: dict[str, Any] = {
    "sharedsecret": "let-me-in",
    "external_auth": {"sharedsecret": {"ann": [".*", "@runner", "@jobs"]}},
    "netapi_enable_clients": ["local", "runner"],
}
#: What differs from run to run; and what the master writes into results of states after it has fired their event.
_VARYING = (
    "StartTime",
    "EndTime",
    "duration",
    "start_time",
    "__pid__",
    "pid",
    "_stamp",
    "__jid__",
    "__pub_pid",
    "__pub_jid",
)
_WRITTEN_IN = ("retcode", "jid", "id", "success", "return", "fun", "user")
#: Jobs of the questions themselves.
_QUESTIONS = ("runner.jobs.", "saltutil.find_job", "saltutil.running", "runner.eventsd.")


class Twin:
    """
    A master with two minions.

    :param master: the master.
    :param minions: its minions' daemons.
    """

    def __init__(self, master: Master, minions: list[Any]) -> None:
        self.master = master
        self.minions = minions
        self.opts = salt.config.master_config(master.daemon.config["conf_file"])
        # Salt's runners keep what they have loaded for one master, so each has a process.
        self._process = ProcessPoolExecutor(1, get_context("spawn"))
        self._jids: dict[str, str] = {}
        #: The id of the job that was published last.
        self.latest = ""

    def close(self) -> None:
        """End the process that asks."""
        self._process.shutdown()

    @contextmanager
    def client(self, user: str = "") -> Iterator[salt.client.LocalClient]:
        """
        Give a client, by default of the user who runs the tests.

        :param user: one whom ``publisher_acl`` knows.
        """
        with salt.client.LocalClient(mopts=dict(self.opts)) as client:
            if user:
                client.salt_user = user
                client.key = (self.master.cachedir / f".{user}_key").read_text(encoding="utf-8")
            yield client

    def publish(self, tgt: Any, fun: Any, arg: Any = (), user: str = "", **more: Any) -> dict[str, Any]:
        """
        Run a job, wait for its answers, and return them by minion.

        :param tgt: the target; ``{one}`` and ``{two}`` stand for the minions.
        :param fun: the function, or several.
        :param arg: its arguments.
        :param user: who publishes.
        :param more: arguments of the client.
        """
        names = dict(zip(MINIONS, (one.id for one in self.minions), strict=True))
        where = [one.format(**names) for one in tgt] if isinstance(tgt, list) else tgt.format(**names)
        found: dict[str, Any] = {}
        with self.client(user) as client:
            for one in client.cmd_iter(where, fun, arg, timeout=30, full_return=True, **more):
                found.update(one)
        self.latest = next(answer["jid"] for answer in found.values() if "jid" in answer)
        return {name: answer.get("ret") for name, answer in found.items()}

    def call(self, minion: int, *args: str) -> Any:
        """
        Run ``salt-call`` on a minion.

        :param minion: its number.
        :param args: a function and its arguments.
        """
        return self.minions[minion].salt_call_cli(timeout=60).run(*args).data

    def run(self, fun: str, *args: Any, **kwargs: Any) -> Any:
        """
        Call a runner, as ``salt-run`` does, and return its answer as it is.

        :param fun: the function.
        :param args: its arguments.
        :param kwargs: its arguments.
        """
        return self._process.submit(_run, self.master.daemon.config["conf_file"], fun, args, kwargs).result(120)

    @contextmanager
    def api(self) -> Iterator[Callable[..., Any]]:
        """
        Run salt-api, and give what asks it for a path, or sends something there, as a user who has logged in; needs
        :data:`API`.
        """
        login = {"eauth": "sharedsecret", "username": "ann", "password": API["sharedsecret"]}
        port = free_port()
        conf_file = Path(self.master.daemon.config["conf_file"])
        # It reads the master's own configuration, so the port goes there.
        extra = conf_file.parent / "master.d" / "api.conf"
        extra.parent.mkdir(exist_ok=True)
        netapi = {"rest_cherrypy": {"port": port, "host": "127.0.0.1", "disable_ssl": True}}
        extra.write_text(json.dumps(netapi), encoding="utf-8")
        command = [sys.executable, "-c", "from salt.scripts import salt_api; salt_api()", "-c", str(conf_file.parent)]
        with subprocess.Popen([*command, "--log-level=critical"]) as process, requests.Session() as session:
            url = f"http://127.0.0.1:{port}"
            try:
                wait_until(lambda: _answers(url), "salt-api", 90.0)
                session.post(f"{url}/login", json=login, timeout=60).raise_for_status()
                session.headers["Accept"] = "application/json"

                def ask(path: str, body: Any = None) -> Any:
                    method = "GET" if body is None else "POST"
                    return session.request(method, url + path, json=body, timeout=90).json()

                yield ask
            finally:
                process.terminate()
                extra.unlink()

    def ask(self, fun: str, *args: Any, **kwargs: Any) -> Any:
        """Call a runner, and return its answer as one compares it."""
        return self.plain(self.run(fun, *args, **kwargs))

    def jids(self) -> list[str]:
        """Return the ids of the jobs that were run, in the order of their start."""
        listed = self.run("jobs.list_jobs")
        return sorted(jid for jid, job in listed.items() if not str(job["Function"]).startswith(_QUESTIONS))

    def number(self, jids: list[str]) -> None:
        """
        Know jobs by their numbers from now on, others no longer.

        :param jids: their ids, in order.
        """
        self._jids = {jid: f"job {number}" for number, jid in enumerate(jids)}

    def plain(self, answer: Any) -> Any:
        """Return an answer without what differs between two runs, with both sides' names."""
        text = json.dumps(_without_varying(answer))
        for name, daemon in zip(MINIONS, self.minions, strict=True):
            text = text.replace(daemon.id, name)
        # The id of a master is that of what its runners return, too.
        text = text.replace(self.opts["id"], "m_master").replace(self.master.daemon.id, "m")
        for jid, number in self._jids.items():
            text = text.replace(jid, number)
        return json.loads(text)

    def listed(self, jobs: Any) -> Any:
        """Return those of a list of jobs that have a number: each look at the list is a job, too."""
        if isinstance(jobs, list):
            return [one for one in jobs if one.get("JID", "").startswith("job ")]
        return {jid: job for jid, job in jobs.items() if jid.startswith("job ")}


@lru_cache(maxsize=1)
def _runner(conf_file: str) -> salt.runner.RunnerClient:
    opts = salt.config.master_config(conf_file)
    # Salt loads all its modules anew for each question, which takes longer than everything else.
    loaded = salt.minion.MasterMinion(opts)
    salt.minion.MasterMinion = lambda *_, **__: loaded
    return salt.runner.RunnerClient(opts)


def _run(conf_file: str, fun: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return _runner(conf_file).cmd(fun, list(args), kwarg=kwargs, print_event=False)


def _answers(url: str) -> bool:
    with suppress(requests.ConnectionError):
        return bool(requests.get(url, timeout=30).ok)
    return False


def _without_varying(value: Any) -> Any:
    if isinstance(value, dict):
        gone = {*_VARYING, *(_WRITTEN_IN if "__run_num__" in value else ())}
        return {key: _without_varying(one) for key, one in value.items() if key not in gone}
    return [_without_varying(one) for one in value] if isinstance(value, (list, tuple)) else value


@contextmanager
def twin_of(master: Master) -> Iterator[Twin]:
    """
    Run two minions of a master, one of them with a schedule.

    :param master: the master.
    """
    name = master.daemon.id
    daemons = [
        master.daemon.salt_minion_daemon(
            f"{which}-of-{name}", overrides=minion_config(**({"schedule": SCHEDULE} if which == "two" else {}))
        )
        for which in MINIONS
    ]
    tree = master.daemon.state_tree.base
    with (
        tree.temp_file("fails.sls", FAILS),
        tree.temp_file("orch.sls", ORCHESTRATION),
        daemons[0].started(),
        daemons[1].started(),
    ):
        twin = Twin(master, daemons)
        wait_until(twin.jids, f"scheduled job of {name}", 30.0)
        try:
            yield twin
        finally:
            twin.close()

"""Salt's own job cache, written by Salt's own returner as a master does, and the events that the bus carries of it."""

from __future__ import annotations

import copy
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import salt.loader
import salt.utils.jid

from tests.support.events import job_data, return_data


class LocalCache:
    """
    A master's files of jobs.

    :param opts: the master's options.
    """

    def __init__(self, opts: dict[str, Any]) -> None:
        self.opts = {"hash_type": "sha256", **opts, "master_job_cache": "local_cache"}
        self._functions = salt.loader.returners(self.opts, {})
        self._args: dict[str, Any] = {}
        #: What the bus has carried of each: tag and payload.
        self.fired: list[tuple[str, dict[str, Any]]] = []

    def publish(self, jid: str, minions: list[str], fun: Any = "test.ping", **more: Any) -> str:
        """Do what a master does when a job is published."""
        self._functions["local_cache.prep_jid"](passed_jid=jid)
        told = job_data(jid, fun, minions=minions, user="ann", _stamp=stamp(), **more)
        self._args[jid] = told["arg"]
        self.fired.append((f"salt/job/{jid}/new", told))
        load = {"cmd": "publish", "ret": "", "kwargs": {"metadata": {"ticket": 7}}}
        load.update({name: told[name] for name in ("tgt", "tgt_type", "fun", "arg", "jid", "user")})
        self._functions["local_cache.save_load"](jid, load, minions)
        return jid

    def answer(self, returned: Any, jid: str, minion: str, fun: Any = "test.ping", **more: Any) -> None:
        """Do what a master does with a return: fire it, change it where states have failed, and keep it."""
        told = return_data(returned, jid, minion, fun, _stamp=stamp(), fun_args=self._args.get(jid, []), **more)
        self.fired.append((f"salt/job/{jid}/ret/{minion}", copy.deepcopy(told)))
        if fun in ("state.sls", "state.highstate") and told["retcode"] and isinstance(told["return"], dict):
            for result in told["return"].values():
                result["retcode"] = told["retcode"]
                if not result["result"]:
                    names = ("jid", "id", "success", "return", "fun", "_stamp")
                    result.update({name: told[name] for name in names if name != "return"})
                    result["return"] = "as it was"
        self._functions["local_cache.prep_jid"](passed_jid=jid)
        self._functions["local_cache.returner"](told)

    def keep(self, load: dict[str, Any]) -> None:
        """Do what Salt does with a return of a job that nobody has published: a runner's, or one of salt-call."""
        self._functions["local_cache.prep_jid"](passed_jid=load["jid"])
        self._functions["local_cache.save_load"](load["jid"], load)
        self._functions["local_cache.returner"](load)

    def run_by_ssh(self, jid: str, answers: dict[str, dict[str, Any]], fun: str) -> None:
        """
        Do what salt-ssh does with a job.

        :param jid: the job id.
        :param answers: what hosts have answered, as salt-ssh reads it from them.
        :param fun: the function.
        """
        load = {"jid": jid, "tgt_type": "glob", "tgt": "*", "user": "root", "fun": fun, "arg": []}
        self._functions["local_cache.prep_jid"](passed_jid=jid)
        self._functions["local_cache.save_load"](jid, load, minions=list(answers))
        for host, answered in answers.items():
            self._functions["local_cache.returner"]({"jid": jid, "id": host, "return": answered, "fun": fun})
            told = {"fun": fun, "fun_args": [], "success": not answered["retcode"], **answered}
            told.setdefault("return", answered.get("stdout" if told["success"] else "stderr"))
            self.fired.append((f"salt/job/{jid}/ret/{host}", {**told, "id": host, "jid": jid, "_stamp": stamp()}))

    def folder(self, jid: str) -> Path:
        """Return the folder of a job."""
        return Path(salt.utils.jid.jid_dir(jid, str(Path(self.opts["cachedir"], "jobs")), self.opts["hash_type"]))

    def kept_at(self, jid: str, when: float) -> None:
        """Have all that is kept of a job be of that time."""
        folder = self.folder(jid)
        for path in [*folder.rglob("*"), folder]:
            os.utime(path, (when, when))


def jid_of(seconds: float) -> str:
    """Return the job id that a job gets at that time."""
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y%m%d%H%M%S%f}"


def stamp(seconds: float | None = None) -> str:
    """Return a time as Salt stamps events."""
    return datetime.fromtimestamp(time.time() if seconds is None else seconds, timezone.utc).isoformat()

"""The job cache as a process of Salt's sees it: loaded by Salt's own loader, with the options of a master."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import salt.config
import salt.loader

ROOT = Path(__file__).parents[2]
#: What nobody may find on a disk.
KEY, PASSWORD, TOKEN, TYPED = "canary-master-key", "canary-password", "canary-token", "canary-typed"
SECRETS = (KEY, PASSWORD, TOKEN, TYPED)


def master_opts(home: Path, **eventsd: Any) -> dict[str, Any]:
    """
    Return a master's options.

    :param home: where it keeps its files.
    :param eventsd: options of ours.
    """
    return {
        **salt.config.DEFAULT_MASTER_OPTS,
        "__role": "master",
        "id": "m1_master",
        "conf_file": "",
        "cachedir": str(home),
        "extension_modules": str(home / "extmods"),
        "returner_dirs": [str(ROOT / "_returners")],
        "eventsd": eventsd,
    }


class JobCache:
    """
    The returner in a process of its own, as far as Salt's loader can tell.

    :param opts: Salt's options.
    """

    def __init__(self, opts: dict[str, Any]) -> None:
        self.opts = opts
        self._functions = salt.loader.returners(opts, {})

    def __getattr__(self, name: str) -> Any:
        return self._functions[f"eventsd.{name}"]

    def publish(self, minions: list[str] | None = None, **more: Any) -> str:
        """Do what a master does when a job is published, and return the job id."""
        jid = str(self.prep_jid(nocache=more.pop("nocache", False), passed_jid=more.pop("jid", None)))
        self.save_load(jid, publication(jid, **more), minions)
        return jid

    def store(self, load: dict[str, Any]) -> None:
        """Do what a master does with a return."""
        self.prep_jid(False, passed_jid=load["jid"])
        self.save_load(load["jid"], load)
        self.returner(load)


def publication(jid: str, **more: Any) -> dict[str, Any]:
    """Return the load of a publication by somebody who has logged in: with all there may be in it."""
    return {
        "cmd": "publish",
        "tgt": "web*",
        "fun": "test.arg",
        "arg": ["a", {"n": 1, "__kwarg__": True, "db_password": TYPED}],
        "tgt_type": "glob",
        "ret": "",
        "jid": jid,
        "key": KEY,
        "kwargs": {
            "delimiter": ":",
            "show_timeout": True,
            "metadata": {"ticket": 7},
            "username": "ann",
            "password": PASSWORD,
            "token": TOKEN,
            "eauth": "pam",
        },
        "user": "ann",
        **more,
    }


def held_by(folder: Path, texts: tuple[str, ...] = SECRETS) -> list[str]:
    """Return which of some texts stand in any file of a folder."""
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return [text for text in texts if any(text.encode() in one for one in files)]


def stamp_of(seconds: float | None = None) -> str:
    """Return a time as Salt stamps events."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000123", time.gmtime(seconds))

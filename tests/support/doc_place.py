"""
A master of which the documentation could be: a folder in place of ``/``, a configuration, a history in which each
question finds something, and an engine that answers. Only the bus is missing.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import salt.config
import salt.loader
import yaml

from salt_eventsd.bus.nursery import Nursery
from salt_eventsd.config.load import load
from salt_eventsd.engine.control import verbs
from salt_eventsd.engine.control.server import answering
from salt_eventsd.engine.service import Service
from salt_eventsd.event.parse import Event
from tests.support.childless import Childless
from tests.support.docs import ROOT, blocks
from tests.support.events import JID, MINION, job, returned, state_result
from tests.support.local_cache import LocalCache
from tests.support.stores import Database, batch_of

_OUTSIDE = re.compile(r"(?<![\w./~-])/(?=(?:etc|root|srv|usr|var)/)")
#: A worker that only some pages have, since most commands ask which worker is meant where there are two.
_SECOND = "postgres"
_OLD_CONFIG = """
general: {dump_timer: 2, event_limit: 100, max_workers: 4, backends: [Minion_Return_Worker]}
events:
  returns:
    tag: salt/job/[0-9]*/ret/
    backend: Minion_Return_Worker
    dict_name: data
    fields: [jid, id]
    mysql_tab: returns
    template: "insert into {0} (jid, srv) values ('{1}', '{2}')"
"""


class DocumentedMaster:
    """
    The master.

    :param home: a folder of its own.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._cachedir = home / "var" / "cache" / "salt" / "master"
        for folder in ("etc/salt/master.d", "root", "srv/archive", "srv/backup", "srv/pillar", "srv/formulas",
                       "srv/salt/_eventsd_workers", "var/www/salt", "var/cache/salt/master/eventsd"):  # fmt: skip
            (home / folder).mkdir(parents=True)
        (home / "var" / "cache" / "salt" / "minion").symlink_to(self._cachedir)
        self.eventsd = self._eventsd()
        self._write_files()
        self.opts = salt.config.master_config(str(home / "etc" / "salt" / "master"))
        self.opts["__role"] = "master"

    def here(self, text: str) -> str:
        """Return a command with its absolute paths in this folder instead."""
        return _OUTSIDE.sub(f"{self.home}/", text)

    @contextmanager
    def running(self) -> Iterator[DocumentedMaster]:
        """Fill the history, and run the engine as long as the block runs."""
        self._fill()
        service = Service(load(self.opts), self.opts, nursery=cast("Nursery", Childless()))
        service.start()
        try:
            service.reporter.report()
            with answering(service.general.state_file, verbs.of_running(service)):
                yield self
        finally:
            service.close()

    def run(self, verb: str, arguments: list[Any], named: dict[str, Any]) -> tuple[Any, int]:
        """
        Call a verb through Salt's loader, and return its answer and the return code.

        :param verb: such as ``eventsd.jobs``.
        :param arguments: as Salt reads them from a command line.
        :param named: likewise.
        """
        context: dict[str, Any] = {}
        eventsd = dict(self.eventsd)
        if _SECOND not in named.values():
            eventsd["workers"] = {"history": eventsd["workers"]["history"]}
        functions = salt.loader.runner({**self.opts, "eventsd": eventsd, "fun": verb}, context=context)
        answer = functions[verb](*arguments, **named)
        return answer, int(context.get("retcode", 0))

    def _eventsd(self) -> dict[str, Any]:
        history = f"sqlite:///{self._cachedir}/eventsd/history.db"
        [config, *_] = [text for _, text in blocks(ROOT / "docs" / "testing_rules.rst", "yaml")]
        events = yaml.safe_load(config)["eventsd"]["events"]
        events["jobs"] = {"tag": r"salt/(job|run|wheel)/[^/]+/new\Z", "worker": "history", "into": "jobs"}
        events["returns"]["worker"] = "history"
        return {
            "workers": {
                "history": {"url": history, "keep": {"returns": "3y"}},
                _SECOND: {"url": f"sqlite:///{self.home}/postgres.db"},
            },
            "events": events,
        }

    def _write_files(self) -> None:
        etc = self.home / "etc" / "salt"
        master = {
            "id": "salt.example.com",
            "user": Path(self.home).owner(),
            "cachedir": str(self._cachedir),
            "root_dir": str(self.home),
            "conf_file": str(etc / "master"),
            "file_roots": {"base": [str(self.home / "srv" / "salt")]},
            "engines": ["eventsd"],
            "eventsd": self.eventsd,
        }
        (etc / "master").write_text(yaml.safe_dump(master), encoding="utf-8")
        config = yaml.safe_dump({"engines": ["eventsd"], "eventsd": self.eventsd})
        (self.home / "root" / "eventsd.conf").write_text(config, encoding="utf-8")
        (self.home / "root" / "eventsd.conf").chmod(0o600)
        [tests] = [text for _, text in blocks(ROOT / "docs" / "testing_rules.rst", "yaml") if text.startswith("-")]
        for folder in (etc, self.home):
            (folder / "eventsd_tests.yaml").write_text(tests, encoding="utf-8")
        (self.home / "eventsd.conf").write_text(config, encoding="utf-8")
        (etc / "eventsd").write_text(_OLD_CONFIG, encoding="utf-8")
        source = next(text for _, text in blocks(ROOT / "docs" / "writing_a_worker.rst", "python"))
        for folder in (self.home, self.home / "srv" / "salt" / "_eventsd_workers"):
            (folder / "lines.py").write_text(source, encoding="utf-8")
        (self.home / "options.yaml").write_text(f"path: {self.home}/lines.jsonl\n", encoding="utf-8")

    def _fill(self) -> None:
        database = Database(self.eventsd["workers"]["history"]["url"])
        database.worker().write(batch_of(_history()))
        database.close()
        os.chmod(self._cachedir / "eventsd" / "history.db", 0o600)
        with sqlite3.connect(self._cachedir / "eventsd" / "history.db") as own:
            own.execute("CREATE TABLE raid_state (servername VARCHAR(100) PRIMARY KEY, raid_state TEXT)")
        cache = LocalCache(dict(self.opts))
        jid = f"{datetime.now(timezone.utc) - timedelta(hours=2):%Y%m%d%H%M%S}123456"
        cache.publish(jid, [MINION])
        cache.answer(True, jid, MINION)


def _history() -> list[Event]:
    """Jobs of today, of the documentation's job ids, and of two years ago."""
    events: list[Event] = []
    now = datetime.now(timezone.utc)
    for jid, when in (
        (JID, datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("20261126140000123456", now - timedelta(hours=1)),
        (f"{now - timedelta(days=730):%Y%m%d%H%M%S}000001", now - timedelta(days=730)),
    ):
        stamp = f"{when:%Y-%m-%dT%H:%M:%S.%f}"
        run = {
            "file_|-ntp_|-/etc/ntp.conf_|-managed": state_result("/etc/ntp.conf", changes={"diff": "+server"}),
            "pkg_|-vim_|-vim_|-installed": state_result(
                "vim", 1, result=False, comment="no such package", __sls__="web"
            ),
        }
        events += [
            job(jid, "state.apply", user="alice", minions=[MINION, "db1"], _stamp=stamp),
            returned(run, jid, MINION, "state.apply", retcode=2, success=False, _stamp=stamp),
        ]
    return events

"""
Convert the old backends to workers: one for each backend and each place to write to that a rule needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from salt_eventsd.operate.convert.block import Block
from salt_eventsd.operate.convert.notes import Notes
from salt_eventsd.operate.convert.old import CREDENTIALS, Old

SQL = ("New_Job_Worker", "Minion_Return_Worker", "Minion_Sub_Worker")
STATS = "Stat_Worker"
ELASTICSEARCH = "Elasticsearch_Worker"
REDIS = "Minion_Batch_Return_Worker"
BENCH = "Bench_Worker"
SHIPPED = (*SQL, STATS, ELASTICSEARCH, REDIS, BENCH)

#: The old keys of credentials, and those of other clients that mean the same -> today's.
_KEYS = {
    "username": "user",
    "user": "user",
    "password": "password",
    "passwd": "password",
    "hostname": "host",
    "host": "host",
    "port": "port",
    "database": "database",
    "db": "database",
}
_LOGIN = ("host", "port", "user", "password", "database")
_ALL = "all"
_DEFAULT_FOLDER = "/etc/salt/eventsd_workers"
_NO_CREDENTIALS = "0.9.3 had no credentials for it: fill in where it writes to."


class Workers:
    """
    The workers that rules have asked for so far.

    :param old: the old config.
    :param notes: what is to be said goes there.
    """

    def __init__(self, old: Old, notes: Notes) -> None:
        self.block = Block()
        self.defaults = Block()
        self._old = old
        self._notes = notes
        self._made: dict[tuple[str, ...], str] = {}

    def sql(self, backend: str) -> str:
        """Return the worker of a MySQL backend; those with the same credentials share it."""
        login = self._login(backend)
        named = _slug(backend) if backend in self._old.credentials else "mysql"
        return self._worker(("sql", repr(login)), named, _database("sql", login), self._source(login))

    def stats(self) -> str:
        """Return the worker of the engine's own counters."""
        login = self._login(STATS)
        table = self._credentials(STATS).get("table") or "of 0.9.3"
        comment = (
            "Writes into the table eventsd_stats, which it makes, a row for each number. The numbers are new ones, so "
            f"the table {table} is not written any more."
        )
        return self._worker(("stats",), "stats", _database("stats", login), [*self._source(login), comment])

    def elasticsearch(self, event: Mapping[str, Any]) -> str:
        """Return the worker of an index."""
        credentials = self._credentials(ELASTICSEARCH)
        index = str(event.get("index") or "salt")
        entry = Block()
        entry.put("module", "elasticsearch")
        entry.put("url", _hosts(credentials))
        known = _translated(credentials)
        for key in ("user", "password"):
            if known.get(key) is not None:
                entry.put(key, str(known[key]))
        comment = "Documents are made up in another way; if the index does not take them, name a new one."
        # Today's is a template.
        entry.put("index", index.replace("{", "{{").replace("}", "}}"), comment)
        self._report_others(ELASTICSEARCH, ("host", "hosts", "port", "user", "password"))
        return self._worker(("elasticsearch", index), f"elasticsearch_{_slug(index)}", entry, self._source(credentials))

    def redis(self) -> str:
        """Return the worker that sets a key for each return."""
        credentials = self._credentials(REDIS)
        known = {**_translated(credentials), "db": credentials.get("db", credentials.get("database"))}
        entry = Block()
        entry.put("module", "redis")
        entry.put("host", str(known.get("host") or "localhost"))
        for key in ("port", "db"):
            if str(known.get(key)).isdecimal():
                entry.put(key, int(known[key]))
        if known.get("password") is not None:
            entry.put("password", str(known["password"]))
        comment = "As it was: a job has one key, and its last return stays. salt:{jid}:{minion_id} would keep them all."
        entry.put("actions", [{"set": "{jid}", "value": "data.return"}], comment)
        self._report_others(REDIS, ("host", "port", "database", "password"))
        return self._worker(("redis",), "redis", entry, self._source(credentials))

    def bench(self) -> str:
        """Return the worker that does nothing."""
        entry = Block()
        entry.put("module", "noop")
        return self._worker(("noop",), "bench", entry, [])

    def own(self, backend: str, rule: str) -> str:
        """Return the worker of a rule with a backend of the user's own; an event goes to each worker once."""
        if "backend_dir" not in self.defaults:
            folder = self._old.general.get("backend_dir")
            assumed = () if folder else ("Assumed, for the old config has no backend_dir.",)
            self.defaults.put("backend_dir", str(folder or _DEFAULT_FOLDER), *assumed)
            self._notes.choose(
                "A backend of your own is set up with what the old config says of it: the general part, its own "
                "credentials, and its events. Other backends' passwords are left out; add to its settings whatever "
                "else it looks at."
            )
        entry = Block()
        entry.put("module", "legacy")
        entry.put("backend", backend)
        entry.put("settings", self._settings(backend))
        if ("legacy", backend) not in self._made:
            comment = (
                f"A backend of your own: {backend}.py has to be ported to Python 3. If all it does is to execute its "
                "template, a statement of the sql worker does the same without any code."
            )
            return self._worker(("legacy", backend), _slug(backend), entry, [comment])
        comment = f"A worker of its own for {rule}, since an event goes to each worker only once."
        return self._worker(("legacy", backend, rule), f"{_slug(backend)}_{_slug(rule)}", entry, [comment])

    def _settings(self, backend: str) -> dict[str, Any]:
        """What a backend of the user's own looked at in the old config; of passwords, only its own."""
        made: dict[str, Any] = {}
        for part, value in self._old.raw.items():
            if part in CREDENTIALS:
                logins = value if isinstance(value, Mapping) else {}
                made[part] = {key: logins[key] for key in (backend if backend in logins else _ALL,) if key in logins}
            elif part == "events":
                made[part] = _events_of(backend, self._old.events)
            else:
                made[part] = value
        return made

    def finish(self) -> None:
        """Move the credentials of all workers to the defaults, where no worker would take them by mistake."""
        common = self._login(_ALL)
        databases = [entry for entry in self.block.values() if "driver" in entry]
        others = {entry["module"] for entry in self.block.values()} - {"sql", "stats", "legacy", "noop"}
        if others or any(set(common) - set(entry) for entry in databases):
            return
        if not any(entry[key] == value for entry in databases for key, value in common.items()):
            return
        for key, value in common.items():
            self.defaults.put(key, value)
            for entry in databases:
                if entry[key] == value:
                    del entry[key]

    def _worker(self, key: tuple[str, ...], name: str, entry: Block, comments: list[str]) -> str:
        if key not in self._made:
            free = name
            number = 1
            while free in self.block:
                number += 1
                free = f"{name}_{number}"
            self._made[key] = free
            self.block.put(free, entry, *comments)
        return self._made[key]

    def _login(self, backend: str) -> dict[str, Any]:
        credentials = self._credentials(backend)
        known = _translated(credentials)
        where = backend if self._old.credentials.get(backend) else _ALL
        self._report_others(backend, (*_LOGIN, "table") if backend == STATS else _LOGIN)
        login = {key: known[key] for key in _LOGIN if known.get(key) is not None}
        port = login.pop("port", None)
        text = {key: value if isinstance(value, str) else str(value) for key, value in login.items()}
        if port is None:
            return text
        if not str(port).isdecimal():
            self._notes.lose(f"worker_credentials.{where}.port: expected a number, got {port!r}")
            return text
        return {"host": text.pop("host", "localhost"), "port": int(port), **text}

    def _report_others(self, backend: str, known: tuple[str, ...]) -> None:
        where = backend if self._old.credentials.get(backend) else _ALL
        for key in self._credentials(backend):
            if _KEYS.get(str(key), str(key)) not in known:
                self._notes.lose(f"worker_credentials.{where}.{key}: today's worker has no such option")

    @staticmethod
    def _source(credentials: Mapping[str, Any]) -> list[str]:
        return [] if credentials else [_NO_CREDENTIALS]

    def _credentials(self, backend: str) -> Mapping[str, Any]:
        common = self._old.credentials.get(_ALL) or {}
        if backend in (ELASTICSEARCH, REDIS) and "database" in _translated(common):
            # A login at MySQL is nobody else's business.
            common = {}
        return self._old.credentials.get(backend) or common


def _events_of(backend: str, events: Mapping[str, Any]) -> dict[str, Any]:
    """The events of a backend, and those of which it has a sub."""
    found = {}
    for name, event in events.items():
        if not isinstance(event, Mapping):
            continue
        given = event.get("subs")
        subs = {
            key: sub
            for key, sub in (given.items() if isinstance(given, Mapping) else ())
            if isinstance(sub, Mapping) and sub.get("backend") == backend
        }
        if subs or event.get("backend") == backend:
            found[name] = {
                **{key: value for key, value in event.items() if key != "subs"},
                **({"subs": subs} if subs else {}),
            }
    return found


def _translated(credentials: Mapping[str, Any]) -> dict[str, Any]:
    return {_KEYS[str(key)]: value for key, value in credentials.items() if str(key) in _KEYS}


def _hosts(credentials: Mapping[str, Any]) -> list[str]:
    """The servers as URLs."""
    given = credentials.get("hosts") or credentials.get("hostname") or credentials.get("host") or "localhost"
    port = credentials.get("port", 9200)
    hosts = []
    for each in given if isinstance(given, (list, tuple)) else [given]:
        if isinstance(each, Mapping):
            each = f"{each.get('host', 'localhost')}:{each.get('port', port)}"
        one = str(each)
        address = one if ":" in one else f"{one}:{port}"
        hosts.append(one if "://" in one else f"http://{address}")
    return hosts


def _database(module: str, login: Mapping[str, Any]) -> Block:
    entry = Block()
    for key, value in {"module": module, "driver": "mysql", **login}.items():
        entry.put(key, value)
    return entry


def _slug(name: str) -> str:
    """A worker's name: Minion_Sub_Worker becomes minion_sub."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower().removesuffix("worker")).strip("_") or "worker"

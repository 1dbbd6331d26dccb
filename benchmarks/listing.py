"""
Salt's ``jobs.*`` with our job cache, and with Salt's own ``pgjsonb``, on the same jobs in one PostgreSQL.

.. code-block:: console

    BENCH_URL=postgresql+psycopg2://... python -m benchmarks.listing

The database is one that ``make bench-history`` has filled. The tables of ``pgjsonb`` are made beside ours, and dropped
again. Each answer is taken in turn from one and the other, over the functions that ``salt-run`` calls. CPU is
that of the process that asks.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import salt.config
import salt.loader
import salt.runners.jobs
import sqlalchemy as sa

from benchmarks.table import percentile, render

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "20"))
#: Of the whole list, which takes its time.
_WHOLE_ROUNDS = 5
_TABLES = """
DROP TABLE IF EXISTS jids, salt_returns;
CREATE TABLE jids (jid varchar(255) NOT NULL PRIMARY KEY, load jsonb NOT NULL);
CREATE TABLE salt_returns (fun varchar(50) NOT NULL, jid varchar(255) NOT NULL, return jsonb NOT NULL,
  id varchar(255) NOT NULL, success varchar(10) NOT NULL, full_ret jsonb NOT NULL,
  alter_time TIMESTAMP WITH TIME ZONE DEFAULT NOW());
INSERT INTO jids SELECT jid, jsonb_build_object('jid', jid, 'fun', fun, 'arg', arg, 'tgt', tgt, 'tgt_type', tgt_type,
  'user', "user", 'cmd', 'publish', 'ret', '') FROM eventsd_jobs WHERE apart = '';
INSERT INTO salt_returns SELECT fun, jid, return, minion_id, success::text,
  jsonb_build_object('jid', jid, 'fun', fun, 'id', minion_id, 'return', return, 'retcode', retcode, 'success', success),
  stamp FROM eventsd_returns;
CREATE INDEX idx_salt_returns_jid ON salt_returns (jid);
CREATE INDEX idx_salt_returns_fun ON salt_returns (fun);
ANALYZE jids, salt_returns
"""
Ask = Callable[[], Any]


def main() -> int:
    """Ask both, and print how long they took."""
    url = os.environ["BENCH_URL"]
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in _TABLES.split(";"):
            connection.exec_driver_sql(statement)
        jids = list(connection.exec_driver_sql("SELECT jid FROM eventsd_jobs ORDER BY stamp DESC LIMIT 2000").scalars())
        count = connection.exec_driver_sql("SELECT count(*) FROM jids").scalar()
    try:
        with TemporaryDirectory() as folder:
            rows = [_row(name, ours, theirs) for name, ours, theirs in _questions(url, Path(folder), jids)]
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql("DROP TABLE jids, salt_returns")
    print(render(f"{count:,} jobs; ms", rows))
    return 0


def _questions(url: str, folder: Path, jids: list[str]) -> list[tuple[str, Ask, Ask | None]]:
    ours, theirs = _cache(url, folder / "ours", "eventsd"), _cache(url, folder / "theirs", "pgjsonb")
    chance = random.Random(1)

    def both(name: str, *arguments: Callable[[], Any]) -> tuple[str, Ask, Ask | None]:
        def asked(cache: dict[str, Callable[..., Any]]) -> Ask:
            return lambda: cache[name](*(one() for one in arguments))

        return name, asked(ours), asked(theirs) if name in theirs else None

    def jid() -> str:
        return chance.choice(jids)

    return [
        both("get_jids"),
        both("get_jids_filter", lambda: 50),
        both("get_jid", jid),
        both("get_load", jid),
        both("get_fun", lambda: "state.highstate"),
    ]


def _cache(url: str, folder: Path, name: str) -> dict[str, Callable[..., Any]]:
    """Return the functions of a returner, as a master's runner has them."""
    place = sa.make_url(url)
    opts = salt.config.DEFAULT_MASTER_OPTS.copy()
    opts.update(
        {
            "id": "bench",
            "cachedir": str(folder),
            "extension_modules": str(folder),
            "master_job_cache": name,
            "eventsd": {"workers": {"history": {"url": url}}, "job_cache": {"worker": "history"}},
            "returner.pgjsonb.host": place.host,
            "returner.pgjsonb.port": place.port,
            "returner.pgjsonb.user": place.username,
            "returner.pgjsonb.pass": place.password,
            "returner.pgjsonb.db": place.database,
        }
    )
    folder.mkdir()
    found = salt.loader.returners(opts, {})
    names = ("get_jids", "get_jids_filter", "get_jid", "get_load", "get_fun")
    return {one: found[f"{name}.{one}"] for one in names if f"{name}.{one}" in found}


def _row(name: str, ours: Ask, theirs: Ask | None) -> dict[str, Any]:
    took: dict[str, list[float]] = {"ours": [], "pgjsonb": []}
    cpu = {"ours": 0.0, "pgjsonb": 0.0}
    for _ in range(_WHOLE_ROUNDS if name in ("get_jids", "get_fun") else _ROUNDS):
        for who, ask in (("ours", ours), ("pgjsonb", theirs)):
            if ask is not None:
                began, used = time.perf_counter(), time.process_time()
                ask()
                cpu[who] += (time.process_time() - used) * 1000
                took[who].append((time.perf_counter() - began) * 1000)
    told: dict[str, Any] = {"function": name}
    for who, times in took.items():
        if times:
            told.update({f"{who} median": percentile(times, 50), f"{who} p95": percentile(times, 95)})
            told[f"{who} CPU"] = cpu[who] / len(times)
    return told


if __name__ == "__main__":
    sys.exit(main())

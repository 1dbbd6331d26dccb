"""An import of many jobs: cut off and gone on with, beside another one, and in little memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salt_eventsd.operate.imports.run import import_jobs
from tests.support.job_cache import master_opts
from tests.support.kinds import SQLITE
from tests.support.local_cache import LocalCache, jid_of
from tests.support.stores import Database

JOBS, MINIONS = 300, 4
#: Imports in a process of its own, and prints its answer and the most memory it had.
_PROGRAM = """
import json, resource, sys
from salt_eventsd.operate.imports.run import import_jobs
said = []
told = import_jobs(json.loads(sys.argv[1]), say=said.append)
print(json.dumps({**told, "said": said[-1:], "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


@pytest.fixture
def opts(tmp_path: Path, tables: Database) -> dict[str, Any]:
    """A master's options; its spool has a folder, as it has where an engine has run."""
    (tmp_path / "eventsd" / "spool").mkdir(parents=True)
    return master_opts(tmp_path, workers={"history": {"module": "sql", "url": tables.url}})


@pytest.fixture
def cache(opts: dict[str, Any]) -> LocalCache:
    """A job cache with many jobs."""
    made = LocalCache(opts)
    began = time.time() - 3600
    for number in range(JOBS):
        jid = made.publish(jid_of(began + number), [f"web{one}" for one in range(MINIONS)])
        for one in range(MINIONS):
            made.answer(number, jid, f"web{one}")
    return made


def _importing(cache: LocalCache) -> subprocess.Popen[bytes]:
    needed = ("__role", "id", "conf_file", "cachedir", "extension_modules", "eventsd", "hash_type", "master_job_cache")
    given = json.dumps({name: cache.opts[name] for name in needed})
    return subprocess.Popen([sys.executable, "-c", _PROGRAM, given], stdout=subprocess.PIPE)


def _answer(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=120)
    found: dict[str, Any] = json.loads(out)
    return found


def _count(tables: Database) -> int:
    return int(tables.query("SELECT count(*) FROM eventsd_returns")[0][0])


def _all_is_there_once(tables: Database) -> bool:
    pairs = [(row["jid"], row["minion_id"]) for row in tables.rows("returns")]
    return len(pairs) == len(set(pairs)) == JOBS * MINIONS and len(tables.rows("jobs")) == JOBS


def test_an_import_that_is_killed_goes_on_where_it_was(
    cache: LocalCache, tables: Database, opts: dict[str, Any]
) -> None:
    # Given an import that is killed once a part is written
    mark = Path(opts["cachedir"]) / "eventsd" / "spool" / "import-history.json"
    process = _importing(cache)
    while process.poll() is None and not mark.exists():
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    there = _count(tables)

    # When
    told = _answer(_importing(cache))

    # Then
    assert 0 < there < JOBS * MINIONS
    assert _all_is_there_once(tables)
    assert told["notes"] == ["an import before this one was cut off; this one went on where that one was"]
    assert sum(told["read"].values()) < JOBS * (MINIONS + 1)
    assert not mark.exists()

    # When it is made once more, then it reads all and adds nothing
    said: list[str] = []
    again = import_jobs(cache.opts, say=said.append)
    assert (again["read"], again["known"]) == ({"jobs": JOBS, "returns": JOBS * MINIONS},) * 2
    assert said[-1] == f"{JOBS} jobs looked at, {JOBS * (MINIONS + 1):,} starts and returns read, 0 added"


def test_the_mark_of_another_import_is_none(cache: LocalCache, tables: Database, opts: dict[str, Any]) -> None:
    # Given the mark of an import of another time, at the end of all
    mark = Path(opts["cachedir"]) / "eventsd" / "spool" / "import-history.json"
    mark.write_bytes(msgspec.json.encode({"of": "another", "place": "ff/ff", "at": time.time()}))

    # When
    import_jobs(cache.opts)

    # Then
    assert _all_is_there_once(tables)


def test_two_imports_at_once_double_nothing(cache: LocalCache, tables: Database) -> None:
    one, other = _importing(cache), _importing(cache)

    told = [_answer(one), _answer(other)]

    assert [answer["retcode"] for answer in told] == [0, 0]
    assert _all_is_there_once(tables)


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
def test_memory_does_not_grow_with_the_cache(cache: LocalCache) -> None:
    # Given
    few = _answer(_importing(cache))
    jid = cache.publish(jid_of(time.time() - 4000), [f"many{number}" for number in range(60)])
    for number in range(60):
        cache.answer("A line of a log, of which there are many.\n" * 25_000, jid, f"many{number}")

    # When
    many = _answer(_importing(cache))

    # Then 60 returns of 1 MiB take no more memory than the portion they come in
    assert many["added"] == {"jobs": 1, "returns": 60}
    assert (many["kib"] - few["kib"]) / 1024 < 120
    print(f"{few['kib'] >> 10} MiB for 1,500 small pieces, {many['kib'] >> 10} MiB for 60 MiB more")

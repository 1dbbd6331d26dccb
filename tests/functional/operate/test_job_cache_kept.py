"""What a process keeps from question to question, a connection above all, is right whatever happens meanwhile."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from salt_eventsd.database.questions.jobcache import answers_to
from salt_eventsd.database.questions.read import Reader
from salt_eventsd.operate.job_cache import ask
from tests.support.events import returned
from tests.support.job_cache import JobCache, master_opts
from tests.support.salt import wait_until
from tests.support.servers import Server
from tests.support.stores import Database, batch_of

_JID = "20260102030405678901"


@pytest.fixture
def kept(tmp_path: Path, served: Database) -> JobCache:
    """A job cache in the database of a server."""
    served.make_tables()
    return JobCache(master_opts(tmp_path, workers={"history": {"module": "sql", "url": served.url}}))


@pytest.fixture
def other(server: Server) -> Iterator[Database]:
    """Another database of the server's, with a return in it."""
    made = Database(server.new_database())
    made.worker().write(batch_of([returned(1, jid=_JID, minion_id="web1", into="returns")]))
    yield made
    made.close()


def _own(reader: Reader) -> int:
    """Ask over which connection it is asked."""
    is_postgresql = reader.dialect.name == "postgresql"
    return int(reader.values(sa.text("SELECT pg_backend_pid()" if is_postgresql else "SELECT connection_id()"))[0])


def _slowly(reader: Reader) -> int:
    is_postgresql = reader.dialect.name == "postgresql"
    reader.values(sa.text("SELECT pg_sleep(1)" if is_postgresql else "SELECT sleep(1)"))
    return _own(reader)


def _is_open(number: int, database: Database) -> bool:
    return bool(
        database.query(
            database.by_kind(
                "",
                f"SELECT pid FROM pg_stat_activity WHERE pid = {number}",
                f"SELECT id FROM information_schema.processlist WHERE id = {number}",
            )
        )
    )


def test_a_second_question_goes_over_the_same_connection_and_a_lost_one_fails_no_question(
    kept: JobCache, served: Database
) -> None:
    first = ask.ask(kept.opts, _own, int)
    assert ask.ask(kept.opts, _own, int) == first

    served.execute(served.by_kind("", f"SELECT pg_terminate_backend({first})", f"KILL {first}"))
    assert ask.ask(kept.opts, _own, int) != first
    assert kept.get_jid(_JID) == {}


def test_a_forked_process_has_a_connection_of_its_own_and_leaves_its_parents_alone(
    kept: JobCache, served: Database
) -> None:
    # Given: another thread is in the middle of a question when the process forks
    first = ask.ask(kept.opts, _own, int)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask.ask, kept.opts, _slowly, int)
        time.sleep(0.3)

        # When
        context = multiprocessing.get_context("fork")
        answers = context.Queue()
        process = context.Process(target=lambda: answers.put([ask.ask(kept.opts, one, int) for one in (_slowly, _own)]))
        process.start()
        childs = answers.get(timeout=60)
        process.join(60)

        # Then
        assert asked.result(60) == first
    assert process.exitcode == 0
    assert childs[0] == childs[1] != first
    assert ask.ask(kept.opts, _own, int) == first


def test_threads_do_not_wait_for_each_other(kept: JobCache, served: Database) -> None:
    # Given: all of them hold a connection at the same moment
    barrier = threading.Barrier(6)

    def question(reader: Reader) -> int:
        barrier.wait(30)
        return _own(reader)

    # When
    with ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(lambda _: ask.ask(kept.opts, question, int), range(6)))

    # Then: one of the connections stays
    assert len(set(numbers)) == 6
    wait_until(lambda: sum(_is_open(number, served) for number in numbers) == 1, "end of the others", 30)


def test_a_connection_that_nobody_uses_is_closed(
    kept: JobCache, served: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "_IDLE_SECONDS", 0.4)
    first = ask.ask(kept.opts, _own, int)
    wait_until(lambda: not _is_open(first, served), "end of the connection", 30)
    assert ask.ask(kept.opts, _own, int) != first


def test_an_edited_configuration_holds_from_the_next_question_on(
    kept: JobCache, served: Database, other: Database
) -> None:
    assert kept.get_jid(_JID) == {}
    # The same object of Salt's says something else.
    kept.opts["eventsd"]["workers"]["history"]["url"] = other.url
    assert list(ask.ask(kept.opts, _answers, dict)) == ["web1"]
    kept.opts["eventsd"]["workers"]["history"]["url"] = served.url
    assert ask.ask(kept.opts, _answers, dict) == {}


def test_what_stands_in_sdb_is_looked_up_again_when_a_question_fails(
    tmp_path: Path, served: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr(ask, "_LOOKED_UP_SECONDS", 3600.0)
    monkeypatch.setenv("EVENTSD_TEST_URL", served.url)
    served.make_tables()
    opts = master_opts(tmp_path, workers={"history": {"module": "sql", "url": "sdb://env/EVENTSD_TEST_URL"}})
    opts["env"] = {"driver": "env"}
    assert ask.ask(opts, _answers, dict) == {}

    # When: only the failure tells that something has changed
    monkeypatch.setenv("EVENTSD_TEST_URL", other.url)
    assert ask.ask(opts, _answers, dict) == {}
    served.execute("DROP TABLE eventsd_returns CASCADE")

    # Then
    assert list(ask.ask(opts, _answers, dict)) == ["web1"]


def test_a_history_whose_tables_went_knows_nothing(kept: JobCache, served: Database) -> None:
    assert ask.ask(kept.opts, _own, int)
    served.execute(*(f"DROP TABLE {one} CASCADE" for one in sa.inspect(served.engine).get_table_names()))
    assert kept.get_jid(_JID) == {}


def test_a_file_that_was_replaced_is_asked_from_the_next_question_on(tmp_path: Path) -> None:
    # Given
    first, second = (Database(f"sqlite:///{tmp_path / name}") for name in ("first.db", "second.db"))
    first.make_tables()
    second.worker().write(batch_of([returned(1, jid=_JID, minion_id="web1", into="returns")]))
    cache = JobCache(master_opts(tmp_path, workers={"history": {"module": "sql", "url": first.url}}))
    assert cache.get_jid(_JID) == {}

    # When
    for one in (first, second):
        one.close()
    (tmp_path / "second.db").replace(tmp_path / "first.db")

    # Then
    assert list(cache.get_jid(_JID)) == ["web1"]


def _answers(reader: Reader) -> dict[str, Any]:
    return answers_to(reader, _JID)

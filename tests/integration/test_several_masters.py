"""Several masters write into one database. No row is there twice, and each says which master it is of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import salt.client
import salt.config
import salt.version

from tests.integration.conftest import StartMaster
from tests.support.nodes import Master, master_config, minion_config
from tests.support.salt import History, wait_until
from tests.support.servers import PostgreSQL

_WRITTEN_SECONDS = 60.0
_RELEASE = int(salt.version.__version__.split(".")[0])
# Over ZeroMQ, a syndic of 3008.4 gets through with one request and no more: Salt's ``SyncWrapper`` ends the task that
# sends them, ``RequestClient._send_recv``, which it takes for one that nobody waits for.
_TRANSPORT = {"transport": "tcp"} if _RELEASE >= 3008 else {}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.database("postgresql"),
    pytest.mark.timeout(600),
    # Salt's client leaves sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _ours(url: str, **options: Any) -> dict[str, Any]:
    """Return the options of a master with our job cache in a database that others have, too."""
    return {
        "master_job_cache": "eventsd",
        "eventsd": {"workers": {"history": {"url": url, "batch": {"seconds": 0.1}}}},
        **options,
    }


def _client(master: Master) -> salt.client.LocalClient:
    return salt.client.LocalClient(mopts=salt.config.master_config(master.daemon.config["conf_file"]))


def _publish(master: Master, tgt: str, fun: str, *args: Any, **more: Any) -> tuple[str, dict[str, Any]]:
    """Run a job, and return its id and the answers."""
    found: dict[str, Any] = {}
    with _client(master) as client:
        for one in client.cmd_iter(tgt, fun, args, timeout=60, full_return=True, **more):
            found.update(one)
    return next(one["jid"] for one in found.values() if "jid" in one), found


def _told(master: Master, jid: str) -> Any:
    return master.run("jobs.list_job", jid).data


def _masters(history: History, table: str, jid: str) -> list[str]:
    """Return the master of each row of a job."""
    return [row["master_id"] for row in history.rows(f"SELECT master_id FROM {table} WHERE jid = :jid", jid=jid)]


def test_two_masters_share_a_database(start_master: StartMaster, postgresql: PostgreSQL) -> None:
    # Given
    url = postgresql.new_database()
    history = History(url)
    with start_master("east", **_ours(url)) as east, start_master("west", **_ours(url)) as west:
        minions = [
            master.daemon.salt_minion_daemon(f"of-{master.daemon.id}", overrides=minion_config())
            for master in (east, west)
        ]
        with minions[0].started(), minions[1].started():
            # When
            jids = [_publish(master, "*", "test.echo", master.daemon.id)[0] for master in (east, west)]
            # Both masters give one job id, to different jobs.
            same = "20260101000000000001"
            for master, fun in ((east, "test.ping"), (west, "test.false")):
                with _client(master) as client:
                    client.cmd("*", fun, timeout=60, jid=same)

            # Then
            history.wait_for(2, "eventsd_returns", "fun = 'test.echo'", timeout_seconds=_WRITTEN_SECONDS)
            history.wait_for(2, "eventsd_returns", "jid = :jid", timeout_seconds=_WRITTEN_SECONDS, jid=same)
            for master, jid in zip((east, west), jids, strict=True):
                assert _masters(history, "eventsd_jobs", jid) == [master.daemon.id]
                assert _masters(history, "eventsd_returns", jid) == [master.daemon.id]
            told = [[_told(asked, jid)["Result"] for jid in jids] for asked in (east, west)]
            assert told[0] == told[1]
            assert [list(one) for one in told[0]] == [[minions[0].id], [minions[1].id]]
            wait_until(lambda: len(_masters(history, "eventsd_jobs", same)) == 2, "both starts", _WRITTEN_SECONDS)
            assert sorted(_masters(history, "eventsd_jobs", same)) == ["east", "west"]
            for master, minion, fun in zip((east, west), minions, ("test.ping", "test.false"), strict=True):
                found = _told(master, same)
                assert (found["Function"], found["Minions"], list(found["Result"])) == (fun, [minion.id], [minion.id])
                assert master.run("jobs.list_jobs").data[same]["Function"] == fun


@contextmanager
def _cluster(salt_factories: Any, url: str, folder: Path) -> Iterator[list[Master]]:
    """Run a cluster of two masters."""
    (folder / "pki" / "peers").mkdir(parents=True)
    addresses = ("127.0.0.1", "127.0.0.2")
    masters: list[Any] = []
    for number, address in enumerate(addresses):
        options = {
            **_ours(url),
            "interface": address,
            "cluster_id": "pair",
            "cluster_peers": [addresses[1 - number]],
            "cluster_pki_dir": str(folder / "pki"),
            "open_mode": True,
        }
        if masters:
            options.update((key, masters[0].config[key]) for key in ("ret_port", "publish_port"))
        masters.append(salt_factories.salt_master_daemon(address, overrides=master_config(**options)))
    with masters[0].started(), masters[1].started():
        running = [Master(one) for one in masters]
        for one in running:
            one.wait_until_listening()
        yield running


@pytest.mark.skipif(_RELEASE < 3008, reason="only Salt 3008 copies all events between masters")
def test_a_cluster_shares_a_database_and_keeps_what_an_engine_that_is_down_does_not(
    salt_factories: Any, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    # Given
    url = postgresql.new_database()
    history = History(url)
    with _cluster(salt_factories, url, tmp_path / "cluster") as masters:
        minions = [
            master.daemon.salt_minion_daemon(
                f"of-{number}",
                overrides=minion_config(
                    master=f"{master.daemon.config['interface']}:{master.daemon.config['ret_port']}"
                ),
            )
            for number, master in enumerate(masters)
        ]
        with minions[0].started(), minions[1].started():
            _wait_for_peers(masters, "alive")
            # When
            jids = []
            for master in masters:
                jid, answers = _publish(master, "*", "test.echo", "to all", metadata={"ticket": 7})
                assert sorted(answers) == ["of-0", "of-1"]
                jids.append(jid)
            wait_until(lambda: history.count("eventsd_returns", "fun = 'test.echo'") >= 4, "returns", _WRITTEN_SECONDS)
            wait_until(lambda: all(_is_idle(one) for one in masters), "end of what was handed over", _WRITTEN_SECONDS)

            # Then
            for master, jid in zip(masters, jids, strict=True):
                rows = history.rows("SELECT minion_id, master_id FROM eventsd_returns WHERE jid = :jid", jid=jid)
                # The minion's own master has taken its return, whoever has published the job.
                assert {row["minion_id"]: row["master_id"] for row in rows} == {
                    "of-0": masters[0].daemon.id,
                    "of-1": masters[1].daemon.id,
                }
                assert len(rows) == 2
                assert _masters(history, "eventsd_jobs", jid) == [master.daemon.id]
                told = [_told(asked, jid) for asked in masters]
                assert told[0] == told[1]
                assert sorted(told[0]["Result"]) == told[0]["Minions"] == ["of-0", "of-1"]
            assert all(one.report()["bus"]["copied"] for one in masters)

            # And Given: an engine that stands still while its master runs
            stopped = masters[1].engine
            stopped.suspend()
            try:
                # When
                jid, _ = _publish(masters[1], "*", "test.echo", "nobody else")
                _wait_for_peers(masters[:1], "down")
                later, _ = _publish(masters[1], "*", "test.echo", "still down")

                # Then
                for one in (jid, later):
                    history.wait_for(2, "eventsd_returns", "jid = :jid", timeout_seconds=_WRITTEN_SECONDS, jid=one)
                    assert _masters(history, "eventsd_jobs", one) == [masters[0].daemon.id]
                assert "the engine of master 127.0.0.2 is down" in masters[0].status().stdout
            finally:
                stopped.resume()
            _wait_for_peers(masters, "alive")
            wait_until(lambda: all(_is_idle(one) for one in masters), "end of what waited", _WRITTEN_SECONDS)
            assert [len(_masters(history, "eventsd_returns", one)) for one in (*jids, jid, later)] == [2, 2, 2, 2]


def _wait_for_peers(masters: list[Master], state: str) -> None:
    def told() -> bool:
        return all(one["engine"] == state for master in masters for one in master.report()["bus"]["peers"].values())

    wait_until(lambda: all(one.report()["bus"]["peers"] for one in masters) and told(), f"{state} peers", 120)


def _is_idle(master: Master) -> bool:
    report = master.report()
    return not report["workers"]["history"]["queued_events"]


@contextmanager
def _syndic(start_master: StartMaster, salt_factories: Any, url: str) -> Iterator[tuple[Master, Master]]:
    """Run a master of masters, and a master below it with a syndic."""
    with start_master("top", order_masters=True, auto_accept=True, **_TRANSPORT, **_ours(url)) as top:
        syndic = salt_factories.salt_syndic_daemon(
            "below",
            master_of_masters=top.daemon,
            master_overrides=master_config(**_TRANSPORT, **_ours(url)),
            # A syndic takes the port of its master's jobs for that of the master above, unless its minion says another.
            minion_overrides=minion_config(publish_port=top.daemon.config["publish_port"], **_TRANSPORT),
            # The file of the syndic's options stands beside that of its master, which reads it, too.
            overrides={"engines": ["eventsd"], **_TRANSPORT},
        )
        with syndic.started():
            below = Master(syndic.master)
            below.wait_until_listening(timeout_seconds=120)
            yield top, below


@pytest.mark.smoke
def test_a_master_of_masters_shares_a_database_with_the_master_of_its_syndic(
    start_master: StartMaster, salt_factories: Any, postgresql: PostgreSQL
) -> None:
    # Given
    url = postgresql.new_database()
    history = History(url)
    with _syndic(start_master, salt_factories, url) as (top, below):
        minion = below.daemon.salt_minion_daemon("under", overrides=minion_config(**_TRANSPORT))
        with minion.started():
            # When
            with _client(top) as client:
                jid = client.run_job("*", "test.echo", ["from above"], timeout=60)["jid"]

            # Then: both engines have the job and its return, and the history has one row of each
            wait_until(lambda: _matched(below) >= 2, "start and return below", 180)
            # The syndic passes its start on, too.
            wait_until(lambda: _matched(top) >= 3, "starts and return above", 180)
            wait_until(lambda: all(_is_idle(one) for one in (top, below)), "end of what waits", _WRITTEN_SECONDS)
            # Three events above need not be these three.
            started = "SELECT * FROM eventsd_jobs WHERE jid = :jid"
            wait_until(lambda: history.rows(started, jid=jid)[0]["syndics"], "what the syndic told", _WRITTEN_SECONDS)
            [job] = history.rows(started, jid=jid)
            assert (job["fun"], job["tgt"], job["minions"]) == ("test.echo", "*", ["below", "under"])
            # The minion beside the syndic has the syndic's id.
            assert job["syndics"]["below"] == ["below", "under"]
            [returned] = history.rows("SELECT * FROM eventsd_returns WHERE jid = :jid", jid=jid)
            assert (returned["minion_id"], returned["return"], returned["success"]) == ("under", "from above", True)
            assert {job["master_id"], returned["master_id"]} <= {"top", "below"}
            # The local cache of each names the same.
            told = [_told(one, jid) for one in (top, below)]
            assert [list(one["Result"]) for one in told] == [["under"], ["under"]]
            assert [one["Result"]["under"]["return"] for one in told] == ["from above", "from above"]
            assert [one["Minions"] for one in told] == [["below", "under"], job["syndics"]["below"]]


def _matched(master: Master) -> int:
    found: int = master.report()["bus"]["matched"]
    return found

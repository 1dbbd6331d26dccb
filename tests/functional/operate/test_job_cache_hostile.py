"""The job cache with minions that return what they like, and with a doorstep that is in a bad state."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from salt_eventsd.operate.job_cache.places import places_of
from salt_eventsd.redact import Redactor
from tests.support.events import return_data
from tests.support.job_cache import JobCache, master_opts

JID = "20260102030405678901"


@pytest.fixture
def cache(tmp_path: Path) -> JobCache:
    """A job cache whose database nobody has made yet."""
    url = f"sqlite:///{tmp_path / 'history.db'}"
    return JobCache(master_opts(tmp_path, workers={"history": {"module": "sql", "url": url}}))


@pytest.mark.parametrize(
    ("jid", "more"),
    [
        (JID, {"arg": 5}),
        (JID, {"kwargs": 5}),
        (JID, {"kwargs": ["metadata"]}),
        (JID, {"user": None}),
        ("20269902030405678901", {}),
        ("x" * 20, {}),
    ],
)
def test_no_return_ends_the_list_of_jobs(cache: JobCache, jid: str, more: dict[str, Any]) -> None:
    # Given
    good = cache.publish(["web1"])

    # When
    cache.store(return_data(1, jid=jid, id="web1", **more))

    # Then
    assert set(cache.get_jids()) == {good, jid}
    assert {one["JID"] for one in cache.get_jids_filter(5)} == {good, jid}
    assert cache.get_load(jid)["id"] == "web1"


def _as_nobody(ask: Any, *args: Any) -> str:
    """Return what another user is answered, or the error."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.setuid(65534)
        try:
            answer = repr(ask(*args))
        except Exception as exc:
            answer = f"{type(exc).__name__}: {exc}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(reading, 2**16).decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_whoever_may_not_read_the_doorstep_is_not_told_that_there_is_no_job(cache: JobCache, tmp_path: Path) -> None:
    # Given
    jid = cache.publish(["web1"])
    folder = places_of(cache.opts).doorstep.path.parent
    folder.chmod(0o700)
    tmp_path.chmod(0o777)
    for one in tmp_path.parents:
        one.chmod(one.stat().st_mode | 0o111)

    # When
    answer = _as_nobody(cache.get_load, jid)

    # Then
    assert answer.startswith("CommandExecutionError: ")
    assert "Permission denied" in answer


def test_a_full_doorstep_does_not_say_that_there_is_no_job(cache: JobCache, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    cache.publish(["web1"])
    assert cache.get_load(JID) == {}

    # When
    monkeypatch.setattr(places_of(cache.opts).doorstep, "max_bytes", 10_000)
    jid = cache.publish(["web1"])

    # Then
    with pytest.raises(CommandExecutionError, match=f"is full.*no job {jid}"):
        cache.get_load(jid)


def test_a_package_that_cannot_be_imported_ends_no_publication(
    cache: JobCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    monkeypatch.setitem(sys.modules, "salt_eventsd.operate.job_cache", None)

    # When
    jid = cache.publish(["web1"])
    cache.save_minions(jid, ["web2"], syndic_id=None)
    cache.store(return_data(1, jid=JID, id="web1"))
    cache.update_endtime(jid, "2026, Jan 01 00:00:00.000000")

    # Then
    assert len(jid) == 20
    assert cache.prep_jid(passed_jid=JID) == JID
    assert "cannot be imported" in caplog.text


def test_a_job_id_without_end_fills_nothing(cache: JobCache) -> None:
    # Given
    long = JID + "_" + "x" * 1_000_000

    # When
    for _ in range(3):
        cache.store(return_data(1, jid=long, id="web1"))
        cache.save_minions(long, ["web1"], syndic_id=None)

    # Then
    assert cache.prep_jid(passed_jid=long) == long
    doorstep = places_of(cache.opts).doorstep
    assert (doorstep.load(long), doorstep.loads()) == (None, [])
    assert len(doorstep.waiting(5, time.time() + 1)[0].jid) < 10_000


def test_a_disk_that_cannot_be_written_does_not_say_that_there_is_no_job(tmp_path: Path) -> None:
    # Given
    workers = {"history": {"module": "sql", "url": f"sqlite:///{tmp_path / 'history.db'}"}}
    cache = JobCache(master_opts(tmp_path, workers=workers, spool={"dir": "/proc/nowhere"}))

    # When
    jid = cache.publish(["web1"])

    # Then
    with pytest.raises(CommandExecutionError, match=f"the disk is full.*no job {jid}"):
        cache.get_load(jid)


def test_a_return_is_redacted_once_and_kept_twice(cache: JobCache, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    told: list[str] = []
    apply = Redactor.apply

    def counted(redactor: Redactor, data: Any, fun: str) -> Any:
        told.append(fun)
        return apply(redactor, data, fun)

    monkeypatch.setattr(Redactor, "apply", counted)

    # When
    cache.store(return_data({"password": "canary"}, jid=JID, id="web1"))
    cache.store(return_data({"password": "another"}, jid=JID, id="web2"))

    # Then
    assert told == ["test.ping"] * 2
    assert cache.get_load(JID)["return"] == {"password": "***"}
    assert {name: one["return"] for name, one in cache.get_jid(JID).items()} == {
        "web1": {"password": "***"},
        "web2": {"password": "***"},
    }

"""The history in a file: what is old goes in, and comes back, whole and once, on any database."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from salt_eventsd.database.archive import write
from salt_eventsd.database.archive.file import BadArchive
from salt_eventsd.database.archive.restore import Restore
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.questions import jobcache
from salt_eventsd.database.questions.read import reading
from salt_eventsd.database.retention.lock import Lock
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.operate import archive as verb
from tests.support.aged import Answer, answer_event, jid_of, job_events, stamp
from tests.support.events import fired, job_data, return_data
from tests.support.stores import Database, batch_of

TABLES = ("jobs", "returns", "states", "events", "minions")
OLD = jid_of(100)
#: What databases have trouble with.
ODD = {
    "big": 1e300,
    "more": 2**63 - 1,
    "quotes": "\"'\\",
    "text": "ü€😀\n\u2028",
    "none": None,
    "list": [[]],
    "zero": 0.1,
}


def opts_of(database: Database, **more: Any) -> dict[str, Any]:
    workers = {"history": {"module": "sql", "url": database.url}, **more}
    return {"id": "master-1", "cachedir": "/nowhere", "eventsd": {"workers": workers}}


def archive(database: Database, **arguments: Any) -> dict[str, Any]:
    return verb.archive(opts_of(database), **arguments)


def rows_of(told: dict[str, Any], done: str) -> dict[str, int]:
    return {row["table"].removeprefix("eventsd_"): row["rows"] for row in told["archive"] if row["done"] == done}


def content(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows, without the numbers that a database gives them."""
    found = {
        name: [{key: value for key, value in row.items() if key != "id"} for row in database.rows(name)]
        for name in TABLES
    }
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def lines(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read().splitlines()


def packed(path: Path, content: bytes) -> Path:
    path.write_bytes(zstandard.ZstdCompressor().compress(content))
    return path


@pytest.fixture
def database(tables: Database) -> Iterator[Database]:
    """A history with an old job, an old job that nobody answered, old events, and young ones of each."""
    events = [
        *job_events(OLD, 100, Answer("web1", 100, states=3), Answer("web2", 99.9, failed=True)),
        answer_event(OLD, Answer("web1", 99.5)),
        *job_events(jid_of(100), 100),
        fired(f"salt/job/{OLD}9/new", job_data(f"{OLD}9", "test.arg", arg=[ODD], metadata=ODD, _stamp=stamp(98))),
        fired(f"salt/job/{OLD}9/ret/db1", return_data(ODD, f"{OLD}9", "db1", "test.arg", _stamp=stamp(98))),
        fired("salt/job/req/ret/db1", return_data("odd", "req", "db1", _stamp=stamp(97))),
        *job_events(jid_of(1), 1, Answer("web1", 1, states=2)),
        # A job is kept as a whole, since its last answer is young.
        *job_events(jid_of(95), 95, Answer("web1", 95), Answer("web2", 1)),
        *(fired("my/event", {"n": number, **ODD, "_stamp": stamp(96 - 95 * number)}) for number in (0, 1)),
    ]
    tables.worker().write(batch_of(events))
    yield tables
    tables.close()


GATHERED = {"jobs": 3, "returns": 5, "states": 3, "events": 1, "minions": 3}


def test_the_newest_returns_of_a_function_are_the_same_however_many_there_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    functions = {row["fun"] for row in database.rows("returns")}
    with reading(database.engine) as reader:
        few = {fun: jobcache.latest_of(reader, fun) for fun in functions}

    # When
    monkeypatch.setattr(jobcache, "_FEW", 0)
    with reading(database.engine) as reader:
        many = {fun: jobcache.latest_of(reader, fun) for fun in functions}

    # Then
    assert many == few
    assert all(few.values())


def test_what_is_old_goes_into_the_file_and_then_from_the_database(database: Database, tmp_path: Path) -> None:
    # Given
    before, path = content(database), tmp_path / "old.jsonl.zst"
    with reading(database.engine) as reader:
        latest = jobcache.latest_of(reader, "state.apply")
    counted = archive(database, before="90d", dry_run=True)

    # When it is archived without purge
    told = archive(database, before="90d", to=str(path))

    # Then the file has all of it, nothing is gone, and the count beforehand told the same
    assert (told["retcode"], told["file"]) == (0, str(path))
    assert rows_of(told, "archived") == rows_of(counted, "archived") == GATHERED
    assert rows_of(told, "deleted") == {}
    assert content(database) == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["old.jsonl.zst"]
    head, *rows, end = map(json.loads, lines(path))
    assert (head["format"], head["version"]) == ("salt-eventsd archive", 1)
    assert end["rows"] == GATHERED
    assert len(rows) == sum(GATHERED.values())

    # When it is archived with purge
    told = archive(database, before="90d", to=str(tmp_path / "again.jsonl.zst"), purge=True)

    # Then what is in the file is gone, but for the minions, and nothing else is
    gone = {name: rows for name, rows in GATHERED.items() if name != "minions"}
    assert (told["retcode"], rows_of(told, "deleted")) == (0, gone)
    left = content(database)
    assert {name: len(before[name]) - len(left[name]) for name in gone} == gone
    assert OLD not in database.column("jobs", "jid")
    assert all(row in before[name] for name in TABLES for row in left[name])

    # When it comes back
    told = archive(database, restore=str(path))

    # Then all is as it was; and a second time adds nothing
    assert (told["retcode"], rows_of(told, "added")) == (0, gone)
    assert content(database) == before
    with reading(database.engine) as reader:
        assert jobcache.latest_of(reader, "state.apply") == latest
    told = archive(database, restore=str(path))
    assert (told["retcode"], told["archive"]) == (0, [])
    assert told["notes"] == ["all of its rows are in the history already"]
    assert content(database) == before


def test_states_of_an_older_archive_are_marked(database: Database, tmp_path: Path) -> None:
    # Given
    path = tmp_path / "old.jsonl.zst"
    expected = sorted(str(row["slow_ms"]) for row in database.rows("states"))
    database.execute("UPDATE eventsd_states SET slow_ms = NULL")
    archive(database, before="1m", to=str(path))
    database.empty()

    # When
    archive(database, restore=str(path))

    # Then
    assert len(set(expected)) > 1
    assert sorted(str(row["slow_ms"]) for row in database.rows("states")) == expected


def test_values_are_the_same_in_another_database(database: Database, tmp_path: Path) -> None:
    # Given an archive of all that there is, and an empty SQLite
    before = content(database)
    there, back = tmp_path / "there.jsonl.zst", tmp_path / "back.jsonl.zst"
    archive(database, before="1m", to=str(there))
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    other.make_tables()
    other.close()

    # When it goes there and back into the first
    assert archive(other, restore=str(there))["retcode"] == 0
    assert archive(other, before="1m", to=str(back))["retcode"] == 0
    database.empty()
    counted = rows_of(archive(database, restore=str(back), dry_run=True), "added")
    told = archive(database, restore=str(back))

    # Then
    assert told["retcode"] == 0
    assert rows_of(told, "added") == counted == {name: len(rows) for name, rows in before.items() if rows}
    assert content(database) == before


@pytest.mark.database("postgresql")
@pytest.mark.database("mariadb")
def test_from_server_to_server(postgresql: Any, mariadb: Any, tmp_path: Path) -> None:
    # Given
    one, other = Database(postgresql.new_database()), Database(mariadb.new_database())
    one.worker().write(batch_of(job_events(OLD, 100, Answer("web1", 100, states=3), Answer("web2", 99, failed=True))))
    other.make_tables()
    one.close()
    other.close()
    path = tmp_path / "a.jsonl.zst"

    # When
    archive(one, before="1d", to=str(path))
    assert archive(other, restore=str(path))["retcode"] == 0

    # Then
    assert content(other) == content(one)


def test_nul_becomes_what_the_engine_would_have_written(database: Database, tmp_path: Path) -> None:
    # Given the archive of a SQLite with NUL in a value
    source = Database(f"sqlite:///{tmp_path / 'source.db'}")
    source.worker().write(batch_of([fired("my/nul", {"a\0": "b\0", "_stamp": stamp(50)})]))
    source.close()
    path = tmp_path / "nul.jsonl.zst"
    archive(source, before="40d", to=str(path))

    # When
    told = archive(database, restore=str(path))

    # Then
    assert rows_of(told, "added") == {"events": 1}
    [data] = [row["data"] for row in database.rows("events") if row["tag"] == "my/nul"]
    nul = "\N{SYMBOL FOR NULL}" if database.kind == "postgresql" else "\0"
    assert data[f"a{nul}"] == f"b{nul}"


def test_what_is_told_between_file_and_purge_stays(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an old answer, and more of an old job's minions, that come in when the file has just been written
    late = answer_event(OLD, Answer("late", 99))
    more = fired(f"salt/job/{OLD}9/new", job_data(f"{OLD}9", "test.arg", minions=["db2"], _stamp=stamp(97.9)))
    written = write.Archive._write

    def and_then(self: write.Archive, path: Path, worker: str) -> None:
        written(self, path, worker)
        database.worker().write(batch_of([late, more], first=99))

    monkeypatch.setattr(write.Archive, "_write", and_then)

    # When
    told = archive(database, before="90d", to=str(tmp_path / "a.jsonl.zst"), purge=True)

    # Then neither the answer nor its job is gone, nor the job of which more was told
    assert told["retcode"] == 0
    assert [row["minion_id"] for row in database.rows("returns") if row["jid"] == OLD] == ["late"]
    assert {OLD, f"{OLD}9"} <= set(database.column("jobs", "jid"))
    assert rows_of(told, "deleted")["jobs"] == 1


def test_while_another_purge_runs_nothing_is_done(database: Database, tmp_path: Path) -> None:
    engine = make_engine(SqlOptions(url=database.url))
    lock = Lock(engine)
    lock.take()
    before, path = content(database), tmp_path / "a.jsonl.zst"

    told = archive(database, before="90d", to=str(path), purge=True)

    lock.release(done=True)
    engine.dispose()
    assert told["retcode"] == 2
    assert "another purge of this database is running" in told["problem"]
    assert not os.listdir(tmp_path) or database.kind == "sqlite"
    assert content(database) == before


@pytest.fixture
def whole(database: Database, tmp_path: Path) -> Path:
    """An archive whose rows are gone from the database."""
    path = tmp_path / "whole.jsonl.zst"
    assert archive(database, before="90d", to=str(path), purge=True)["retcode"] == 0
    return path


def test_a_file_that_is_not_whole_adds_nothing(database: Database, whole: Path, tmp_path: Path) -> None:
    before = content(database)
    text = b"\n".join(lines(whole)) + b"\n"
    first, row, *rest = lines(whole)
    packed_bytes = whole.read_bytes()
    (tmp_path / "cut").write_bytes(packed_bytes[: len(packed_bytes) * 2 // 3])
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_bytes(b"no archive\n")
    changed = b"\n".join([first, row.replace(b"1", b"2", 1), *rest]) + b"\n"
    packed(tmp_path / "changed", changed)
    packed(tmp_path / "between", b"\n".join([first, row, *rest[:-1]]) + b"\n")
    packed(tmp_path / "fewer", b"\n".join([first, *rest]) + b"\n")
    packed(tmp_path / "newer", text.replace(b'"version":1', b'"version":2', 1))
    packed(tmp_path / "tables", text.replace(b'"tables":"0', b'"tables":"9', 1))
    said = {
        "cut": "is cut off",
        "empty": "is no archive",
        "text": "is no archive",
        "changed": "was changed",
        "between": "is cut off",
        "fewer": "was changed",
        "newer": "is of a newer salt-eventsd",
        "tables": "is of a newer salt-eventsd",
        "missing": "No such file",
    }

    for name, words in said.items():
        told = archive(database, restore=str(tmp_path / name))
        assert (told["retcode"], told["archive"]) == (2, []), name
        assert words in told["problem"]
        assert "\n" not in told["problem"]
    assert content(database) == before


def test_a_file_that_is_cut_off_anywhere_adds_nothing(tmp_path: Path) -> None:
    # Given an archive of many rows, cut off at 200 places, of which the first and the last bytes are some; behind its
    # last line it has four bytes that nothing needs
    source = Database(f"sqlite:///{tmp_path / 'source.db'}")
    jobs = [job_events(jid_of(100), 100, Answer("web1", 100, states=2)) for _ in range(150)]
    source.worker().write(batch_of([event for events in jobs for event in events]))
    source.close()
    whole = tmp_path / "whole.zst"
    archive(source, before="90d", to=str(whole))
    packed_bytes, seed = whole.read_bytes(), random.randrange(10**9)
    last = len(packed_bytes) - 4
    ends = {*range(20), *range(last - 20, last), *random.Random(seed).sample(range(20, last - 20), 160)}
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    other.make_tables()
    other.close()
    engine = make_engine(SqlOptions(url=other.url))
    cut = tmp_path / "cut"

    # When each is restored
    for end in sorted(ends):
        cut.write_bytes(packed_bytes[:end])
        with pytest.raises(BadArchive, match=r"is cut off|is no archive"):
            Restore(engine, cut, Pace(share=1)).run()

    # Then nothing is there, and what has its last line brings back all
    engine.dispose()
    assert [other.rows(name) for name in TABLES] == [[]] * len(TABLES), seed
    cut.write_bytes(packed_bytes[:last])
    assert archive(other, restore=str(cut))["retcode"] == 0
    assert content(other) == content(source)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        pytest.param("stamp", "never", "`$.row.stamp`", id="time"),
        pytest.param("stamp", "2026-01-01T00:00:00", "`$.row.stamp`", id="time-without-zone"),
        pytest.param("jid", 5, "`$.row.jid`", id="number"),
        pytest.param("digest", "x", "`$.row.digest`", id="text"),
        pytest.param("retcode", 2**70, "`$.row.retcode`", id="too-large"),
        pytest.param("minion_id", None, "`$.row.minion_id`", id="nothing"),
    ],
)
def test_a_file_in_which_somebody_has_put_what_is_no_row_adds_nothing(
    database: Database, whole: Path, tmp_path: Path, column: str, value: Any, says: str
) -> None:
    # Given: whoever has changed it has made a new checksum, too
    before = content(database)
    head, *rows, end = lines(whole)
    row = next(json.loads(one) for one in rows if json.loads(one)["table"] == "returns")
    row["row"].update({"digest": 7, column: value})
    body = [head, *rows, json.dumps(row).encode()]
    told = json.loads(end)
    told["rows"]["returns"] += 1
    told["checksum"] = hashlib.blake2b(b"".join(one + b"\n" for one in body), digest_size=16).hexdigest()
    path = packed(tmp_path / "changed", b"\n".join([*body, json.dumps(told).encode(), b""]))

    # When
    told = archive(database, restore=str(path))

    # Then
    assert (told["retcode"], told["archive"], content(database) == before) == (2, [], True)
    assert told["problem"].startswith(f"{path} has a row that no salt-eventsd has written: ")
    assert says in told["problem"]


def test_a_file_that_cannot_be_written_deletes_nothing(database: Database, tmp_path: Path) -> None:
    before = content(database)
    there = tmp_path / "there"
    there.write_text("mine")
    targets = {
        str(there): "is there already",
        str(tmp_path / "no" / "a"): "No such file",
        "/dev/full/x": "Not a directory",
    }

    for path, words in targets.items():
        told = archive(database, before="90d", to=path, purge=True)
        assert (told["retcode"], told["archive"]) == (2, [])
        assert words in told["problem"]
        assert told["problem"].startswith(f"to: {path}")
    assert there.read_text() == "mine"
    assert content(database) == before


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({}, "before: missing", id="nothing"),
        pytest.param({"before": "soon", "to": "/x"}, "before: expected a time", id="no time"),
        pytest.param({"before": "2999-01-01", "to": "/x"}, "before: expected a time that has passed", id="future"),
        pytest.param({"before": "90d"}, "to: expected the whole path", id="no file"),
        pytest.param({"before": "90d", "to": "x.zst"}, "to: expected the whole path", id="relative"),
        pytest.param({"before": "90d", "to": "/x", "purge": "yes"}, "purge: expected True or False", id="purge"),
        pytest.param({"restore": "/x", "before": "1d"}, "restore: expected neither", id="both"),
        pytest.param({"before": "90d", "to": "/x", "worker": "nobody"}, "worker: expected a sql worker", id="worker"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, Any], problem: str, tmp_path: Path) -> None:
    told = archive(Database(f"sqlite:///{tmp_path}/history.db"), **arguments)

    assert told["retcode"] == 2
    assert problem in told["problem"]


def test_of_several_workers_one_has_to_be_named(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/history.db")
    opts = opts_of(database, other={"module": "sql", "url": f"sqlite:///{tmp_path}/other.db"})

    told = verb.archive(opts, before="90d", to="/x")

    assert told == {
        "problem": "worker: missing; expected the name of one sql worker, one of history, other",
        "retcode": 2,
    }

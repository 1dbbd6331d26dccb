"""The file worker: whole lines, in order, through rotation, full disks, crashes and wrong folders."""

from __future__ import annotations

import json
import os
import pwd
import re
import resource
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salt_eventsd.exceptions import Held, Transient
from tests.support import backends
from tests.support.events import fired, job, numbered, returned
from tests.support.stores import NODE, Buried, batch_of, settled


def _worker(path: Path | str, **options: Any) -> Any:
    return backends.worker("file", {"path": str(path), **options})


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_bytes()
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.split(b"\n")[:-1]]


def _jids(path: Path) -> list[str]:
    return [line["data"]["jid"] for line in _lines(path)]


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def _somebody_else() -> Iterator[None]:
    """Root may write everywhere; be nobody for a while."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_an_event_is_a_line_with_all_of_it(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "new" / "folder" / "events.jsonl"

    # When
    settled(_worker(path), [returned({"k": ["ü", 1.5, None]}, jid="1")], [job("2"), fired("company/alarm", "text")])

    # Then
    first, second, third = _lines(path)
    assert first.pop("id")
    assert first == {
        "tag": "salt/job/1/ret/web1.example.com",
        "stamp": "2026-01-02T03:04:05.678901Z",
        "received": "2026-01-02T03:04:05.928901Z",
        "jid": "1",
        "minion_id": "web1.example.com",
        "fun": "test.ping",
        "kind": "job",
        "phase": "ret",
        "rule": "",
        "master_id": NODE,
        "data": returned({"k": ["ü", 1.5, None]}, jid="1").data,
    }
    assert (second["tag"], second["phase"]) == ("salt/job/2/new", "new")
    assert (third["tag"], third["data"]) == ("company/alarm", "text")


def test_a_batch_arrives_whole_and_in_order(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "events.jsonl"
    worker = _worker(path, fsync=True)

    # When
    settled(worker, numbered(1000))
    settled(worker, numbered(500, 1000), numbered(500, 1500))

    # Then
    assert _jids(path) == [str(number) for number in range(2000)]
    assert len({line["id"] for line in _lines(path)}) == 2000


def test_a_replay_has_the_same_ids(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "events.jsonl"

    # When: what an engine does that died before it could forget the batch
    for _ in range(2):
        settled(_worker(path), numbered(10))

    # Then
    ids = [line["id"] for line in _lines(path)]
    assert ids[:10] == ids[10:]


def test_hostile_values_arrive_as_they_are(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "events.jsonl"
    buried = Buried()

    # When
    batch = backends.hostile_batch(buried)
    _worker(path).write(batch)

    # Then
    assert [line["data"] for line in _lines(path)] == [event.data for event in batch.events]
    assert buried.refusals == []


@pytest.mark.parametrize(
    ("minion_id", "name"),
    [
        pytest.param("web1.example.com", "web1.example.com", id="plain"),
        pytest.param("../../../etc/passwd", "_._.._.._etc_passwd~", id="above"),
        pytest.param("..", "_.~", id="above-alone"),
        pytest.param("/etc/passwd", "_etc_passwd~", id="root"),
        pytest.param("x\0y\nz", "x_y_z~", id="nul"),
        pytest.param("{tag} %s $(id) `id`", "_tag_ _s __id_ _id_~", id="shell"),
        pytest.param("büro", "büro", id="not-ascii"),
        pytest.param("x" * 5000, "x" * 60 + "~", id="long"),
        pytest.param("x" * 1_000_000, "x" * 60 + "~", id="very long"),
    ],
)
def test_a_hostile_name_stays_in_its_folder(tmp_path: Path, minion_id: str, name: str) -> None:
    # When
    settled(_worker(f"{tmp_path}/in/{{minion_id}}/events.jsonl"), [returned(minion_id=minion_id)])

    # Then
    [made] = tmp_path.rglob("*.jsonl")
    assert made.parent.parent == tmp_path / "in"
    assert re.sub(r"(?<=~)[0-9a-f]{16}\Z", "", made.parent.name) == name


def test_events_go_where_the_template_says(tmp_path: Path) -> None:
    # Given
    worker = _worker(f"{tmp_path}/{{master_id}}-{{stamp:%Y-%m-%d}}-{{fun}}.jsonl")
    events = [returned(jid=str(n), fun="state.apply" if n % 2 else "test.ping") for n in range(10)]

    # When
    settled(worker, events)

    # Then
    assert _jids(tmp_path / "master-1-2026-01-02-test.ping.jsonl") == ["0", "2", "4", "6", "8"]
    assert _jids(tmp_path / "master-1-2026-01-02-state.apply.jsonl") == ["1", "3", "5", "7", "9"]


def test_only_the_events_without_the_field_are_buried(tmp_path: Path) -> None:
    # Given
    worker = _worker(f"{tmp_path}/{{data.colour}}.jsonl")
    events = [returned(jid=str(n), **({} if n in (3, 7) else {"colour": "red"})) for n in range(10)]

    # When
    buried = settled(worker, events[:5], events[5:])

    # Then
    assert buried.refusals == [(at, "the event has no data.colour") for at in (3, 7)]
    assert _jids(tmp_path / "red.jsonl") == [str(n) for n in range(10) if n not in (3, 7)]


def test_a_name_too_long_is_refused_alone(tmp_path: Path) -> None:
    # Given
    worker = _worker(f"{tmp_path}/{{data.a}}{{data.b}}{{data.c}}{{data.d}}{{data.e}}.jsonl")
    long, short = (dict.fromkeys("abcde", letter) for letter in ("x" * 60, "y"))

    # When
    buried = settled(worker, [returned(jid="0", **short), returned(jid="1", **long), returned(jid="2", **short)])

    # Then
    assert buried.positions == [1]
    assert _jids(tmp_path / "yyyyy.jsonl") == ["0", "2"]


class TestRotation:
    """Files that may grow so large and no larger."""

    def test_no_file_grows_beyond_its_size_and_nothing_is_lost(self, tmp_path: Path) -> None:
        # Given
        path = tmp_path / "events.jsonl"
        worker = _worker(path, rotate={"bytes": 20_000, "keep": 50})

        # When
        for start in range(0, 400, 100):
            settled(worker, numbered(100, start))

        # Then
        files = [path, *(Path(f"{path}.{number}") for number in range(1, 50))]
        there = [file for file in files if file.exists()]
        assert len(there) > 5
        assert all(file.stat().st_size <= 20_000 for file in there)
        assert [jid for file in reversed(there) for jid in _jids(file)] == [str(number) for number in range(400)]

    def test_the_oldest_give_way(self, tmp_path: Path) -> None:
        # Given
        path = tmp_path / "events.jsonl"
        worker = _worker(path, rotate={"bytes": 2000, "keep": 2})

        # When
        settled(worker, numbered(100))

        # Then
        assert sorted(file.name for file in tmp_path.iterdir()) == [
            *("events.jsonl", "events.jsonl.1", "events.jsonl.2"),
        ]
        kept = [*_jids(Path(f"{path}.2")), *_jids(Path(f"{path}.1")), *_jids(path)]
        assert kept == [str(number) for number in range(100 - len(kept), 100)]

    def test_a_line_larger_than_a_file_has_one_to_itself(self, tmp_path: Path) -> None:
        # Given
        path = tmp_path / "events.jsonl"
        worker = _worker(path, rotate={"bytes": "1KiB", "keep": 5})

        # When
        settled(worker, [returned(jid="1"), returned("x" * 5000, jid="2"), returned(jid="3")])

        # Then
        assert [_jids(Path(f"{path}.2")), _jids(Path(f"{path}.1")), _jids(path)] == [["1"], ["2"], ["3"]]

    def test_a_rotation_that_was_cut_short_loses_no_further_file(self, tmp_path: Path) -> None:
        # Given: the engine died after it had moved the oldest
        path = tmp_path / "events.jsonl"
        for name, jid in (("", "4"), (".1", "3"), (".3", "1")):
            settled(_worker(f"{path}{name}"), [returned(jid=jid)])

        # When
        settled(_worker(path, rotate={"bytes": 300, "keep": 3}), [returned(jid="5")])

        # Then
        assert [_jids(Path(f"{path}{name}")) for name in (".3", ".2", ".1", "")] == [["1"], ["3"], ["4"], ["5"]]

    @pytest.mark.parametrize("name", ["{minion_id}", "{minion_id}.1", "{data.id}"])
    def test_rotation_takes_no_other_minions_file(self, tmp_path: Path, name: str) -> None:
        # Given: minions whose files have the names of rotated ones, and are rotated, too
        minions = ["db", "db.1", "db.1.1", "db.2", "db.1.gz", "db~", "db.01"]
        worker = _worker(f"{tmp_path}/{name}", rotate={"bytes": 2000, "keep": 30})

        # When
        for start in range(0, 60, 10):
            for minion in minions:
                settled(worker, [returned(jid=str(start + n), minion_id=minion) for n in range(10)])

        # Then: each line is in a file of its minion's, and all are there
        kept: dict[str, dict[str, list[int]]] = {}
        for file in tmp_path.iterdir():
            lines = _lines(file)
            assert len({line["minion_id"] for line in lines}) == 1, file.name
            kept.setdefault(lines[0]["minion_id"], {})[file.name] = [int(line["jid"]) for line in lines]
        found = {minion: sorted(n for some in files.values() for n in some) for minion, files in kept.items()}
        assert found == {minion: list(range(60)) for minion in minions}
        assert min(len(files) for files in kept.values()) > 5

    def test_rotation_takes_no_file_of_another_worker(self, tmp_path: Path) -> None:
        # Given
        other = _worker(tmp_path / "events.jsonl.1")
        settled(other, [returned(jid="other")])
        worker = _worker(tmp_path / "events.jsonl", rotate={"bytes": 2000, "keep": 2})

        # When
        settled(worker, numbered(30))
        settled(other, [returned(jid="another")])

        # Then
        assert _jids(tmp_path / "events.jsonl.1") == ["other", "another"]
        assert len(list(tmp_path.iterdir())) == 4

    @pytest.mark.parametrize("kind", ["text", "folder", "link", "empty"])
    def test_rotation_takes_nothing_that_it_has_not_made(self, tmp_path: Path, kind: str) -> None:
        # Given
        taken = tmp_path / "events.jsonl.2"
        if kind == "folder":
            taken.mkdir()
        elif kind == "link":
            (tmp_path / "ours").write_bytes(b'{"id":"%s",' % (b"0" * 32))
            taken.symlink_to("ours")
        else:
            taken.write_text("notes of mine\n" if kind == "text" else "")
        before = taken.lstat()
        worker = _worker(tmp_path / "events.jsonl", rotate={"bytes": 2000, "keep": 3})

        # When
        settled(worker, numbered(100))

        # Then
        assert (taken.lstat().st_ino, taken.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        names = {path.name for path in tmp_path.iterdir()} - {"ours"}
        assert names == {"events.jsonl", *(f"events.jsonl.{number}" for number in range(1, 5))}


@pytest.mark.parametrize(
    ("template", "one", "other"),
    [
        pytest.param("{minion_id}", "a/b", "a_b", id="slash"),
        pytest.param("{minion_id}", "x" * 60, "x" * 61, id="long"),
        pytest.param("{minion_id}", "x" * 5000 + "a", "x" * 5000 + "b", id="very long"),
        pytest.param("{minion_id}", "..", "_.", id="above"),
        pytest.param("{minion_id}", "a\0", "a_", id="nul"),
        pytest.param("{minion_id}", "DB", "db", id="case"),
        pytest.param("{minion_id}", "", "_", id="empty"),
        pytest.param("{minion_id}-{fun}", ("web", "1-test.ping"), ("web-1", "test.ping"), id="what parts two fields"),
        pytest.param("{fun}.{minion_id}", ("a.b", "c"), ("a", "b.c"), id="a dot"),
        pytest.param("{jid}+{fun}", ("a+b", "c"), ("a", "b+c"), id="no minion"),
    ],
)
def test_no_event_gets_into_the_file_of_another(tmp_path: Path, template: str, one: Any, other: Any) -> None:
    # Given
    worker = _worker(f"{tmp_path}/{template}.jsonl")
    fields = re.findall(r"\w+", template)

    def event(values: str | tuple[str, ...]) -> Any:
        given = dict(zip(fields, [values] if isinstance(values, str) else values))
        return msgspec.structs.replace(returned(), **given)

    # When
    settled(worker, [event(one), event(other)])

    # Then
    assert [len(_lines(path)) for path in tmp_path.rglob("*.jsonl")] == [1, 1]


@pytest.mark.parametrize(
    ("mode", "folder"),
    [
        pytest.param("0600", 0o700, id="owner"),
        pytest.param("0640", 0o750, id="group"),
        pytest.param("0660", 0o750, id="group writes"),
        pytest.param("0644", 0o755, id="everybody reads"),
    ],
)
@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777], ids=oct)
def test_no_umask_opens_or_closes_what_is_made(tmp_path: Path, mode: str, folder: int, umask: int) -> None:
    # Given: a folder that is there keeps its mode
    (tmp_path / "there").mkdir(mode=0o711)
    before = os.umask(umask)

    # When
    try:
        settled(_worker(tmp_path / "there" / "a" / "b" / "c" / "events.jsonl", mode=mode), numbered(1))
    finally:
        os.umask(before)

    # Then
    paths = [tmp_path / "there" / name for name in ("", "a", "a/b", "a/b/c", "a/b/c/events.jsonl")]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o711, folder, folder, folder, int(mode, 8)]


def test_a_file_that_cannot_be_written_is_its_events_matter(tmp_path: Path) -> None:
    # Given: where an event's file would be, there is a folder
    (tmp_path / "bad.jsonl").mkdir()
    worker = _worker(f"{tmp_path}/{{minion_id}}.jsonl")
    events = [returned(jid=str(n), minion_id="bad" if n in (1, 4) else "good") for n in range(6)]

    # When
    buried = settled(worker, events)

    # Then
    assert buried.positions == [1, 4]
    assert _jids(tmp_path / "good.jsonl") == ["0", "2", "3", "5"]


def test_a_path_that_is_too_long_is_refused_alone(tmp_path: Path) -> None:
    # Given
    many = "/".join(f"{{data.p{number}}}" for number in range(70))
    worker = _worker(f"{tmp_path}/{many}.jsonl")
    long, short = ({f"p{number}": letter for number in range(70)} for letter in ("x" * 60, "y"))

    # When
    buried = settled(worker, [returned(jid="0", **short), returned(jid="1", **long), returned(jid="2", **short)])

    # Then
    assert buried.positions == [1]


def test_events_that_fit_no_name_cost_no_write(tmp_path: Path) -> None:
    # Given: what the template wants as a number is text
    worker = _worker(f"{tmp_path}/{{data.n:d}}.jsonl")
    tries = []
    write = worker.worker.write
    worker.worker.write = lambda batch: (tries.append(len(batch.events)), write(batch))

    # When
    buried = settled(worker, [returned(jid=str(n), n="text") for n in range(100)])

    # Then
    assert (buried.positions, tries) == (list(range(100)), [100])
    assert buried.refusals[0][1] == "data.n cannot be formatted with 'd'; it is str"


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    # When
    settled(_worker(tmp_path / "a" / "events.jsonl"), numbered(1))
    settled(_worker(tmp_path / "b.jsonl", mode="0644"), numbered(1))

    # Then
    modes = [os.stat(tmp_path / name).st_mode & 0o777 for name in ("a", "a/events.jsonl", "b.jsonl")]
    assert modes == [0o700, 0o600, 0o644]


def test_a_file_that_logrotate_made_keeps_its_mode(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "events.jsonl"
    path.touch()
    path.chmod(0o640)

    # When
    settled(_worker(path), numbered(1))

    # Then
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_was_moved_is_made_anew(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "events.jsonl"
    worker = _worker(path)
    settled(worker, numbered(2))

    # When
    path.rename(tmp_path / "moved.jsonl")
    settled(worker, numbered(2, 2))

    # Then
    assert _jids(tmp_path / "moved.jsonl") == ["0", "1"]
    assert _jids(path) == ["2", "3"]


def test_half_a_line_is_ended_before_the_next(tmp_path: Path) -> None:
    # Given: a crash in the middle of a line
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"id":"1"}\n{"id":"2","da')

    # When
    settled(_worker(path), numbered(1))

    # Then
    whole, half, new, end = path.read_bytes().split(b"\n")
    assert (whole, half, end) == (b'{"id":"1"}', b'{"id":"2","da', b"")
    assert json.loads(new)["jid"] == "0"


@pytest.mark.parametrize("beyond", [pytest.param(1, id="at-once"), pytest.param(20_000, id="in-the-middle")])
def test_a_full_disk_leaves_no_half_line_and_is_waited_for(tmp_path: Path, beyond: int) -> None:
    # Given
    path = tmp_path / "events.jsonl"
    worker = _worker(path)
    settled(worker, numbered(10))
    size = path.stat().st_size

    # When
    with _largest_file(size + beyond):
        for _ in range(2):
            with pytest.raises(Transient):
                worker.write(batch_of(numbered(100, 10)))
            assert path.stat().st_size == size
    settled(worker, numbered(100, 10))

    # Then
    assert _jids(path) == [str(number) for number in range(110)]


def test_a_disk_that_fills_between_two_files_doubles_nothing(tmp_path: Path) -> None:
    # Given: small events for one file, and after them large ones for another
    worker = _worker(f"{tmp_path}/{{fun}}.jsonl")
    events = [*numbered(5), *(returned("x" * 10_000, jid=str(n), fun="cmd.run") for n in range(5, 10))]

    # When
    with _largest_file(30_000), pytest.raises(Transient):
        worker.write(batch_of(events))
    settled(worker, events[:7], events[7:])

    # Then
    assert _jids(tmp_path / "test.ping.jsonl") == ["0", "1", "2", "3", "4"]
    assert _jids(tmp_path / "cmd.run.jsonl") == ["5", "6", "7", "8", "9"]


def test_the_same_event_later_is_a_line_of_its_own(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "events.jsonl"
    worker = _worker(path)

    # When
    for _ in range(3):
        settled(worker, numbered(2))

    # Then
    assert _jids(path) == ["0", "1"] * 3


def test_batches_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "events.jsonl"
    worker = _worker(path, rotate={"bytes": "100KiB", "keep": 1000})

    # When
    threads = [
        threading.Thread(
            target=lambda start: [settled(worker, numbered(20, at)) for at in range(start, start + 400, 20)],
            args=[start],
        )
        for start in range(0, 1600, 400)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Then
    found = [int(jid) for file in tmp_path.iterdir() for jid in _jids(file)]
    assert sorted(found) == list(range(1600))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("folder", "folder: Is a directory", id="folder"),
        pytest.param("file/events.jsonl", "file", id="below-a-file"),
        pytest.param("pipe", "pipe is not a file", id="pipe"),
        pytest.param("loop", "loop: Too many levels", id="loop"),
    ],
)
def test_what_is_no_place_for_a_file_holds_the_worker(tmp_path: Path, name: str, says: str) -> None:
    # Given
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match=says):
        _worker(tmp_path / name).write(batch_of(numbered(2), buried=buried))
    assert buried.refusals == []


def test_a_folder_of_others_holds_the_worker() -> None:
    # Given
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        worker = _worker(f"{folder}/events.jsonl")
        buried = Buried()

        # When / Then
        with _somebody_else(), pytest.raises(Held, match="Permission denied"):
            worker.write(batch_of(numbered(2), buried=buried))
        assert buried.refusals == []


def test_check_writes_nothing(tmp_path: Path) -> None:
    # Given
    (tmp_path / "file").touch()

    # When / Then
    assert _worker(f"{tmp_path}/events.jsonl").check() == f"{tmp_path} can be written"
    assert _worker(f"{tmp_path}/new/{{fun}}/x.jsonl").check() == f"{tmp_path}/new can be made"
    with pytest.raises(Held, match="file is not a folder"):
        _worker(f"{tmp_path}/file/events.jsonl").check()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({}, "path: missing; expected a file", id="nothing"),
        pytest.param({"path": "events.jsonl"}, "path: expected a file's full path", id="relative"),
        pytest.param({"path": "{fun}.jsonl"}, "path: expected a file's full path", id="relative-template"),
        pytest.param({"path": 7}, "path: expected text, got number", id="number"),
        pytest.param({"path": "/x/{colour}"}, "path: 'colour' is no field", id="no-field"),
        pytest.param({"path": "/x/{fun"}, "path: ", id="brace"),
        pytest.param({"path": "/x", "mode": "rw"}, "mode: expected an octal number", id="mode"),
        pytest.param({"path": "/x", "mode": 600}, "mode: expected one by which", id="mode-not-octal"),
        pytest.param({"path": "/x", "mode": "0400"}, "mode: expected one by which", id="mode-read-only"),
        pytest.param({"path": "/x", "fsync": "yes"}, "fsync: expected", id="fsync"),
        pytest.param({"path": "/x", "rotate": 5}, "rotate: expected mapping", id="rotate"),
        pytest.param({"path": "/x", "rotate": {"keep": 0}}, "rotate.keep: expected a number from 1", id="keep"),
        pytest.param({"path": "/x", "rotate": {"bytes": "lots"}}, "rotate.bytes: ", id="bytes"),
        pytest.param({"path": "/x", "rotate": {"size": 1}}, "rotate.size: unknown key", id="unknown-below"),
        pytest.param({"path": "/x", "colour": 1}, "colour: unknown key", id="unknown"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_the_key(options: dict[str, Any], says: str) -> None:
    assert backends.problem("file", options).startswith(f"eventsd: workers.sink.{says}")

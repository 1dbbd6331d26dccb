"""The command, as processes, over a real JetStream server: started, reloaded, killed, ended, and asked."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from salt_eventsd.exceptions import Transient
from salt_eventsd.writer.told.status import status
from tests.support.brokers import Streams
from tests.support.carriers import OnJetStream
from tests.support.events import numbered, returned
from tests.support.lanes import eventually
from tests.support.stores import Database
from tests.support.writers import Master

_SECONDS = 120.0
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(installed: Callable[[type[Streams]], Streams]) -> Iterator[Streams]:
    """A NATS server."""
    with installed(Streams) as made:
        yield made


@pytest.fixture
def stream(server: Streams) -> Iterator[OnJetStream]:
    """A stream of its own."""
    made = OnJetStream(server)
    yield made
    made.close()


class Command:
    """
    The command with a configuration.

    :param folder: where its files are.
    :param stream: where its parcels come from.
    :param database: where they go.
    """

    def __init__(self, folder: Path, stream: OnJetStream, database: Database) -> None:
        self.path = folder / f"writer{next(_NUMBERS)}.yaml"
        self.config: dict[str, Any] = {
            "source": stream.options(),
            "workers": {"history": {"url": database.url}},
            "state_file": str(self.path.with_suffix(".json")),
            "state_timer": 1,
        }
        self.configure()

    def configure(self, **more: Any) -> None:
        """Write the configuration, with some keys changed."""
        self.path.write_text(yaml.safe_dump({"eventsd": {**self.config, **more}}), encoding="utf-8")

    def ask(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run a verb; return its code and its answer."""
        done = subprocess.run(
            [*self._command(), "--json", *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else {"said": done.stderr}

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        """A writer; it is killed at the end if it still runs."""
        with self.path.with_suffix(".log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(self._command(), stderr=log, text=True)
            try:
                yield process
            finally:
                process.kill()
                process.wait(_SECONDS)

    @property
    def status(self) -> dict[str, Any]:
        """What its state file tells."""
        return status(self.path.with_suffix(".json"), [])

    @property
    def log(self) -> str:
        """What it has said."""
        return self.path.with_suffix(".log").read_text(encoding="utf-8")

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "salt_eventsd.writer", "-c", str(self.path)]


def _master(stream: OnJetStream) -> Master:
    publisher = stream.publisher()
    publisher.prepare()
    return Master(publisher)


def _buried(stream: OnJetStream) -> int:
    """How many dead letters there are; the stream may just be about to be made."""
    letters = stream.letters()
    try:
        return len(list(letters.letters()))
    except Transient:
        return 0
    finally:
        letters.close()


def test_a_writer_that_ends_leaves_the_rest_to_others_at_once(
    stream: OnJetStream, database: Database, tmp_path: Path
) -> None:
    # Given
    master = _master(stream)
    first, second = (Command(tmp_path, stream, database) for _ in range(2))
    with first.running() as process:
        for number in range(30):
            master.send(numbered(10, start=10 * number))
        eventually(lambda: database.rows("returns"), _SECONDS)

        # When
        process.send_signal(signal.SIGTERM)
        assert process.wait(_SECONDS) == 0, first.log
    with second.running():
        eventually(lambda: len(database.rows("returns")) == 300, _SECONDS)

        # Then
        eventually(lambda: second.status["notes"] == [], _SECONDS)
        code, told = second.ask("status")
        assert (code, told["state"]) == (0, "well"), told
    assert "eventsd: stopped" in first.log
    assert second.ask("status")[0] == 2
    assert sorted(map(int, database.column("returns", "jid"))) == list(range(300))


def test_a_reload_takes_what_is_right_and_refuses_what_is_wrong(
    stream: OnJetStream, database: Database, tmp_path: Path
) -> None:
    # Given
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    other.make_tables()
    master = _master(stream)
    command = Command(tmp_path, stream, database)
    with command.running() as process:
        master.send(numbered(3))
        eventually(lambda: len(database.rows("returns")) == 3, _SECONDS)

        # When
        command.configure(workers={"history": {"url": database.url, "concurency": 2}})
        process.send_signal(signal.SIGHUP)

        # Then
        eventually(lambda: "the configuration on disk is wrong" in str(command.status["notes"]), _SECONDS)
        assert "workers.history.concurency: unknown key" in command.log
        master.send(numbered(3, start=10))
        eventually(lambda: len(database.rows("returns")) == 6, _SECONDS)

        # When
        command.configure(workers={"history": {"url": other.url, "batch": {"events": 10}}})
        process.send_signal(signal.SIGHUP)
        eventually(lambda: "reloaded" in command.log, _SECONDS)
        master.send(numbered(3, start=20))

        # Then
        eventually(lambda: len(other.rows("returns")) == 3, _SECONDS)
        eventually(lambda: command.status["retcode"] == 0, _SECONDS)
        # What it has done before counts as well.
        eventually(lambda: command.status["workers"]["history"]["written"] == 9, _SECONDS)
        code, told = command.ask("--check")
        assert (code, [line.split(" has")[0] for line in told["notes"]]) == (0, ["eventsd: workers.history.batch:"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(_SECONDS) == 0
    assert len(database.rows("returns")) == 6
    other.close()


def test_the_verbs_show_put_back_and_delete_what_was_refused(
    stream: OnJetStream, database: Database, tmp_path: Path
) -> None:
    # Given
    database.refuse("returns", "minion_id LIKE 'bad%'")
    master = _master(stream)
    command = Command(tmp_path, stream, database)
    with command.running():
        master.send([*numbered(2), *(returned("x", jid=str(50 + at), minion_id=f"bad{at}") for at in range(3))])
        eventually(lambda: _buried(stream) == 3, _SECONDS)
        code, told = command.ask("dead", "--contains", "bad1")
        assert (code, [one["tag"] for one in told["letters"]]) == (0, ["salt/job/51/ret/bad1"])

        # When
        database.execute("DROP TRIGGER poison")
        assert command.ask("requeue")[0] == 2
        assert command.ask("requeue", str(told["letters"][0]["id"])) == (0, {"requeued": 1, "retcode": 0})
        eventually(lambda: "bad1" in database.column("returns", "minion_id"), _SECONDS)
        assert command.ask("discard", "--all") == (0, {"discarded": 2, "retcode": 0})

        # Then
        assert command.ask("dead")[1]["letters"] == []
    assert len(database.rows("returns")) == 3


def test_the_check_says_what_is_wrong_and_what_is_away(stream: OnJetStream, database: Database, tmp_path: Path) -> None:
    command = Command(tmp_path, stream, database)
    code, told = command.ask("--check")
    assert (code, told["config"], told["source"]) == (0, "right", "reachable")

    command.configure(source={**stream.options(), "url": "nats://127.0.0.1:1", "timeout": 2})
    code, told = command.ask("--check")
    assert (code, told["source"]) == (1, "not reachable")

    command.configure(spool={"dir": "/x"}, sourc={}, max_worker=3)
    code, told = command.ask("--check")
    assert code == 2
    assert {line.split(":")[1].strip() for line in told["problems"]} == {"spool", "sourc", "max_worker"}
    assert any(line.endswith("did you mean 'max_workers'?") for line in told["problems"])

    done = subprocess.run(command._command(), capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == told["problems"]

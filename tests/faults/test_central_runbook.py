"""The runbook of ``docs/central.rst``, word for word, on the machines of ``examples/central``: it does what it says."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml

from tests.support.brokers import Nats

_RUN = Path(__file__).parents[2] / "examples" / "central" / "run.py"
_SECONDS = 120.0


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("central_example", _RUN)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Site:
    """A master, three nodes, two writers, and an operator who reads the runbook."""

    def __init__(self, example: Any) -> None:
        self.example, self.programs, self.folder = example, example.programs, example.programs.folder

    def salt_run(self, *words: str) -> tuple[int, str]:
        """Run a verb of the runner."""
        code, said = self.example.sandbox.run(["salt-run", *words], lambda: None, _SECONDS)
        return code, said

    def writer(self, name: str, *words: str) -> tuple[int, dict[str, Any]]:
        """Run a verb of a writer."""
        command = [
            sys.executable,
            "-m",
            "salt_eventsd.writer",
            "-c",
            str(self.folder / f"{name}.yaml"),
            "--json",
            *words,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        return done.returncode, json.loads(done.stdout)

    def page(self, number: int, path: str) -> Any:
        """Read a page of a node; nothing while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.example._ports[5 + number]}{path}", timeout=5) as said:
                return json.load(said)
        except OSError:
            return {}

    def stop_writer(self, number: int) -> float:
        """Stop a writer as systemd does; return how many seconds it took."""
        process = self.programs._running.pop(f"writer-{number}")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        return time.monotonic() - began

    def jobs(self, count: int = 1) -> None:
        """Run jobs, and wait until they are in the database."""
        self.example.run_jobs(count)
        self.example.wait("rows did not come")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait."""
        self.example.sandbox.wait_for(condition, _SECONDS, lambda: None, f"no {what}")

    def healthy(self, number: int) -> bool:
        """Say whether a node has all that the others have."""
        return bool(self.page(number, "/healthz").get("status") == "ok")

    def is_drained(self) -> bool:
        """Say whether the status of a writer says that nothing waits and nothing is unacknowledged."""
        _, told = self.writer("writer-1", "status")
        history = told.get("workers", {}).get("history", {"waiting": 1, "unacknowledged": 1})
        return not (history["waiting"] or history["unacknowledged"])

    def drain(self) -> None:
        """Have the master wait, and the writers empty the stream."""
        assert self.salt_run("eventsd.flush", "history")[0] == 0
        assert self.salt_run("eventsd.pause", "history")[0] == 0
        # The status of a moment ago may be from before.
        time.sleep(5)
        self.until(self.is_drained, "empty stream")

    def configure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the master's configuration, and have it take effect."""
        file = self.example.sandbox.folder / "etc" / "master"
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        change(config["eventsd"])
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        assert self.salt_run("eventsd.check")[0] == 0
        assert self.salt_run("eventsd.reload")[0] == 0


@pytest.fixture
def site(installed: Callable[[type[Nats]], Nats], tmp_path: Path) -> Iterator[Site]:
    """All of it, at work."""
    installed(Nats)
    run = _module()
    with run.Sandbox(tmp_path / "kept") as sandbox:
        folder = sandbox.folder / "central"
        folder.mkdir()
        programs = run.Programs(folder)
        try:
            example = run.Example(sandbox, programs, f"sqlite:///{folder / 'history.db'}")
            example.write_configurations()
            for number in (1, 2, 3):
                example.start_broker(number)
            for number in (1, 2):
                example.start_writer(number)
            sandbox.start(lambda: None)
            yield Site(example)
        finally:
            programs.stop()


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_the_runbook_does_what_it_says(site: Site) -> None:
    site.jobs()

    # How is it?
    site.until(lambda: all(site.healthy(number) for number in (1, 2, 3)), "healthy nodes")
    [account] = site.page(1, "/jsz?streams=true")["account_details"]
    cluster = next(one["cluster"] for one in account["stream_detail"] if one["name"] == "EVENTSD")
    assert cluster["leader"] in ("nats-1", "nats-2", "nats-3")
    assert [set(one) >= {"name", "current"} for one in cluster["replicas"]] == [True, True]
    site.until(lambda: site.salt_run("eventsd.status")[0] == 0, "well engine")
    site.until(lambda: site.writer("writer-1", "status")[0] == 0, "well writer")

    # Replace a node: one after the other gets an empty disk.
    for number in (1, 2):
        site.programs.kill(f"nats-{number}")
        shutil.rmtree(site.folder / f"nats-{number}")
        site.jobs()
        site.example.start_broker(number)
        site.until(lambda number=number: site.healthy(number), "healthy node")

    # Add a writer, remove one
    config = yaml.safe_load((site.folder / "writer-1.yaml").read_text(encoding="utf-8"))
    config["eventsd"]["state_file"] = str(site.folder / "writer-3.json")
    (site.folder / "writer-3.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    site.example.start_writer(3)
    site.until(lambda: site.writer("writer-3", "status")[0] == 0, "third writer")
    assert site.stop_writer(3) < 8
    site.jobs()

    # Upgrade: one writer after the other
    for number in (1, 2):
        site.stop_writer(number)
        site.jobs()
        site.example.start_writer(number)

    # Drain, and the stream is deleted
    site.drain()
    before = site.example.new_rows
    site.example.run_jobs(1)
    asyncio.run(_delete_stream(site.example._brokers))
    assert site.example.new_rows == before
    assert site.salt_run("eventsd.resume", "history")[0] == 0
    site.example.wait("what waited at the drain did not come")

    # The database was restored
    backup = site.folder / "backup.db"
    site.drain()
    for number in (1, 2):
        site.stop_writer(number)
    shutil.copy(site.folder / "history.db", backup)
    assert site.salt_run("eventsd.resume", "history")[0] == 0
    site.example.run_jobs(1)
    for end in ("", "-wal", "-shm"):
        (site.folder / f"history.db{end}").unlink(missing_ok=True)
    shutil.copy(backup, site.folder / "history.db")
    for number in (1, 2):
        site.example.start_writer(number)
    site.example.wait("what was in the stream did not come")

    # Dead letters: there are none
    assert site.writer("writer-1", "dead")[1]["letters"] == []
    assert site.writer("writer-1", "requeue", "--all")[1]["requeued"] == 0

    # Back to writing straight
    site.drain()
    site.example.run_jobs(1)
    for number in (1, 2):
        site.stop_writer(number)
    site.configure(lambda block: block.update(workers={"history": {"module": "sql", "url": site.example._url}}))
    assert site.salt_run("eventsd.resume", "history")[0] == 0
    site.jobs()
    assert site.example.new_rows == (site.example.jobs, site.example.jobs)


async def _delete_stream(brokers: list[str]) -> None:
    client = await nats.connect(servers=brokers)
    await client.jetstream().delete_stream("EVENTSD")
    await client.close()

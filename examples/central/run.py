"""Runs a master, a minion, three brokers and two writers on this machine, breaks some of them, and counts the rows."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from salt_eventsd.operate.demo import DemoError
from salt_eventsd.operate.demo.configuration import free_ports
from salt_eventsd.operate.demo.sandbox import Sandbox

HERE = Path(__file__).resolve().parent
#: An election among the brokers and a retry of the engine take some seconds each.
PATIENCE_SECONDS = 120.0


class Programs:
    """
    Programs that run beside the master, each with a log of its own.

    :param folder: for their files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a program."""
        with open(self.folder / f"{name}.log", "ab") as log:
            self._running[name] = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str) -> None:
        """Kill a program, as a crash would."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """End all of them."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


class Example:
    """
    All of it.

    :param sandbox: the master and the minion.
    :param programs: the brokers and the writers.
    :param url: of the database.
    """

    def __init__(self, sandbox: Sandbox, programs: Programs, url: str) -> None:
        self.sandbox, self.programs = sandbox, programs
        self._database = sa.create_engine(url, poolclass=sa.NullPool)
        self._url = url
        self._before = self.rows()
        self._ports = free_ports(9)
        self._brokers = [f"nats://127.0.0.1:{port}" for port in self._ports[:3]]
        self.jobs = 0

    def write_configurations(self) -> None:
        """Put ports, folders and the database into the files beside this one."""
        for number, (port, route) in enumerate(zip(self._ports[:3], self._ports[3:6])):
            routes = ", ".join(f'"nats://127.0.0.1:{one}"' for one in self._ports[3:6] if one != route)
            told: dict[str, Any] = {"name": f"nats-{number + 1}", "port": port, "route": route, "routes": routes}
            told["http"] = self._ports[6 + number]
            text = (HERE / "nats.conf").read_text(encoding="utf-8")
            for key, value in {**told, "folder": self.programs.folder / f"nats-{number + 1}"}.items():
                text = text.replace(f"{{{key}}}", str(value))
            (self.programs.folder / f"nats-{number + 1}.conf").write_text(text, encoding="utf-8")
        for name in ("writer-1", "writer-2"):
            config = yaml.safe_load((HERE / "writer.yaml").read_text(encoding="utf-8"))
            block = config["eventsd"]
            block["source"]["url"] = self._brokers
            block["workers"]["history"]["url"] = self._url
            block["state_file"] = str(self.programs.folder / f"{name}.json")
            (self.programs.folder / f"{name}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        file = self.sandbox.folder / "etc" / "master"
        master: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
        master |= yaml.safe_load((HERE / "eventsd.conf").read_text(encoding="utf-8"))
        master["eventsd"]["workers"]["history"]["url"] = self._brokers
        file.write_text(yaml.safe_dump(master), encoding="utf-8")

    def start_broker(self, number: int) -> None:
        """Start one of the brokers."""
        config = str(self.programs.folder / f"nats-{number}.conf")
        self.programs.start(f"nats-{number}", [_program("nats-server"), "-c", config])

    def start_writer(self, number: int) -> None:
        """Start one of the writers."""
        config = str(self.programs.folder / f"writer-{number}.yaml")
        self.programs.start(f"writer-{number}", [_program("salt-eventsd-writer"), "-c", config])

    def run_jobs(self, count: int) -> None:
        """Run jobs on the minion."""
        for _ in range(count):
            code, said = self.sandbox.run(["salt", "*", "test.ping"], _nothing)
            if code:
                raise DemoError(f"salt '*' test.ping: {said}")
            self.jobs += 1

    def rows(self) -> tuple[int, int]:
        """Return how many jobs and returns of test.ping are in the database."""
        try:
            with self._database.connect() as connection:
                count = "SELECT count(*) FROM {} WHERE fun = 'test.ping'"
                tables = ("eventsd_jobs", "eventsd_returns")
                jobs, returns = (connection.exec_driver_sql(count.format(one)).scalar() or 0 for one in tables)
                return jobs, returns
        except sa.exc.DBAPIError:
            return 0, 0

    @property
    def new_rows(self) -> tuple[int, int]:
        """How many have come since the beginning."""
        jobs, returns = self.rows()
        return jobs - self._before[0], returns - self._before[1]

    def wait(self, otherwise: str) -> None:
        """Wait until each job and each return is in the database."""
        wanted = (self.jobs, self.jobs)
        self.sandbox.wait_for(lambda: self.new_rows >= wanted, PATIENCE_SECONDS, _nothing, otherwise)
        say(f"    {self.new_rows[0]} jobs and {self.new_rows[1]} returns are in the database")


def main() -> int:
    """Return the exit code: 0 if all is there, once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of a database; an SQLite file in the temporary folder if there is none")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="leave configuration and logs in DIR, new or empty")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with Sandbox(given.keep) as sandbox:
            folder = sandbox.folder / "central"
            folder.mkdir()
            programs = Programs(folder)
            try:
                return tell(Example(sandbox, programs, given.url or f"sqlite:///{folder / 'history.db'}"))
            except DemoError as exc:
                print(f"central: {exc}", file=sys.stderr)
                for log in sorted(folder.glob("*.log")):
                    print(f"\nThe end of {log.name}:\n{log.read_text(errors='replace')[-1500:]}", file=sys.stderr)
                print(f"\nThe end of the master's log:\n{sandbox.log_tail('master')}", file=sys.stderr)
                return 1
            finally:
                programs.stop()
    except DemoError as exc:
        print(f"central: {exc}", file=sys.stderr)
        return 1


def tell(example: Example) -> int:
    """Run all of it; return the exit code."""
    example.write_configurations()
    say("Three brokers, two writers, a master and a minion start ...")
    for number in (1, 2, 3):
        example.start_broker(number)
    for number in (1, 2):
        example.start_writer(number)
    example.sandbox.start(_nothing)
    example.run_jobs(2)
    example.wait("the first rows did not come")

    say("A writer is killed; the other goes on.")
    example.programs.kill("writer-1")
    example.run_jobs(2)
    example.wait("with one writer, rows did not come")

    say("A broker is killed; the two others go on.")
    example.programs.kill("nats-1")
    example.run_jobs(2)
    example.wait("with two brokers, rows did not come")

    say("No writer is left; the stream holds what comes.")
    example.programs.kill("writer-2")
    before = example.new_rows
    example.run_jobs(2)
    say(f"    {example.new_rows[0]} jobs are in the database, as before; {example.jobs} have run")
    stood_still = example.new_rows == before

    say("Both writers and the broker come back.")
    example.start_broker(1)
    for number in (1, 2):
        example.start_writer(number)
    example.wait("the rows of the time without writers did not come")
    found = example.new_rows
    if not stood_still or found != (example.jobs, example.jobs):
        raise DemoError(f"{example.jobs} jobs have run, and {found[0]} jobs and {found[1]} returns are there")
    say(f"\n{example.jobs} jobs, {found[0]} rows of jobs, {found[1]} rows of returns: nothing lost, nothing twice.")
    return 0


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def _nothing() -> None:
    """Nothing is shown while something takes long."""


def _program(name: str) -> str:
    folders = [str(Path(sys.executable).parent), sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
    if found := shutil.which(name, path=os.pathsep.join([*folders, "/usr/sbin", "/usr/local/sbin"])):
        return found
    raise DemoError(f"no {name}; README.rst says where it comes from")


if __name__ == "__main__":
    sys.exit(main())

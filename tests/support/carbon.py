"""
Runs Graphite's carbon-cache, from the installed program or the package index, on a loopback port, and reads back what
it has stored.

Its settings keep a point for each second, and write points to disk as soon as they come.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

import whisper

from tests.support.binaries import ServerMissing, find, hand_over
from tests.support.carbon_build import build_carbon
from tests.support.index import script
from tests.support.server import Server, free_port

_CONFIG = """\
[cache]
STORAGE_DIR = {folder}
LOCAL_DATA_DIR = {folder}/whisper
CONF_DIR = {folder}
LOG_DIR = {folder}
PID_DIR = {folder}
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {port}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle_port}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query_port}
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
CARBON_METRIC_INTERVAL = 0
WHISPER_FALLOCATE_CREATE = False
"""
_SCHEMAS = """\
[minutes]
pattern = ^minutes\\.
retentions = 60s:1d

[all]
pattern = .*
retentions = 1s:1h
"""


class CarbonCache(Server):
    """A carbon-cache; it keeps metrics below ``minutes.`` by the minute, others by the second."""

    name = "Graphite's carbon"
    # A virtual environment may be in a folder that other users may not read.
    runs_as_owner = True
    pickle_port = 0
    _built: Path | None = None

    def points(self, metric: str, since: int, seconds: float = 5) -> dict[int, float]:
        """
        Return the stored points of a metric, after waiting for them; {} if none come.

        :param metric: its path.
        :param since: leave out earlier points; in seconds since 1970 UTC.
        :param seconds: how long to wait.
        """
        path = self.folder.joinpath("whisper", *metric.split(".")).with_suffix(".wsp")
        patience = time.monotonic() + seconds
        while time.monotonic() < patience:
            if path.exists() and path.stat().st_size:
                (start, _, step), values = whisper.fetch(str(path), since - 1)
                found = {start + step * at: value for at, value in enumerate(values) if value is not None}
                if found:
                    return found
            time.sleep(0.1)
        return {}

    def metrics(self) -> set[str]:
        """Return the paths of all stored metrics."""
        root = self.folder / "whisper"
        return {".".join(path.relative_to(root).with_suffix("").parts) for path in root.rglob("*.wsp")}

    def _ask(self) -> None:
        for port in (self.port, self.pickle_port):
            socket.create_connection(("127.0.0.1", port), 1).close()

    def _find(self) -> tuple[str, str]:
        if program := find("carbon-cache", "carbon-cache.py"):
            return program, ""
        if found := script("carbon-cache.py"):
            return str(found), ""
        try:
            self._built = build_carbon()
        except RuntimeError as exc:
            missing = "the package graphite-carbon, or the wheel carbon, of PyPI"
            raise ServerMissing(self.name, "carbon-cache", f"{missing}; {exc}") from None
        return str(self._built / "bin" / "carbon-cache.py"), ""

    def _environment(self) -> dict[str, str]:
        # If protobuf is installed, its C extension refuses the code that carbon has generated for it.
        environment = {**super()._environment(), "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
        return {**environment, "PYTHONPATH": str(self._built)} if self._built else environment

    def _make(self) -> None:
        self.pickle_port = free_port()
        config = _CONFIG.format(
            folder=self.folder, port=self.port, pickle_port=self.pickle_port, query_port=free_port()
        )
        self._add("carbon.conf", config)
        self._add("storage-schemas.conf", _SCHEMAS)
        self._add("storage-aggregation.conf", "")

    def _add(self, name: str, text: str) -> None:
        path: Path = self.folder / name
        path.write_text(text, encoding="utf-8")
        hand_over(path)

    def _command(self) -> list[str]:
        folder = self.folder
        options = [f"--config={folder}/carbon.conf", f"--pidfile={folder}/pid", f"--logdir={folder}", "--nodaemon"]
        return [self._programs[0], *options, "start"]

"""
Which workers an operator has paused, in a file beside the spool: a pause outlives the engine, so that a restart of the
master in the middle of a database's maintenance writes nothing into it.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

FILE = "paused.json"


class Pauses:
    """
    The paused workers by name, each with since when, in seconds since 1970 UTC.

    :param folder: the spool's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._since = self._read()

    def since(self, worker: str) -> float:
        """
        Return since when a worker is paused; 0 if it is not.

        :param worker: its name.
        """
        return self._since.get(worker, 0.0)

    def pause(self, worker: str, moment: float) -> None:
        """
        Note that a worker is paused.

        :param worker: its name.
        :param moment: since when; a worker that is paused already stays so since then.
        :raises OSError: the file cannot be written; the worker is paused, but only as long as the engine runs.
        """
        self._since = {worker: moment, **self._since}
        self._write()

    def resume(self, worker: str) -> None:
        """
        Note that a worker is not paused.

        :param worker: its name.
        :raises OSError: the file cannot be written; the next engine will find the worker paused.
        """
        self._since = {name: since for name, since in self._since.items() if name != worker}
        self._write()

    def _read(self) -> dict[str, float]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, float])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as exc:
            log.error("eventsd: %s cannot be read, so no worker is paused: %s", self._path, exc)
            return {}

    def _write(self) -> None:
        draft = self._path.with_name(f".{FILE}")
        try:
            draft.touch(mode=0o600)
            draft.write_bytes(msgspec.json.encode(self._since))
            os.replace(draft, self._path)
        finally:
            draft.unlink(missing_ok=True)

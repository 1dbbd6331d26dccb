"""
The thread that tells the engines of the cluster's other masters that this one runs, and what it has kept.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from salt_eventsd.engine.own_events.announcer import Fire
from salt_eventsd.event.beat import BEAT_TAG, Beat, key_of, sealed
from salt_eventsd.intake.peers import BEAT_SECONDS, Peers
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: No private key is larger, in bytes.
_MOST_BYTES = 65_536


class Beating(threading.Thread):
    """
    Beats until :meth:`stop`. On a master that is in no cluster it does nothing.

    :param opts: Salt's options.
    :param peers: says what was kept, and is given the key of the cluster.
    :param fire: puts a beat on the bus.
    :param life: returns what changes when the bus is read anew, or something of it was lost; "" while nobody reads it.
    """

    def __init__(self, opts: Mapping[str, Any], peers: Peers, fire: Fire, life: Callable[[], str]) -> None:
        super().__init__(name="eventsd-beating", daemon=True)
        self._id = str(opts.get("id", ""))
        self._file = Path(str(opts.get("cluster_pki_dir") or "")) / "cluster.pem"
        self._is_needed = bool(opts.get("cluster_id")) and opts.get("__role") == "master"
        self._peers = peers
        self._fire = fire
        self._life = life
        self._failed = ""
        self._last = ("", 0)
        self._stopping = threading.Event()

    def run(self) -> None:
        """Run until stopped."""
        if not self._is_needed:
            return
        while True:
            try:
                self.beat()
                self._failed = ""
            except Exception as exc:
                text = one_line(exc)
                if text != self._failed:
                    log.warning("eventsd: the other masters cannot be told that this engine runs: %s", text)
                self._failed = text
            if self._stopping.wait(BEAT_SECONDS):
                return

    def beat(self) -> None:
        """
        Beat once, if somebody reads the bus.

        :raises OSError: the cluster's private key cannot be read.
        :raises TimeoutError: the master does not take the beat.
        """
        with self._file.open("rb") as file:
            self._peers.key = key_of(file.read(_MOST_BYTES))
        life = self._life()
        if not life:
            return
        self._last = (life, self._last[1] + 1 if self._last[0] == life else 1)
        kept_of, kept = self._peers.kept
        beat = Beat(self._id, life, self._last[1], kept if kept_of == life else 0, time.time_ns() // 1000)
        if not self._fire(sealed(beat, self._peers.key), BEAT_TAG):
            raise TimeoutError("the master does not take its beat")

    def stop(self) -> None:
        """End the thread; nobody waits for it."""
        self._stopping.set()

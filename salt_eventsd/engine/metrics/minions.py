"""
Which minions' keys a master has accepted, asked of Salt now and then.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: After so long it is asked again.
_AGAIN_SECONDS = 60.0


class Accepted:
    """
    Asks for the minions whose keys are accepted.

    :param opts: Salt's options.
    """

    def __init__(self, opts: Mapping[str, Any]) -> None:
        # A minion has no keys of others, and a master of masters none of the minions below its syndics.
        self._is_told = opts.get("__role") == "master" and not opts.get("order_masters")
        self._opts = opts
        self._due_at = 0.0
        self._complained = False
        self._latest: frozenset[str] | None = None
        self._asking: threading.Thread | None = None

    def minions(self) -> frozenset[str] | None:
        """Return their ids, as they were a minute ago or so; None if that cannot be told. This waits for no disk."""
        if self._is_told and time.monotonic() >= self._due_at and not (self._asking and self._asking.is_alive()):
            self._due_at = time.monotonic() + _AGAIN_SECONDS
            self._asking = threading.Thread(target=self._ask, name="eventsd-keys", daemon=True)
            self._asking.start()
        return self._latest

    def _ask(self) -> None:
        # It is large, and most engines have no metrics.
        import salt.key

        try:
            self._latest = frozenset(salt.key.get_key(dict(self._opts)).list_keys()["minions"])
        except Exception as exc:
            if not self._complained:
                self._complained = True
                log.warning("eventsd: metrics: the accepted keys cannot be listed: %s", one_line(exc))

"""
The thread that answers Prometheus. It follows the configuration: a reload may give it another address, or none.

If it cannot listen, the engine goes on without metrics. The status says so, and the thread tries again and again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from salt_eventsd.config.structs import MetricsConfig
from salt_eventsd.engine.metrics.http import MetricsHttp
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: How long it waits for a request before it looks at the configuration again.
_LOOK_SECONDS = 0.25
#: How long it waits after it could not listen.
_AGAIN_SECONDS = 5.0
#: How long a reload waits for it to listen at another address.
_SETTLE_SECONDS = 3.0
#: How long the end of the engine waits for the thread.
_END_SECONDS = 0.5


class MetricsServer(threading.Thread):
    """
    Answers until :meth:`stop`.

    :param wanted: returns the address as it is configured now; None for none.
    :param registry: collects the metrics.
    :param before: called each time before a request is waited for.
    :ivar problem: why it cannot listen where it should, "" if it does or need not.
    :ivar turns: changes as long as the thread does something.
    """

    def __init__(
        self,
        wanted: Callable[[], MetricsConfig | None],
        registry: CollectorRegistry,
        before: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(name="eventsd-metrics", daemon=True)
        self.problem = ""
        self.turns = 0
        self._wanted = wanted
        self._registry = registry
        self._before = before
        self._stopping = threading.Event()
        self._http: MetricsHttp | None = None
        #: What was tried last.
        self._tried: MetricsConfig | None = None
        self._again_at = 0.0

    @property
    def port(self) -> int | None:
        """Where it listens; None if it does not."""
        return self._http.server_port if self._http else None

    def run(self) -> None:
        """Answer until stopped."""
        while not self._stopping.is_set():
            self.turns += 1
            try:
                self._follow()
                self._serve()
            except Exception as exc:
                # A bug of ours, or of a library's, is no reason to end.
                self._fail(one_line(exc))
                self._stopping.wait(_LOOK_SECONDS)
        self._close()

    def settle(self) -> str:
        """Wait until it listens where it is to, and return why it does not; "" if it does, or is to listen nowhere."""
        until = time.monotonic() + _SETTLE_SECONDS
        while self._tried != self._wanted() and time.monotonic() < until and self.is_alive():
            time.sleep(_LOOK_SECONDS / 5)
        return self.problem

    def stop(self) -> None:
        """End, without waiting for whoever is being answered."""
        self._stopping.set()
        if self.is_alive():
            self.join(_END_SECONDS)

    def _follow(self) -> None:
        wanted = self._wanted()
        if wanted == self._tried and (self._http or wanted is None or time.monotonic() < self._again_at):
            return
        self._close()
        problem = ""
        if wanted is not None:
            try:
                self._http = MetricsHttp(wanted, self._registry)
                scheme = "https" if wanted.certfile else "http"
                log.info("eventsd: metrics are at %s://%s:%d/metrics", scheme, wanted.host, wanted.port)
            except (OSError, UnicodeError) as exc:
                self._again_at = time.monotonic() + _AGAIN_SECONDS
                why = getattr(exc, "strerror", None) or str(exc)
                problem = f"metrics: cannot listen at {wanted.host}, port {wanted.port}: {why}"
        self._fail(problem)
        self._tried = wanted

    def _serve(self) -> None:
        if self._http is None:
            self._stopping.wait(_LOOK_SECONDS)
            return
        self._before()
        self._http.end_slow_ones()
        self._http.timeout = _LOOK_SECONDS
        self._http.handle_request()

    def _fail(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.error("eventsd: %s; it tries again", problem)
        self.problem = problem

    def _close(self) -> None:
        if self._http is not None:
            self._http.server_close()
            self._http = None

"""
What a running engine does when a runner asks: the verbs behind :mod:`salt_eventsd.control`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from salt_eventsd.control import Answer, Control, Handler, socket_path
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.reload import reload

if TYPE_CHECKING:
    from salt_eventsd.service import Service

log = logging.getLogger(__name__)


def requests_to(service: Service) -> Handler:
    """
    Return what answers requests to a running engine.

    :param service: the engine.
    """

    def handle(request: dict[str, Any]) -> Answer:
        if request.get("verb") != "reload":
            return unknown(request)
        try:
            return {**reload(service), "retcode": 0}
        except ConfigError as exc:
            for problem in exc.problems:
                log.error("%s; the running configuration stays", problem)
            return {"reloaded": False, "problems": exc.problems, "retcode": 2}

    return handle


def unknown(request: Mapping[str, Any]) -> Answer:
    """
    Return the answer to a request nobody here understands.

    :param request: the request.
    """
    return {"problems": [f"eventsd: this engine knows no {request.get('verb')!r}"], "retcode": 2}


@contextmanager
def answering(state_file: str, handler: Handler) -> Iterator[None]:
    """
    Answer requests as long as the block runs; an engine whose socket cannot be made runs all the same.

    :param state_file: the engine's; the socket is beside it.
    :param handler: makes the answers.
    """
    path = socket_path(state_file)
    try:
        control = Control(path, handler)
    except OSError as exc:
        log.error("eventsd: state_file: %s cannot be listened at, so eventsd.reload will not work: %s", path, exc)
        yield
        return
    control.start()
    try:
        yield
    finally:
        control.stop()

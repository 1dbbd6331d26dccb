"""The options of a graphite worker, and what two workers that write to Graphite have in common of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from salt_eventsd.backends.graphite.carbon import PORTS, Carbon, Protocol
from salt_eventsd.config.checks import require, require_port
from salt_eventsd.config.servers import Timed

#: What is counted by default: events by rule, returns by function and return code.
DEFAULT_METRICS: Mapping[str, Any] = MappingProxyType(
    {"salt.events.{rule}": 1, "salt.returns.{fun}.retcode_{data.retcode}": 1}
)


class CarbonOptions(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where carbon is.

    :param host: name or address.
    :param port: by default that of the protocol.
    :param protocol: plaintext or pickle.
    """

    host: str = ""
    port: int | None = None
    protocol: Protocol = "plaintext"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_port(self.port)

    @property
    def carbon(self) -> Carbon:
        """Sends points."""
        return Carbon(self.host, self.port or PORTS[self.protocol], self.protocol, self.timeout)


class GraphiteOptions(CarbonOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a graphite worker.

    :param prefix: stands before each metric's path, with a dot between them; a template like it.
    :param interval: what counters are summed over, in seconds.
    :param metrics: path (a template) -> a field of which the number is taken, or a number that is counted up.
    """

    prefix: str = ""
    interval: int = 60
    metrics: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.host), "host: missing; expected the name or address of Graphite's carbon")
        require(1 <= self.interval <= 86_400, f"interval: expected seconds from 1 to 86400, got {self.interval}")

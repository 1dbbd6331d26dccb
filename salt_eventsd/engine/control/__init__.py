"""
Control: what runners ask of a running engine, over a unix socket beside the state file. The event bus would not do: any
minion may fire events.

- ``client`` is the runner's end, ``server`` the engine's
- ``verbs`` is the table of what an engine can be asked for; to add a verb, open it
- ``maintenance`` has workers wait, go on, and write at once
- ``orphans`` removes events for workers that are not configured, with or without an engine
"""

from salt_eventsd.engine.control.client import ask, socket_path

__all__ = ["ask", "socket_path"]

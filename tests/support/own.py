"""Makes rules with tables and statements of the user's own, and events for them."""

from __future__ import annotations

from typing import Any

import msgspec

from salt_eventsd.config.structs import EventRule
from salt_eventsd.event.chunk import OWN
from salt_eventsd.event.parse import Event, for_route
from tests.support.events import fired, returned

#: The default name of the rule.
RULE = "returns.subs.raid"


def to_table(table: str = "raid_state", name: str = RULE, **more: Any) -> dict[str, EventRule]:
    """Return one rule with a table, by its full name."""
    return {name: msgspec.convert({"table": table, **more}, EventRule)}


def by_statement(statement: str, name: str = RULE, **more: Any) -> dict[str, EventRule]:
    """Return one rule with a statement, by its full name."""
    return {name: msgspec.convert({"statement": statement, **more}, EventRule)}


def own(event: Event, rule: str = RULE) -> Event:
    """Return an event as its rule sends it to a table or statement of the user's own."""
    return for_route(event, rule, OWN)


def raid(server: str, state: Any = "ok", rule: str = RULE, **more: Any) -> Event:
    """Return a minion's return for the rule."""
    return own(returned(state, jid="1", minion_id=server, fun="wputil.check_raid", **more), rule)


def carrying(data: dict[str, Any], rule: str = RULE) -> Event:
    """Return an event of the user's own kind for the rule."""
    return own(fired("company/raid", data), rule)

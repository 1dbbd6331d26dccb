"""Where an old event went in MySQL: its template becomes a statement, or one of today's tables takes its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from salt_eventsd.operate.convert.block import Block
from salt_eventsd.operate.convert.notes import Unconvertible
from salt_eventsd.operate.convert.parameters import Parameter, parameters
from salt_eventsd.operate.convert.template import to_statement

#: Where events of a backend can go that have no template.
_BUILT_IN = {"New_Job_Worker": "jobs", "Minion_Return_Worker": "returns"}
#: With this for mysql_tab, code of the user's chose the table.
_CHOSEN_BY_CODE = "worker"


def into_sql(event: Mapping[str, Any], backend: str) -> Block:
    """
    Return the keys of a rule that say what the sql worker does with an event.

    :param event: the old event, or one of its subs.
    :param backend: the old backend's name.
    :raises Unconvertible: why there is no counterpart.
    """
    made = Block()
    table = event.get("mysql_tab")
    if table == _CHOSEN_BY_CODE:
        raise Unconvertible(
            "mysql_tab: worker means that code of yours chose the table; make a rule for each table, with minion: or "
            "fun: to tell their events apart"
        )
    template = event.get("template")
    if template is None:
        if backend not in _BUILT_IN:
            raise Unconvertible("template: missing, so nothing was written; give it a statement, or table and columns")
        into = _BUILT_IN[backend]
        made.put("into", into, f"There is no template: the events go into the table eventsd_{into}.")
        return made
    if not isinstance(template, str):
        raise Unconvertible(f"template: expected text, got {template!r}")
    fields = parameters(event, backend)
    statement = to_statement(template, None if table is None else str(table), fields)
    used = {fields[number - 1] for number in statement.used}
    sql = _undecoded(statement.sql, used)
    comments = (
        ["concat_ws(): a placeholder in the middle of a text; nothing stands there where an event has no such field."]
        if statement.joined
        else []
    )
    if any(field.quoted in sql and field.quoted != f":{field.name}" for field in used):
        comments.append("case: the words True and False, as they were; NULL where an event tells neither.")
    made.put("statement", sql, *comments)
    values = {field.name: field.expression for field in dict.fromkeys(fields) if field in used}
    if values or statement.texts:
        made.put("fields", {**values, **statement.texts}, *_said(event, used, statement.texts))
    return made


def _said(event: Mapping[str, Any], used: set[Parameter], texts: Mapping[str, str]) -> list[str]:
    comments = [f"{field.name}: JSON as it is; 0.9.3 stored it as base64 of JSON." for field in used if field.encoded]
    if event.get("dict_name") not in (None, "data"):
        comments.append(f"dict_name was {event['dict_name']}: it is looked for in the event's data.")
    if texts:
        comments.append("A text with a colon before a word is a parameter, or the word would be taken for one.")
    return comments


def _undecoded(sql: str, used: set[Parameter]) -> str:
    """The statement without the decoding of what is not encoded any more."""
    for field in used:
        if field.encoded:
            sql = re.sub(rf"\bfrom_base64\(\s*:{field.name}\s*\)", f":{field.name}", sql, flags=re.IGNORECASE)
    return sql

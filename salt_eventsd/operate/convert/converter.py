"""The whole conversion: from an old configuration to one of today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from salt_eventsd.event.frame import STATS_TAG
from salt_eventsd.operate.convert import general
from salt_eventsd.operate.convert.backends import Workers
from salt_eventsd.operate.convert.block import Block, comment, commented, rendered
from salt_eventsd.operate.convert.notes import Notes
from salt_eventsd.operate.convert.old import Old, read, read_yaml
from salt_eventsd.operate.convert.rules import Rules

_OF_STATEMENTS = (
    "Statements write into your own tables as before. Values are bound, and each event is written exactly once, for "
    "which the sql worker keeps tables of its own (eventsd_...) in that database: its user must be allowed to create "
    "them.",
    "A value that is too long for its column, or of the wrong type, is no longer cut or changed in silence: the event "
    "is set aside (salt-run eventsd.dead). Widen the column, or write left(:arg, 255).",
    "The time zone of a statement is UTC, so now() and the like are UTC.",
    "A field that an event has not got is NULL, and not the text None. Lists and mappings are JSON. True and false are "
    "1 and 0, but for success in quotes, which stays a word.",
)


@dataclass(frozen=True)
class Converted:
    """
    A converted config.

    :param text: today's config as YAML, with comments.
    :param lost: what was not converted, each with why and what to do.
    :param choices: what changes, or was chosen.
    :param dropped: what is no longer needed, each with why.
    """

    text: str
    lost: tuple[str, ...]
    choices: tuple[str, ...]
    dropped: tuple[str, ...]


def convert(text: str, name: str = "the old config") -> Converted:
    """
    Convert a config of salt-eventsd 0.9.3.

    :param text: the old config.
    :param name: where it is from, for what is said about it.
    :raises salt_eventsd.exceptions.EventsdError: it is no such config.
    """
    return convert_data(read_yaml(text, name), name)


def convert_data(data: Mapping[str, Any], name: str) -> Converted:
    """
    Convert what an old config holds.

    :param data: the old config, as YAML is read.
    :param name: where it is from.
    :raises salt_eventsd.exceptions.EventsdError: it is no such config.
    """
    old, notes = read(data, name), Notes()
    block = Block()
    block.put("engines", ["eventsd"], "If the master has engines already, add this one to their list instead.")
    block.put("eventsd", _eventsd(old, notes))
    for key in old.unknown:
        notes.lose(f"{key}: not known; 0.9.3 had no such part")
    text = "".join(
        (
            comment(f"Converted from {name}, a config of salt-eventsd 0.9.3."),
            comment(
                "Save it as /etc/salt/master.d/eventsd.conf, readable by the master's user only for the passwords in "
                "it; stop the old daemon, restart the master, and run: salt-run eventsd.check"
            ),
            commented("NOT CONVERTED:", notes.lost),
            commented("Changes and choices:", notes.choices),
            commented("No longer needed:", notes.dropped),
            "\n",
            rendered(block),
        )
    )
    return Converted(text, tuple(notes.lost), tuple(notes.choices), tuple(notes.dropped))


def _eventsd(old: Old, notes: Notes) -> Block:
    workers = Workers(old, notes)
    rules = Rules(workers, notes)
    for key, event in old.events.items():
        rules.add(key, event)
    if old.general.get("stat_worker"):
        stats = Block()
        stats.put("tag", STATS_TAG)
        stats.put("worker", workers.stats())
        rules.block.put(_free("stats", rules.block), stats)
    workers.finish()
    _tell(rules.block, notes)
    made = general.general_keys(old.general, notes)
    defaults = Block()
    if batch := general.batch(old.general, notes):
        defaults.put("batch", batch, "event_limit and dump_timer: a batch is written at whichever comes first.")
    for key, value in workers.defaults.items():
        defaults.put(key, value, *workers.defaults.comments[key])
    for key, part in (("defaults", defaults), ("workers", workers.block), ("events", rules.block)):
        if part:
            made.put(key, part)
    return made


def _tell(rules: Block, notes: Notes) -> None:
    if not rules:
        notes.choose(
            "No rule came out of it. Without any, the engine keeps jobs and returns in the SQLite file "
            "<cachedir>/eventsd/history.db."
        )
    if any("statement" in one for rule in rules.values() for one in (rule, *rule.get("subs", {}).values())):
        for text in _OF_STATEMENTS:
            notes.choose(text)


def _free(name: str, block: Block) -> str:
    while name in block:
        name = f"{name}_"
    return name

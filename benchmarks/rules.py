"""Measures how much more a hundred rules cost than one, by matching events alone."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from benchmarks import fire
from benchmarks.carry import Figures
from benchmarks.stages import WORKER, Stopwatch
from salt_eventsd.config.structs import EventRule
from salt_eventsd.event import parse as events
from salt_eventsd.event.codec import decode
from salt_eventsd.event.frame import read_tag
from salt_eventsd.rules.compile import compile_rules

RETURNS = r"salt/job/\d+/ret/"
MANY = 99


def matching(count: int) -> list[Figures]:
    """
    Time the matching of returns with one rule, and with 99 more of several kinds.

    :param count: how many returns.
    """
    frames = [read_tag(fire.unframed(one), 0.0) for one in fire.returns(count)]
    known = [(frame, decode(frame.payload)) for frame in frames]
    watch = Stopwatch()
    for kind, more in _kinds().items():
        rules = compile_rules({"returns": EventRule(tag=RETURNS, worker=WORKER, into="returns"), **more})
        with watch.time(f"match: {kind}", count):
            for frame, data in known:
                fun = events.function_of(data)
                rules.candidates(frame.tag, frame.full_tag).routes(frame.tag, fun, data)
    one = watch.rows[0]["CPU us/event"]
    for row in watch.rows[1:]:
        row["us more than one"] = row["CPU us/event"] - one
    return watch.rows


def _kinds() -> Mapping[str, Mapping[str, EventRule]]:
    def rules(**patterns: str) -> dict[str, EventRule]:
        return {
            f"r{n}": msgspec.convert(
                {"worker": [WORKER], "into": "events", **{key: text.format(n) for key, text in patterns.items()}},
                EventRule,
            )
            for n in range(MANY)
        }

    return {
        "1 rule": {},
        "100 rules by tag": rules(tag="company/app{}/"),
        "100 rules by tag, alike but for the minion": rules(tag=RETURNS + "db{}"),
        "100 rules by function": rules(tag=RETURNS, fun="mod{}\\.x"),
        "100 rules by minion": rules(tag=RETURNS, minion="db{}*"),
        "100 rules by field": {
            f"r{n}": EventRule(tag=RETURNS, where={"data.retcode": n + 1}, worker=WORKER, into="events")
            for n in range(MANY)
        },
    }

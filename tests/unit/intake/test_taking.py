"""Frames are taken by the rules of one moment, whatever is reloaded meanwhile."""

from __future__ import annotations

from collections import Counter

import msgpack
import pytest

from salt_eventsd.config.structs import BatchLimits, EventRule
from salt_eventsd.event.codec import decode_as_texts
from salt_eventsd.event.frame import TAG_END
from salt_eventsd.intake import usual as usual_module
from salt_eventsd.intake import withheld
from salt_eventsd.intake.glance import glance
from salt_eventsd.intake.heard import Heard
from salt_eventsd.intake.origin import Origins
from salt_eventsd.intake.peers import Peers
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.taking import Policy, Taking
from salt_eventsd.redact import compile_redactor
from salt_eventsd.redact.text import MASK
from salt_eventsd.rules.compile import compile_rules
from tests.support.events import RECEIVED
from tests.unit.intake.test_familiar import usual


def _policy(worker: str) -> Policy:
    rules = compile_rules({"returns": EventRule(tag=r"salt/job/\d+/ret/", worker=worker)})
    pipeline = Pipeline(rules, compile_redactor((), (), {}), Origins(places=frozenset((worker,))))
    return Policy(pipeline, {worker: BatchLimits()})


@pytest.mark.parametrize("asked", range(1, 8))
def test_a_reload_in_the_midst_of_a_lot_loses_nothing(asked: int) -> None:
    # Given: the worker has another name from some moment on
    old, new = _policy("old"), _policy("new")
    times = iter(range(10_000))
    taking = Taking(lambda: old if next(times) < asked else new, Heard(lambda _: False), Peers())

    # When
    for _ in range(3):
        taking.lot([(usual(id=f"web{number}"), RECEIVED) for number in range(6)], old.pipeline.redactor)

    # Then
    kept = Counter[str]()
    for chunk in taking.stage.take():
        kept[chunk.lane] += chunk.events
    assert kept.total() == taking.matched == 18
    assert set(kept) <= {"old", "new"}
    assert taking.left_out == 0


@pytest.mark.parametrize("size", [100, 6000], ids=["small", "large"])
def test_a_pattern_that_takes_too_long_is_told_once_for_a_frame(size: int) -> None:
    # Given: one that tries very many ways
    rules = compile_rules({"slow": EventRule(tag=r"my/(a|a|b?a)*(a*)*(\w|a)*c", worker="old")})
    pipeline = Pipeline(rules, compile_redactor((), (), {}), Origins(places=frozenset(("old",))))
    policy = Policy(pipeline, {"old": BatchLimits()})
    taking = Taking(lambda: policy, Heard(lambda _: False), Peers())
    raw = b"my/" + b"a" * 3000 + b"!" + TAG_END + msgpack.packb({"x": "y" * size})

    # When
    for frames, cleared_by in glance([(raw, RECEIVED)], lambda: pipeline.redactor, pipeline.may_take):
        taking.lot(frames, cleared_by)

    # Then
    assert rules.undecided.events == {"slow": 1}


def test_a_return_in_which_a_pattern_of_the_user_s_finds_something_is_decoded_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given
    decoded = list[bytes]()
    for place in (usual_module, withheld):
        monkeypatch.setattr(place, "decode_as_texts", lambda raw: [decoded.append(raw), decode_as_texts(raw)][1])
    rules = compile_rules({"returns": EventRule(tag=r"salt/job/\d+/ret/", worker="old")})
    redactor = compile_redactor((), ("CARD-[0-9]+",), {})
    policy = Policy(Pipeline(rules, redactor, Origins(places=frozenset(("old",)))), {"old": BatchLimits()})
    taking = Taking(lambda: policy, Heard(lambda _: False), Peers())
    raw = usual(**{"return": {"paid": "CARD-123"}})

    # When
    taking.lot([(raw, RECEIVED)], redactor)

    # Then
    (chunk,) = taking.stage.take()
    assert (b"CARD-123" in chunk.payload, MASK.encode() in chunk.payload) == (False, True)
    assert len(decoded) == 1

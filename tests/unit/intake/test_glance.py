"""The first look for secrets at many frames at once: who it clears, and who may rely on it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from salt_eventsd.config.structs import default_events
from salt_eventsd.intake.glance import Frames, glance
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.redact import Redactor, compile_redactor
from salt_eventsd.rules.compile import compile_rules
from tests.support.events import frame, return_data

REDACTOR = compile_redactor((), (), {})


def frames(*returned: str) -> list[tuple[bytes, float]]:
    return [
        (frame(f"salt/job/{number}/ret/m", return_data(value, jid=str(number))), float(number))
        for number, value in enumerate(returned)
    ]


class Counting:
    """A redactor that counts how often it is asked, and for how much."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def suspects(self, raws: Sequence[bytes]) -> frozenset[int]:
        self.asked.append(sum(map(len, raws)))
        return REDACTOR.suspects(raws)


def wanted(raw: bytes) -> bool:
    """Whether it is the return of a job, as :func:`frames` makes them."""
    return raw.startswith(b"salt/job/")


def cleared(some: Frames, redactor: Redactor = REDACTOR) -> list[bool]:
    """Return which frames are cleared, having seen that all of them come, in their order."""
    found = list(glance(some, lambda: redactor, wanted))
    assert [one for glanced in found for one in glanced.frames] == list(some)
    return [glanced.cleared_by is redactor for glanced in found for _ in glanced.frames]


def test_all_frames_come_in_their_order_and_only_those_with_nothing_in_them_are_cleared() -> None:
    large = "x" * 5000
    assert cleared(frames("up", "password=hunter2", large, "down", f"token: abcdefgh {large}", large)) == [
        True,
        False,
        True,
        True,
        False,
        True,
    ]
    assert cleared(frames("token: abcdefgh", "up")) == [False, True]
    assert cleared([]) == []


def test_large_frames_that_no_rule_takes_and_very_large_ones_are_not_looked_at() -> None:
    counting = Counting()
    unwanted = (frame("backup/done", {"list": "x" * 50_000}), 0.0)

    found = list(glance([*frames("up", "x" * 1_000_000), unwanted], lambda: counting, wanted))

    assert [one.cleared_by is counting for one in found for _ in one.frames] == [True, False, False]
    assert sum(counting.asked) < 1000


def test_many_frames_are_looked_at_in_few_looks() -> None:
    counting = Counting()

    list(glance(frames(*["up"] * 1000), lambda: counting, wanted))
    assert len(counting.asked) < 12
    assert max(counting.asked) < 40_000

    counting.asked.clear()
    list(glance(frames(*["x" * 100_000, "up"] * 50), lambda: counting, wanted))
    assert len(counting.asked) < 12
    assert max(counting.asked) < 1_000_000


def test_a_look_that_fails_clears_nobody() -> None:
    class Broken:
        def suspects(self, raws: Sequence[bytes]) -> frozenset[int]:
            raise KeyError(len(raws))

    assert cleared(frames("up", "down"), Broken()) == [False, False]


PADDING = pytest.mark.parametrize("padding", ["", "x" * 50_000], ids=["small", "large"])


def kept(redactor: Redactor, cleared_by: Redactor, padding: str) -> bytes:
    """Return what a pipeline makes of a frame that a redactor has cleared."""
    pipeline = Pipeline(compile_rules(default_events(["history"])), redactor)
    [(_, event)] = pipeline.take(*frames(f"mine=hunter2 {padding}")[0], cleared_by=cleared_by).destinations
    return event.json()


@PADDING
def test_what_another_redactor_has_cleared_is_looked_at_again(padding: str) -> None:
    after_reload = compile_redactor(["mine"], (), {})

    assert b"hunter2" in kept(REDACTOR, REDACTOR, padding)
    assert b"hunter2" not in kept(after_reload, REDACTOR, padding)


@PADDING
def test_what_is_dropped_of_a_function_is_dropped_of_cleared_frames_too(padding: str) -> None:
    drops = compile_redactor((), (), {"*": "return"})

    assert b"hunter2" not in kept(drops, drops, padding)


@pytest.mark.parametrize("tag", ["salt/job/20260102030405678901/ret/m", "syndic/a/backup/done", "", "backup/done"])
def test_a_large_frame_is_wanted_if_a_rule_may_take_its_tag(tag: str) -> None:
    rules = compile_rules({"returns": default_events(["history"])["returns"]})
    raw = frame(tag, {"return": "x" * 50_000}) if tag else b"no frame at all"

    assert Pipeline(rules, REDACTOR).may_take(raw) is tag.startswith("salt/job/")

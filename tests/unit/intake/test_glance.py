"""The first look for secrets at many frames at once: who it clears, and who may rely on it."""

from __future__ import annotations

from collections.abc import Sequence

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


def cleared(some: Frames, redactor: Redactor = REDACTOR) -> list[bool]:
    """Return which frames are cleared, having seen that all of them come, in their order."""
    found = list(glance(some, lambda: redactor))
    assert [one for glanced in found for one in glanced.frames] == list(some)
    return [glanced.cleared_by is redactor for glanced in found for _ in glanced.frames]


def test_all_frames_come_in_their_order_and_only_those_with_nothing_in_them_are_cleared() -> None:
    assert cleared(frames("up", "password=hunter2", "x" * 5000, "down", "token: abcdefgh")) == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert cleared(frames("token: abcdefgh", "up")) == [False, True]
    assert cleared([]) == []


def test_many_small_frames_are_looked_at_in_few_looks_and_large_ones_are_left_to_those_who_want_them() -> None:
    counting = Counting()

    list(glance(frames(*["up"] * 1000, "x" * 1_000_000), lambda: counting))

    assert len(counting.asked) < 12
    assert max(counting.asked) < 40_000


def test_a_look_that_fails_clears_nobody() -> None:
    class Broken:
        def suspects(self, raws: Sequence[bytes]) -> frozenset[int]:
            raise KeyError(len(raws))

    assert cleared(frames("up", "down"), Broken()) == [False, False]


def kept(redactor: Redactor, cleared_by: Redactor) -> bytes:
    """Return what a pipeline makes of a frame that a redactor has cleared."""
    pipeline = Pipeline(compile_rules(default_events(["history"])), redactor)
    [(_, event)] = pipeline.take(*frames("mine=hunter2")[0], cleared_by=cleared_by).destinations
    return event.json()


def test_what_another_redactor_has_cleared_is_looked_at_again() -> None:
    after_reload = compile_redactor(["mine"], (), {})

    assert b"hunter2" in kept(REDACTOR, REDACTOR)
    assert b"hunter2" not in kept(after_reload, REDACTOR)


def test_what_is_dropped_of_a_function_is_dropped_of_cleared_frames_too() -> None:
    drops = compile_redactor((), (), {"*": "return"})

    assert b"hunter2" not in kept(drops, drops)

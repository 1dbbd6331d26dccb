"""What is limited in time ends when its time is over, and an event that is goes without what is in it."""

from __future__ import annotations

import time

import pytest

from salt_eventsd.common.budget import OutOfTime, limited, passed, step
from salt_eventsd.config.load import load
from salt_eventsd.intake.pipeline import pipeline_of
from salt_eventsd.operate.tap import Explainer
from tests.support.events import JID, MINION, frame, return_data
from tests.support.growth import cpu_seconds


def work(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        step()


def test_a_loop_is_ended_when_its_time_is_over() -> None:
    with pytest.raises(OutOfTime), limited(0.02):
        work(1.0)


def test_what_took_long_in_one_piece_ends_at_the_next_look() -> None:
    with pytest.raises(OutOfTime), limited(0.0):
        passed()


def test_nothing_is_limited_outside_of_the_block() -> None:
    with limited(0.0):
        pass
    work(0.02)
    passed()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("password=abc lorem ipsum\n" * 400_000, id="a text with a secret in each line"),
        pytest.param([{"password": "x"}] * 60_000, id="a secret in each mapping"),
        pytest.param("a://b:c@d/ " * 900_000, id="addresses"),
        pytest.param({str(n): "x password: y " * 400 for n in range(2000)}, id="many texts"),
    ],
)
def test_an_event_that_takes_too_long_goes_without_what_is_in_it(value: object) -> None:
    # Given
    explainer = Explainer(load({}))
    raw = frame(f"salt/job/{JID}/ret/{MINION}", return_data(value, fun="cmd.run"))
    seen = []

    # When
    seconds = cpu_seconds(lambda raw: seen.append(explainer.explain(raw, 1.0)), raw)

    # Then: far from what it would take, on any machine
    assert seconds < 2.0
    returned = seen[0]["data"]["return"]
    if isinstance(returned, dict) and "eventsd_withheld" in returned:
        assert (seen[0]["fun"], seen[0]["jid"], seen[0]["minion_id"]) == ("cmd.run", JID, MINION)
        assert (returned["bytes"], len(returned["sha256"])) == (len(raw.partition(b"\n\n")[2]), 64)


def test_sixty_megabytes_of_plain_text_are_kept_whole() -> None:
    text = "The quick brown fox jumps over the lazy dog.\n" * (60 * 2**20 // 45)

    seen = Explainer(load({})).explain(frame(f"salt/job/{JID}/ret/{MINION}", return_data(text, fun="cmd.run")), 1.0)

    assert seen["data"]["return"] == text


def test_a_redactor_says_that_it_goes_on() -> None:
    redactor = pipeline_of(load({})).redactor

    with pytest.raises(OutOfTime), limited(0.01):
        redactor.apply({"return": "password=abc lorem ipsum\n" * 10_000}, "cmd.run")

"""Numbers in sentences."""

from __future__ import annotations

import pytest

from salt_eventsd.common.english import counted


@pytest.mark.parametrize(
    ("number", "noun", "verb", "said"),
    [
        pytest.param(1, "event", "", "1 event", id="one"),
        pytest.param(2, "event", "", "2 events", id="two"),
        pytest.param(0, "event", "is", "0 events are", id="none"),
        pytest.param(1, "refused event", "was", "1 refused event was", id="one, with a verb"),
        pytest.param(3, "event", "waits", "3 events wait", id="three, with a verb"),
    ],
)
def test_a_number_its_noun_and_its_verb_fit(number: int, noun: str, verb: str, said: str) -> None:
    assert counted(number, noun, verb) == said

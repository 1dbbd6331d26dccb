"""The id of a minion as it is kept, as it is asked for, and as the minion spells it."""

from __future__ import annotations

import pytest

from salt_eventsd.event.clip import meant, named, spelled
from salt_eventsd.operate.tap import Filter


@pytest.mark.parametrize("name", ["web1", "web1 ", "web1   ", "", " ", "web 1", "x...sha256:", "é "])
def test_an_id_is_found_by_either_name(name: str) -> None:
    assert meant(name) == meant(named(name)) == named(name)
    assert spelled(named(name)) == spelled(name) == name


@pytest.mark.parametrize("glob", ["web* ", "web? ", "[ab] ", "*"])
def test_a_glob_stays_a_glob(glob: str) -> None:
    assert meant(glob) == glob


def test_a_hash_of_something_else_stays_as_it_is() -> None:
    other = "web1...sha256:" + "0" * 32
    assert spelled(other) == other


def test_events_of_a_minion_whose_id_ends_in_a_blank_are_shown() -> None:
    seen = {"tag": "t", "fun": "f", "minion_id": named("web1 "), "taken": []}
    shown = {name: Filter(minion=name).shows(seen) for name in ("web1 ", named("web1 "), "web1*", "web1", None)}
    assert shown == {"web1 ": True, named("web1 "): True, "web1*": True, "web1": False, None: True}

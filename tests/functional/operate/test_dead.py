"""What the verbs say that put dead letters back, or delete them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from _runners import eventsd as runner
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.keep import Spool
from tests.support.events import numbered
from tests.support.lanes import chunk


@pytest.fixture
def letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of three dead letters of an engine that does not run."""
    folder = tmp_path / "spool"
    spool = Spool(folder, 2**30)
    spool.begin()
    events = numbered(3)
    (kept,) = spool.put([chunk(events)])
    spool.burials.note("history", [kept.id], [Burial(kept.id, at, event, "bad") for at, event in enumerate(events)])
    spool.settle([kept.id])
    spool.close()
    opts: dict[str, Any] = {
        "cachedir": str(tmp_path),
        "fun": "",
        "eventsd": {
            "workers": {"history": {"url": f"sqlite:///{tmp_path}/history.db"}},
            "spool": {"dir": str(folder)},
        },
    }
    monkeypatch.setattr(runner, "__opts__", opts, raising=False)
    monkeypatch.setattr(runner, "__context__", {}, raising=False)
    return [one["id"] for one in runner.dead()["letters"]]


def test_ids_of_no_letter_are_named_and_the_others_are_put_back(letters: list[int]) -> None:
    first, second, third = letters

    assert runner.requeue(first, 98, "99") == {"requeued": 1, "unknown": [98, 99], "retcode": 1}
    assert runner.requeue(first) == {"requeued": 0, "unknown": [first], "retcode": 1}
    assert runner.discard(first, second) == {"discarded": 1, "unknown": [first], "retcode": 1}
    assert runner.requeue(third, worker="graphs") == {"requeued": 0, "unknown": [third], "retcode": 1}
    assert runner.requeue(worker="history") == {"requeued": 1, "retcode": 0}
    assert runner.requeue(everything=True) == {"requeued": 0, "retcode": 0}

"""The collector looks rarely, and never at what was there before."""

from __future__ import annotations

import gc

from salt_eventsd.common.heap import collect_rarely


def test_the_collector_looks_rarely_and_at_what_is_new() -> None:
    before = gc.get_threshold()
    try:
        collect_rarely()

        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[0] > 10_000
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)

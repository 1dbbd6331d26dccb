"""
The engine is killed at any point under load: nothing is doubled, and no more is missing than it can have had in memory.

Twelve kills by default; ``EVENTSD_KILLS=200`` for the full run.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.support.kinds import MARIADB, POSTGRESQL, SQLITE
from tests.support.rig import Rig

KILLS = int(os.environ.get("EVENTSD_KILLS", "12"))
#: A life lasts from "hardly connected" to "in the middle of many batches".
LIFE_SECONDS = (0.0, 1.2)


@pytest.mark.timeout(120 + 8 * KILLS)
@pytest.mark.parametrize("target", [SQLITE, POSTGRESQL, MARIADB], indirect=True)
def test_nothing_is_doubled_and_only_what_was_in_memory_is_lost(rig: Rig) -> None:
    # Given
    stream = rig.stream(per_second=600)
    draw = random.Random(KILLS)

    # When
    with stream.firing():
        for _ in range(KILLS):
            time.sleep(draw.uniform(*LIFE_SECONDS))
            rig.engine.kill()
            rig.engine.start()

    # Then
    rig.lives(60)
    missing = rig.conserved(stream)
    print(
        f"{KILLS} kills, {len(stream.moments)} events fired, {missing} missing while no engine could keep them;"
        f" the oldest that died with an engine was fired {rig.oldest_lost(stream):.2f} s before"
    )
    assert rig.engine.report()["bus"]["lost"] == 0

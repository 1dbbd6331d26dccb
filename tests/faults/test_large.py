"""Events as large as they come, over the bus: they are kept, and so is what comes with them."""

from __future__ import annotations

import pytest

from tests.support.kinds import SQLITE
from tests.support.rig import Rig

_LARGE = "x" * (60 * 2**20)


@pytest.mark.parametrize("target", [SQLITE], indirect=True)
def test_a_return_of_60_mb_takes_no_other_with_it(rig: Rig) -> None:
    # Given
    stream = rig.stream()

    # When
    stream.burst(20)
    stream.burst(1, **{"return": _LARGE})
    stream.burst(20)

    # Then
    rig.lives(60)
    assert rig.conserved(stream) == 0
    assert rig.engine.report()["bus"]["lost"] == 0
    [row] = rig.history.rows("SELECT length(r.return) AS size FROM eventsd_returns r ORDER BY size DESC LIMIT 1")
    assert row["size"] >= len(_LARGE)

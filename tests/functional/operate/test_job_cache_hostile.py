"""The job cache with minions that return what they like, and with a doorstep that is in a bad state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.events import return_data
from tests.support.job_cache import JobCache, master_opts

JID = "20260102030405678901"


@pytest.fixture
def cache(tmp_path: Path) -> JobCache:
    """A job cache whose database nobody has made yet."""
    url = f"sqlite:///{tmp_path / 'history.db'}"
    return JobCache(master_opts(tmp_path, workers={"history": {"module": "sql", "url": url}}))


@pytest.mark.parametrize(
    ("jid", "more"),
    [
        (JID, {"arg": 5}),
        (JID, {"kwargs": 5}),
        (JID, {"kwargs": ["metadata"]}),
        (JID, {"user": None}),
        ("20269902030405678901", {}),
        ("x" * 20, {}),
    ],
)
def test_no_return_ends_the_list_of_jobs(cache: JobCache, jid: str, more: dict[str, Any]) -> None:
    # Given
    good = cache.publish(["web1"])

    # When
    cache.store(return_data(1, jid=jid, id="web1", **more))

    # Then
    assert set(cache.get_jids()) == {good, jid}
    assert {one["JID"] for one in cache.get_jids_filter(5)} == {good, jid}
    assert cache.get_load(jid)["id"] == "web1"

"""How long rows are kept, as the configuration says it, and when a purge comes by itself."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from salt_eventsd.database.engines import OptionError, SqlOptions, make_engine, read_options
from salt_eventsd.database.retention.keep import Keep, limits
from salt_eventsd.database.retention.nightly import Nightly

URL = "sqlite:////srv/history.db"
KNOWN = "known are events, failed, jobs, returns, states, stats"
NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("keep", "key", "what"),
    [
        ({"returns": 90}, "keep.returns", "expected text | null, got number"),
        ({"returns": "90"}, "keep.returns", "expected a time like 12h, 30d or 1y, or forever, got '90'"),
        ({"failed": "0d"}, "keep.failed", "expected a time like 12h, 30d or 1y, or forever, got '0d'"),
        ({"minions": "1d"}, "keep.minions", f"unknown key; {KNOWN}"),
        ({"faild": "1d"}, "keep.faild", f"unknown key; {KNOWN}; did you mean 'failed'?"),
        ("90d", "keep", "expected mapping | null, got text"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(keep: object, key: str, what: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_options({"url": URL, "keep": keep})

    assert (caught.value.key, str(caught.value)) == (key, what)


def test_by_default_everything_stays() -> None:
    assert read_options({"url": URL}).keep is None
    assert not Keep().ends
    assert not Keep(returns="forever").ends
    assert Keep(events="1d").ends
    assert limits(Keep(), NOW).any_return is None


def test_what_is_not_said_is_kept_like_returns() -> None:
    found = limits(Keep(returns="90d"), NOW)

    before = NOW - timedelta(days=90)
    assert (found.returns, found.failed, found.states, found.jobs) == (before,) * 4
    assert (found.events, found.stats, found.strips) == (None, None, False)


def test_states_go_by_themselves_only_where_they_are_kept_for_less_time() -> None:
    lengths = ["1d", "90d", "1y", "forever"]

    assert [limits(Keep(returns="90d", states=one), NOW).strips for one in lengths] == [True, False, False, False]
    assert limits(Keep(states="90d"), NOW).strips


def test_a_time_before_the_calendar_is_the_earliest_there_is() -> None:
    assert limits(Keep(returns="99999y"), NOW).returns == datetime(1970, 1, 1, tzinfo=timezone.utc)


class TestTheNight:
    """When a purge comes by itself."""

    @pytest.fixture
    def nightly(self, tmp_path: Path) -> Nightly:
        """One that may run."""
        return Nightly(make_engine(SqlOptions(url=f"sqlite:///{tmp_path}/history.db")), Keep(returns="1d"), "m history")

    def test_it_lies_between_1_and_5_at_the_same_time_each_day(self, nightly: Nightly) -> None:
        first = datetime(2026, 11, 26, 12) + timedelta(seconds=nightly.seconds_until(datetime(2026, 11, 26, 12)))

        assert first.date() == datetime(2026, 11, 27).date()
        assert 1 <= first.hour < 5
        assert nightly.seconds_until(first) == 86_400
        assert nightly.seconds_until(first - timedelta(seconds=5)) == 5

    def test_engines_have_times_of_their_own(self, tmp_path: Path) -> None:
        engine = make_engine(SqlOptions(url=f"sqlite:///{tmp_path}/history.db"))
        noon = datetime(2026, 11, 26, 12)

        times = {Nightly(engine, Keep(), f"master-{n} history").seconds_until(noon) for n in range(50)}
        assert len(times) > 45

    def test_it_runs_once_and_ends_when_it_is_stopped(self, nightly: Nightly) -> None:
        def running() -> int:
            return sum(one.name == "eventsd-purge" for one in threading.enumerate())

        before = running()
        nightly.start()
        nightly.start()
        assert running() == before + 1

        nightly.stop()
        for one in threading.enumerate():
            if one.name == "eventsd-purge":
                one.join(10)
        assert running() == before
        nightly.start()
        assert running() == before

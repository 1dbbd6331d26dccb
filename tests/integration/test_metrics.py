"""Metrics of a real master: what real minions return is counted as salt-exporter's users know it."""

from __future__ import annotations

from pytestshellutils.utils import ports

from tests.integration.conftest import StartMaster
from tests.support.nodes import minion_config
from tests.support.salt import wait_until
from tests.support.scraped import scraped

SLS = "well:\n  test.succeed_without_changes: []\n"


def test_jobs_of_a_real_minion_are_counted(start_master: StartMaster) -> None:
    port = int(ports.get_unused_localhost_port())
    with start_master("measured", eventsd={"metrics": {"port": port}}) as master:
        value = scraped(port)
        minion = master.daemon.salt_minion_daemon("minion-of-measured", overrides=minion_config())
        with minion.started(), master.daemon.state_tree.base.temp_file("web.sls", SLS):
            # When
            master.salt(minion, "test.ping")
            master.salt(minion, "test.exception", "on purpose")
            master.salt(minion, "state.apply", "web", test=True)
            wait_until(
                lambda: value("salt_function_responses_total", function="state.apply", state="web", success="true"),
                "return of a test run",
                60,
            )
            assert value("salt_function_status", function="state.apply", state="web", minion=minion.id) is None
            master.salt(minion, "state.apply", "web")

            # Then
            wait_until(
                lambda: value("salt_function_status", function="state.apply", state="web", minion=minion.id) == 1,
                "status of a run of states",
                60,
            )
        assert value("salt_new_job_total", function="test.ping", state="") == 1
        assert value("salt_expected_responses_total", function="test.ping", state="") == 1
        assert value("salt_function_responses_total", function="test.exception", state="", success="false") == 1
        assert (value("salt_responses_total", minion=minion.id, success="true") or 0) >= 3
        assert value("salt_job_duration_seconds", function="state.apply", state="web") is not None
        assert (value("salt_responses_last_received_response", minion=minion.id) or 0) > 1_700_000_000
        # The keys are asked for once a minute.
        wait_until(lambda: value("salt_health_minions_total") == 1, "accepted key", 90)
        assert (value("salt_eventsd_events_received_total") or 0) > 0

"""What leans on Salt most besides the bus, on each Salt: the job cache, metrics, events of the engine's own."""

from __future__ import annotations

import pytest
import salt.utils.event
from pytestshellutils.utils import ports

from tests.integration.conftest import StartMaster
from tests.support.nodes import minion_config
from tests.support.salt import wait_until
from tests.support.scraped import scraped


@pytest.mark.smoke
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_job_is_in_the_job_cache_and_in_metrics_and_a_reload_is_told(start_master: StartMaster) -> None:
    # Given
    port = int(ports.get_unused_localhost_port())
    options = {"master_job_cache": "eventsd", "eventsd": {"metrics": {"port": port}}}
    with start_master("each", **options) as master:
        minion = master.daemon.salt_minion_daemon("minion-of-each", overrides=minion_config())
        with minion.started():
            # When
            with salt.utils.event.get_event("master", opts=dict(master.daemon.config), listen=True) as bus:
                assert master.run("eventsd.reload").returncode == 0
                told = bus.get_event(wait=60, tag="salt/eventsd/reload")
            answer = master.salt(minion, "test.echo", "hello")

            # Then
            assert told["workers"] == ["history"]
            assert answer.data == "hello"
            jobs = master.run("jobs.list_jobs").data
            [jid] = [jid for jid, job in jobs.items() if job["Function"] == "test.echo"]
            assert master.run("jobs.lookup_jid", jid).data == {minion.id: "hello"}
            job = master.run("jobs.list_job", jid).data
            assert (job["Minions"], job["Arguments"], job["Result"][minion.id]["return"]) == (
                [minion.id],
                ["hello"],
                "hello",
            )
            master.history.wait_for(1, "eventsd_returns", "jid = :jid", jid=jid)
            master.history.wait_for(1, "eventsd_jobs", "jid = :jid", jid=jid)
            value = scraped(port)
            wait_until(
                lambda: value("salt_function_responses_total", function="test.echo", state="", success="true") == 1,
                "return in the metrics",
                60,
            )

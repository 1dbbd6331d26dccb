"""Answers as a person reads them."""

from __future__ import annotations

from typing import Any

import pytest

from salt_eventsd.operate.answer_page import page

_MANY = [f"index {number} of eventsd_returns" for number in range(9)]


def test_a_long_fact_goes_on_in_the_next_line() -> None:
    engine = "switched on, running; on disk is another configuration: it takes salt-run eventsd.reload"

    assert page({"engine": engine, "config": "right", "retcode": 0}, 60) == (
        "engine  switched on, running; on disk is another\n"
        "        configuration: it takes salt-run eventsd.reload\n"
        "config  right"
    )


@pytest.mark.parametrize("text", ["x" * 10_000_000, "a minion, " * 1_000_000], ids=["word", "words"])
def test_a_fact_without_end_is_cut_off(text: str) -> None:
    lines = page({"engine": text, "retcode": 0}, 60).splitlines()

    assert len(lines) <= 8
    assert max(map(len, lines)) <= 60
    assert lines[-1].endswith("...")


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        pytest.param({"dry_run": False, "replayed": [{"rows": 1}]}, "replayed:\nROWS\n1", id="not dry is not said"),
        pytest.param({"groups": [], "letters": 0}, "no dead letters", id="no groups"),
        pytest.param({"dropped": {}}, "no events wait for workers or rules that are not configured", id="no orphans"),
        pytest.param({"dropped": {"graphs": 3}}, "dropped:\n  graphs  3", id="orphans"),
        pytest.param({"written": {"history": 2}, "waiting": {}}, "written:\n  history  2", id="flush"),
        pytest.param(
            {
                "repair": [
                    {"why": "asked for", "read": {"jobs": 1, "returns": 2}},
                    {"why": "it was stopped", "read": {}},
                ]
            },
            "why   asked for\nread  jobs: 1, returns: 2\n\nwhy  it was stopped",
            id="mappings in a list",
        ),
        pytest.param(
            {"schema": [{"worker": "history", "missing": _MANY, "tables": [{"table": "eventsd_jobs", "bytes": 5}]}]},
            "worker  history\n\nmissing:\n  "
            + "\n  ".join(_MANY)
            + "\n\ntables:\nTABLE         BYTES\neventsd_jobs  5",
            id="lists in a list",
        ),
    ],
)
def test_an_answer_is_facts_and_tables(found: dict[str, Any], shown: str) -> None:
    assert page({**found, "retcode": 0}, 80) == shown

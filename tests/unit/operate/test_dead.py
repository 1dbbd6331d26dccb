"""Dead letters as an operator sees them: with rule and table, and in groups of one reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salt_eventsd.config.load import load
from salt_eventsd.config.structs import Config
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.dead import dead
from salt_eventsd.spool import letter_groups
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.keep import Spool
from salt_eventsd.spool.letter_groups import OTHERS, reason_of
from tests.support.events import numbered
from tests.support.lanes import chunk

OWN = {"tag": "salt/job/", "worker": "history", "table": "raid_state", "columns": {"server": "data.id"}}
STATED = {"tag": "salt/job/", "worker": "history", "statement": "INSERT INTO t VALUES (:a)", "fields": {"a": "data.id"}}


@pytest.fixture
def config(spool: Spool) -> Config:
    """A configuration with rules for built-in tables, and for some of a user's own."""
    events = {
        "returns": {"tag": "salt/job/", "worker": "history", "into": "returns", "subs": {"raid": OWN}},
        "mail": STATED,
    }
    return load(
        {
            "eventsd": {
                "workers": {"history": {"url": "sqlite:////x"}},
                "events": events,
                "spool": {"dir": str(spool.folder)},
            }
        }
    )


def bury(spool: Spool, events: Sequence[Event], errors: Sequence[str], rule: str, into: str) -> None:
    """Bury events, each with its error."""
    events = [msgspec.structs.replace(event, rule=rule, into=into) for event in events]
    (kept,) = spool.put([chunk(events, "history")])
    graves = [Burial(kept.id, at, event, errors[at % len(errors)]) for at, event in enumerate(events)]
    spool.burials.note("history", [kept.id], graves)
    spool.settle([kept.id])


@pytest.mark.parametrize(
    ("rule", "into", "table"),
    [
        pytest.param("returns", "returns", "returns", id="built-in"),
        pytest.param("returns.subs.raid", "own", "raid_state", id="own-table"),
        pytest.param("mail", "own", "a statement of the rule", id="statement"),
        pytest.param("gone", "own", "its rule is no longer under events", id="gone"),
    ],
)
def test_a_letter_says_which_rule_and_table_it_was_for(
    spool: Spool, config: Config, rule: str, into: str, table: str
) -> None:
    bury(spool, numbered(1), ["too long"], rule, into)

    [letter] = dead(config)["letters"]
    [group] = dead(config, by="error")["groups"]

    assert (letter["rule"], letter["table"], letter["error"]) == (rule, table, "too long")
    assert (group["rule"], group["table"], group["error"]) == (rule, table, "too long")
    assert "into" not in letter


def test_letters_of_one_reason_are_one_group(spool: Spool, config: Config) -> None:
    # Given
    bury(
        spool, numbered(5), [f"value 'x{number}' too long at row {number}" for number in range(5)], "returns", "returns"
    )
    bury(spool, numbered(2, start=5), ["no such column"], "returns", "returns")
    bury(spool, numbered(1, start=7), ["no such column"], "mail", "own")

    # When
    told = dead(config, by="error")

    # Then
    assert [(one["letters"], one["rule"], one["error"]) for one in told["groups"]] == [
        (5, "returns", "value ... too long at row ..."),
        (2, "returns", "no such column"),
        (1, "mail", "no such column"),
    ]
    assert told["letters"] == 8
    assert told["groups"][0]["latest"] == "value 'x4' too long at row 4"
    assert told["groups"][0]["first"].endswith(" UTC")
    assert dead(config, by="error", limit=1)["groups"] == told["groups"][:1]
    assert [one["letters"] for one in dead(config, by="error", contains="column")["groups"]] == [2, 1]


def test_errors_without_end_are_some_groups(spool: Spool, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letter_groups, "MOST_GROUPS", 2)
    bury(spool, numbered(5), ["a", "b", "c", "d", "e"], "returns", "returns")

    told = dead(config, by="error")["groups"]

    assert [(one["letters"], one["error"]) for one in told] == [(3, OTHERS), (1, "a"), (1, "b")]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param('null value in column "a" of row 17', "null value in column ... of row ...", id="postgresql"),
        pytest.param("Data too long for column 'b' at row 1", "Data too long for column ... at row ...", id="mariadb"),
        pytest.param("it's broken", "it's broken", id="apostrophe"),
        pytest.param("x" * 10_000, "x" * 500, id="long"),
    ],
)
def test_a_reason_is_the_error_without_values(error: str, reason: str) -> None:
    assert reason_of(error) == reason


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"by": "rule"}, "eventsd.dead: by: expected error, got 'rule'", id="by"),
        pytest.param({"limit": "x"}, "eventsd.dead: expected numbers, got limit='x' after=0", id="limit"),
        pytest.param({"after": None}, "eventsd.dead: expected numbers, got limit=20 after=None", id="after"),
    ],
)
def test_wrong_arguments_are_told(spool: Spool, config: Config, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(EventsdError) as caught:
        dead(config, **arguments)

    assert str(caught.value) == problem


def test_without_a_spool_it_is_told(tmp_path: Path) -> None:
    config = load({"cachedir": str(tmp_path)})

    with pytest.raises(EventsdError, match=r"eventsd: spool\.dir: there is no spool in "):
        dead(config, by="error")

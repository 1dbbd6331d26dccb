"""What a rule asks of an event besides its tag."""

from __future__ import annotations

import re
from typing import Any

import pytest

from salt_eventsd.config.language.conditions import Subject, compile_conditions, minion_condition

DATA = {
    "id": "web1",
    "retcode": 0,
    "success": True,
    "return": {"disks": [{"free": 3.5}]},
    "none": None,
    "a.b": "dotted",
}


def hold(block: dict[str, Any], data: Any = DATA) -> bool:
    subject = Subject("salt/job/1/ret/web1", "disk.usage", "1", "web1", data)
    return compile_conditions(block).hold(subject)


@pytest.mark.parametrize(
    ("block", "holds"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({"data.retcode": 0}, True, id="a number"),
        pytest.param({"data.retcode": 1}, False, id="another number"),
        pytest.param({"data.retcode": False}, False, id="false is not 0"),
        pytest.param({"data.success": True}, True, id="true"),
        pytest.param({"data.success": 1}, False, id="1 is not true"),
        pytest.param({"data.success": "true"}, False, id="text is not true"),
        pytest.param({"data.id": "web1"}, True, id="text"),
        pytest.param({"data.id": ["db1", "web1"]}, True, id="one of several"),
        pytest.param({"data.id": "web1", "data.retcode": 1}, False, id="all must hold"),
        pytest.param({"data.return.disks.0.free": 3.5}, True, id="a path through a list"),
        pytest.param({"data.return.disks.1.free": 3.5}, False, id="beyond the list"),
        pytest.param({'data."a.b"': "dotted"}, True, id="a key with a dot"),
        pytest.param({"data.none": None}, True, id="null"),
        pytest.param({"data.missing": None}, False, id="missing is not null"),
        pytest.param({"data.missing": {"exists": False}}, True, id="missing"),
        pytest.param({"data.none": {"exists": True}}, True, id="null is there"),
        pytest.param({"data.retcode": {"not": 0}}, False, id="not"),
        pytest.param({"data.retcode": {"not": [1, 2]}}, True, id="none of several"),
        pytest.param({"data.missing": {"not": 0}}, True, id="missing is not 0"),
        pytest.param({"data.return.disks.0.free": {"above": 3, "below": 4}}, True, id="between"),
        pytest.param({"data.return.disks.0.free": {"above": 3.5}}, False, id="not above itself"),
        pytest.param({"data.id": {"above": 3}}, False, id="text is above nothing"),
        pytest.param({"data.success": {"above": 0}}, False, id="true is above nothing"),
        pytest.param({"data.id": {"match": "web"}}, True, id="expression at the start"),
        pytest.param({"data.id": {"match": "eb"}}, False, id="expression not at the start"),
        pytest.param({"data.retcode": {"match": "0"}}, False, id="a number matches no expression"),
        pytest.param({"data.id": {"glob": "w*"}}, True, id="glob"),
        pytest.param({"data.id": {"glob": ["d*", "w*"]}}, True, id="globs"),
        pytest.param({"data.id": {"not": {"glob": "w*"}}}, False, id="not a glob"),
        pytest.param({"fun": "disk.usage", "minion_id": "web1", "jid": "1"}, True, id="what the event is"),
        pytest.param({"tag": {"match": "salt/job"}}, True, id="the tag"),
    ],
)
def test_conditions(block: dict[str, Any], holds: bool) -> None:
    assert hold(block) is holds


@pytest.mark.parametrize("data", [None, [], "text", 5, [1, 2]], ids=str)
def test_a_payload_that_is_no_mapping_has_no_fields(data: Any) -> None:
    assert hold({"data.id": "web1"}, data) is False
    assert hold({"data.id": {"exists": False}}, data) is True


@pytest.mark.parametrize(
    ("globs", "holds"),
    [
        pytest.param(["web*"], True, id="one"),
        pytest.param(["db*", "web?"], True, id="one of two"),
        pytest.param(["web"], False, id="the whole id"),
        pytest.param(["WEB1"], False, id="case counts"),
    ],
)
def test_minions(globs: list[str], holds: bool) -> None:
    assert minion_condition(globs).hold(Subject("t", "", "", "web1", {})) is holds


@pytest.mark.parametrize(
    ("block", "message"),
    [
        pytest.param({"retcode": 0}, "retcode: 'retcode' is no field; expected one of data, tag", id="no root"),
        pytest.param({"now": 0}, "now: 'now' is no field", id="not known so early"),
        pytest.param({"data.x | json": "1"}, "a condition looks at the value itself", id="json"),
        pytest.param({"data.x": {"like": "a"}}, "data.x: no operator 'like'; there are match, glob", id="operator"),
        pytest.param({"data.x": []}, "data.x: expected a value, several, or an operator", id="one of none"),
        pytest.param({"data.x": {}}, "data.x: expected a value, several, or an operator", id="no operator"),
        pytest.param({"data.x": {"match": "("}}, "data.x: match: missing )", id="expression"),
        pytest.param({"data.x": {"match": 5}}, "data.x: match: expected a regular expression, got 5", id="match 5"),
        pytest.param({"data.x": {"above": "5"}}, "data.x: above: expected a number, got '5'", id="above"),
        pytest.param({"data.x": {"exists": "yes"}}, "data.x: exists: expected true or false", id="exists"),
        pytest.param({"data.x": {"glob": 5}}, "data.x: glob: expected text such as web*", id="glob"),
    ],
)
def test_what_is_wrong_is_told(block: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        compile_conditions(block)

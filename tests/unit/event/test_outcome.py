"""What a return says of its outcome, in whatever shape, is read alike for rows, conditions and fields."""

from __future__ import annotations

from typing import Any

import pytest

from salt_eventsd.config.language.conditions import Subject, compile_conditions
from salt_eventsd.config.language.fields import Facts, compile_field
from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.event import outcome
from salt_eventsd.event.parse import Event
from tests.support.events import JID, MINION, fired, returned, state_result
from tests.support.growth import assert_linear
from tests.unit.database.test_rows import only, tables

TAG = "file_|-motd_|-/etc/motd_|-managed"
OTHER = "service_|-nginx_|-nginx_|-running"
DIFF = {"diff": "+x"}


def outcome_of(event: Event) -> tuple[int | None, bool | None, bool | None]:
    """Return code, success and test, after making sure that rows, conditions and fields agree."""
    row = only(event, "returns")
    found = (row["retcode"], row["success"], row["test"])
    facts = Facts(event, "master1")
    subject = Subject(event.tag, event.fun, event.jid, event.minion_id, event.data)
    for name, value in zip(outcome.FIELDS, found, strict=True):
        if value is not None:
            assert compile_field(f"data.{name}").of(facts) == value
            assert compile_conditions({f"data.{name}": value}).hold(subject)
    return found


def without(event_fields: dict[str, Any], *names: str) -> Event:
    data = {"id": MINION, "jid": JID, "fun": "test.ping", "fun_args": [], "return": True, **event_fields}
    return fired(f"salt/job/{JID}/ret/{MINION}", {key: value for key, value in data.items() if key not in names})


@pytest.mark.parametrize(
    ("retcode", "success", "kept"),
    [
        pytest.param(0, True, (0, True), id="well"),
        pytest.param(2, True, (2, False), id="it ran, but what it did failed"),
        pytest.param(1, False, (1, False), id="failed"),
        pytest.param(0, False, (0, False), id="failed without a code"),
        pytest.param(1, None, (1, False), id="no word about success, and a code"),
        pytest.param(0, None, (0, True), id="no word about success, and no failure"),
        pytest.param(None, True, (None, True), id="no code"),
        pytest.param(None, None, (None, None), id="nothing told"),
        pytest.param("2", "yes", (2, False), id="texts"),
        pytest.param("0", "True", (0, True), id="texts of one that went well"),
        pytest.param(" -1 ", None, (-1, False), id="a text with a sign"),
        pytest.param("0xC0000005", None, (3221225477, False), id="as Windows writes it"),
        pytest.param("two", None, (None, None), id="a word"),
        pytest.param(True, 1, (1, False), id="booleans"),
        pytest.param(False, 0, (0, False), id="booleans the other way round"),
        pytest.param(2.0, None, (2, False), id="a whole float"),
        pytest.param(2.5, True, (None, True), id="a broken float"),
        pytest.param(3221225477, True, (3221225477, False), id="Windows"),
        pytest.param(-1073741819, True, (-1073741819, False), id="Windows with a sign"),
        pytest.param(2**64 - 1, True, (2**63 - 1, False), id="more than a column holds"),
        pytest.param({"a": 1}, [], (1, False), id="a mapping, an empty list"),
        pytest.param({}, {}, (None, None), id="empty"),
        pytest.param({"a": {"b": [0, 3]}}, None, (3, False), id="nested"),
        pytest.param({"a": -5, "b": 0}, None, (-5, False), id="none above 0"),
    ],
)
def test_codes_and_success(retcode: Any, success: Any, kept: tuple[Any, Any]) -> None:
    assert outcome_of(returned(retcode=retcode, success=success))[:2] == kept


def test_what_salt_call_returns_has_no_success() -> None:
    assert outcome_of(without({"retcode": 2}))[:2] == (2, False)
    assert outcome_of(without({"retcode": 0}))[:2] == (0, True)


SEVERAL = ["state.apply", "test.ping"]


@pytest.mark.parametrize(
    ("value", "retcode", "success", "kept"),
    [
        pytest.param(
            {"state.apply": {TAG: state_result(result=False)}, "test.ping": True},
            {"state.apply": 2, "test.ping": 0},
            {"state.apply": False, "test.ping": True},
            (2, False),
            id="by name",
        ),
        pytest.param([{TAG: state_result()}, True], [0, 0], [True, True], (0, True), id="by place"),
        pytest.param([{TAG: state_result()}, None], [0, None], [True, False], (0, False), id="one raised"),
        pytest.param({"state.apply": {}, "test.ping": True}, {"test.ping": 11}, {}, (11, False), id="no success"),
    ],
)
def test_several_functions(value: Any, retcode: Any, success: Any, kept: tuple[Any, Any]) -> None:
    event = without(
        {"fun": SEVERAL, "fun_args": [["motd"], []], "return": value, "retcode": retcode, "success": success}
    )

    assert outcome_of(event)[:2] == kept
    assert only(event, "returns")["fun"] == "state.apply,test.ping"


def test_each_functions_states_have_numbers_of_their_own() -> None:
    # Given
    one, other = {TAG: state_result(number=0), OTHER: state_result(number=1)}, {TAG: state_result(number=0)}
    fields = {"fun": ["state.apply", "test.ping", "state.single"], "fun_args": [["a"], [], ["x", "test=True"]]}

    # When
    by_name = without({**fields, "return": {"state.single": other, "test.ping": True, "state.apply": one}})
    by_place = without({**fields, "return": [one, True, other]})

    # Then
    for event in (by_name, by_place):
        rows = tables(event)["states"]
        assert [(row["run_num"], row["fun"], row["test"]) for row in rows] == [
            (0, "state.apply", False),
            (1, "state.apply", False),
            (2, "state.single", True),
        ]
        assert outcome_of(event)[2] is True


def test_one_function_in_a_list_is_one_function() -> None:
    for value in ({"state.apply": {TAG: state_result()}}, {TAG: state_result()}):
        event = without(
            {"fun": ["state.apply"], "fun_args": [["motd"]], "return": value, "retcode": {"state.apply": 0}}
        )

        assert outcome_of(event) == (0, True, False)
        assert only(event, "states")["fun"] == "state.apply"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param({TAG: state_result(result=False), OTHER: state_result()}, False, id="a failed state"),
        pytest.param({TAG: state_result(result=None), OTHER: state_result()}, True, id="one that would change"),
        pytest.param(["Rendering SLS 'base:motd' failed: Jinja"], False, id="not rendered"),
        pytest.param([], True, id="nothing to say"),
    ],
)
def test_states_count_whatever_the_code_says(value: Any, kept: bool) -> None:
    assert outcome_of(returned(value, fun="state.apply"))[1] is kept


def test_states_alone_tell_whether_it_went_well() -> None:
    assert outcome_of(without({"fun": "state.apply", "return": {TAG: state_result()}}))[:2] == (None, True)


@pytest.mark.parametrize(
    ("fun", "value"),
    [
        pytest.param("state.list_disabled", ["motd"], id="a list that is an answer"),
        pytest.param("cmd.run", ["state.apply failed"], id="another function"),
    ],
)
def test_a_list_of_texts_may_be_an_answer(fun: str, value: Any) -> None:
    assert outcome_of(returned(value, fun=fun))[1] is True


def test_a_runners_code_is_in_what_it_returned() -> None:
    value = {"data": {"master1_master": {TAG: state_result(result=False)}}, "outputter": "highstate", "retcode": 1}
    data = {"jid": JID, "fun": "runner.state.orchestrate", "fun_args": ["deploy"], "return": value, "success": True}

    assert outcome_of(fired(f"salt/run/{JID}/ret", data))[:2] == (1, False)


def test_only_a_runner_speaks_for_others() -> None:
    forged = returned({"data": {"web1": {TAG: state_result()}}}, minion_id="evil")

    assert "states" not in tables(forged)


@pytest.mark.parametrize(
    ("fun", "args", "test"),
    [
        pytest.param("state.apply", [], False, id="no arguments"),
        pytest.param("state.apply", ["test=True"], True, id="as text"),
        pytest.param("state.apply", ["test = true"], True, id="as text, oddly written"),
        pytest.param("state.apply", ["motd", "test=yes"], True, id="yes"),
        pytest.param("state.apply", ["motd", "test=1"], True, id="1 as text"),
        pytest.param("state.apply", ["motd", {"__kwarg__": True, "test": 1}], True, id="1"),
        pytest.param("state.apply", [{"test": True}], True, id="as a keyword argument"),
        pytest.param("state.apply", ["motd", {"__kwarg__": True, "TEST": "true"}], True, id="in text and capitals"),
        pytest.param("state.apply", [{"test": False}, "test=no"], False, id="switched off"),
        pytest.param("state.apply", [{"test": None}], False, id="null"),
        pytest.param("state.apply", ["run the test=True"], False, id="in a sentence"),
        pytest.param("state.apply", [["test=True"]], False, id="somewhere inside"),
        pytest.param("state.apply", [{"pillar": {"test": True}}], False, id="in a pillar"),
        pytest.param("state.apply", None, None, id="null for arguments"),
        pytest.param("state.apply", "test=True", None, id="no list"),
        pytest.param("state.test", [], True, id="state.test"),
        pytest.param("state.test", None, True, id="state.test, arguments untold"),
        pytest.param("state.highstate", [True], True, id="by position"),
        pytest.param("state.sls", ["motd", True], True, id="by position, second"),
        pytest.param("state.single", ["pkg.installed", "vim", True], True, id="by position, third"),
        pytest.param("state.single", ["pkg.installed", "name=vim", "test=True"], True, id="state.single"),
        pytest.param("state.sls", [True], False, id="another position"),
        pytest.param("runner.state.orchestrate", ["orch", {"test": True}], True, id="an orchestration"),
        pytest.param("pkg.upgrade", ["test=1"], True, id="another function"),
    ],
)
def test_whether_it_was_a_test(fun: str, args: Any, test: bool | None) -> None:
    assert outcome_of(returned(fun=fun, fun_args=args))[2] is test


@pytest.mark.parametrize(
    ("args", "value", "test", "changed"),
    [
        pytest.param(["test=True"], {TAG: state_result(result=None, changes=DIFF)}, True, [False], id="would change"),
        pytest.param(["test=True"], {TAG: state_result(changes=DIFF)}, True, [False], id="a state that says True"),
        pytest.param([], {TAG: state_result(result=None, changes=DIFF)}, True, [False], id="test: true of a minion"),
        pytest.param(
            [],
            {TAG: state_result(result=None, changes=DIFF), OTHER: state_result(changes=DIFF, number=1)},
            False,
            [False, True],
            id="one state alone as a test",
        ),
        pytest.param([], {TAG: state_result(changes=DIFF)}, False, [True], id="a real change"),
        pytest.param([], {TAG: state_result(result=False, changes=DIFF)}, False, [True], id="half a change"),
    ],
)
def test_a_dry_run_changes_nothing(args: Any, value: Any, test: bool, changed: list[bool]) -> None:
    event = returned(value, fun="state.apply", fun_args=args)

    assert outcome_of(event)[2] is test
    assert [row["changed"] for row in tables(event)["states"]] == changed


def test_other_events_have_fields_like_any_others() -> None:
    event = fired("company/x", {"retcode": "2", "success": "yes", "test": None})

    facts = Facts(event, "master1")
    assert [compile_field(f"data.{name}").of(facts) for name in outcome.FIELDS] == ["2", "yes", None]


def test_old_tables_have_codes_of_32_bits() -> None:
    builder = RowBuilder("master1", dialect_for("postgresql"), wide_codes=False)

    def code(retcode: int) -> Any:
        return dict(builder.rows(returned(retcode=retcode)))["returns"]["retcode"]

    assert [code(given) for given in (2, 3221225477, 2**40, -(2**40))] == [2, -1073741819, 2**31 - 1, -(2**31)]


@pytest.mark.parametrize(
    "returned_value",
    [
        pytest.param(lambda n: {f"a_|-{i}_|-x_|-y": {"__run_num__": n - i} for i in range(n)}, id="backwards"),
        pytest.param(
            lambda n: {f"a_|-{i}_|-x_|-y": {"__run_num__": i + n if i < n / 2 else 0} for i in range(n)}, id="0"
        ),
        pytest.param(
            lambda n: {f"a_|-{i}_|-x_|-y": {"__run_num__": i + n // 2} if i < n / 2 else {} for i in range(n)},
            id="taken",
        ),
    ],
)
def test_numbering_states_costs_as_much_as_they_have_bytes(returned_value: Any) -> None:
    builder = RowBuilder("master1", dialect_for("sqlite"))

    assert_linear(builder.rows, lambda size: returned(returned_value(size // 64), fun="state.apply"), largest=2**20)


def test_numbering_runs_costs_as_much_as_they_have_bytes() -> None:
    builder = RowBuilder("master1", dialect_for("sqlite"))

    def make(size: int) -> Event:
        return returned([{"a_|-b": {}}] * (size // 16), fun=[""] * (size // 16))

    assert_linear(builder.rows, make, largest=2**20)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(lambda n: {"fun": ["state.apply"] * n, "return": [1] * n, "fun_args": [[]] * n}, id="functions"),
        pytest.param(lambda n: {"retcode": [[1]] * n, "success": {str(i): True for i in range(n)}}, id="codes"),
        pytest.param(lambda n: {"retcode": " " * n, "success": " " * n}, id="blanks"),
        pytest.param(lambda n: {"fun": "state.apply", "fun_args": ["test" + " " * n + "=1"] * 3}, id="an argument"),
    ],
)
def test_reading_costs_as_much_as_it_has_bytes(fields: Any) -> None:
    def make(size: int) -> Event:
        return without(fields(size // 8))

    assert_linear(lambda event: outcome.of_payload(event.data), make, largest=2**19)

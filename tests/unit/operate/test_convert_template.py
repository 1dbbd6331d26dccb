"""Old templates become statements with named parameters, or are refused with a reason."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.config.language.fields import compile_value
from salt_eventsd.config.language.parameters import parameters
from salt_eventsd.config.structs import EventRule
from salt_eventsd.operate.convert.destinations import into_sql
from salt_eventsd.operate.convert.notes import Unconvertible


def converted(template: Any, fields: Any = ("jid", "id"), backend: str = "Minion_Return_Worker", **event: Any) -> Any:
    """What a rule says of an event with this template."""
    given = {"mysql_tab": "t", "dict_name": "data", "fields": list(fields), "template": template}
    return into_sql({**given, **event}, backend)


@pytest.mark.parametrize(
    ("template", "statement"),
    [
        pytest.param("insert into {0} values ('{1}', '{2}')", "insert into t values (:jid, :id)", id="quotes"),
        pytest.param('insert into {0} values ("{1}", "{2}")', "insert into t values (:jid, :id)", id="double quotes"),
        pytest.param("insert into {0} values ({1}, {2})", "insert into t values (:jid, :id)", id="bare"),
        pytest.param("insert into {} values ('{}', '{}')", "insert into t values (:jid, :id)", id="without numbers"),
        pytest.param("insert into {0} values ('{1!s}')", "insert into t values (:jid)", id="as text"),
        pytest.param("insert into `{0}` (`a`) values ('{1}')", "insert into `t` (`a`) values (:jid)", id="backticks"),
        pytest.param("insert into x values ('{2}','{1}')", "insert into x values (:id,:jid)", id="another order"),
        pytest.param("call p('{1}', '{1}')", "call p(:jid, :jid)", id="one twice"),
        pytest.param("insert into {0} values ('{1}') ; ", "insert into t values (:jid)", id="semicolon"),
        pytest.param("insert into {0} values ('{1}'); -- bye", "insert into t values (:jid)", id="comment at the end"),
        pytest.param(
            "insert into {0} (jid, srv) values ('{1}', '{2}') on duplicate key update srv='{2}'",
            "insert into t (jid, srv) values (:jid, :id) on duplicate key update srv=:id",
            id="on duplicate key",
        ),
        pytest.param("select 'a-{1}-b'", "select concat_ws('', 'a-', :jid, '-b')", id="inside a text"),
        pytest.param("select '{1}{2}'", "select concat_ws('', :jid, :id)", id="two in a text"),
        pytest.param("select 'it''s {1}'", "select concat_ws('', 'it''s ', :jid)", id="doubled quote"),
        pytest.param("select '{1}''{2}'", "select concat_ws('', :jid, '''', :id)", id="doubled quote between"),
        pytest.param(r"select 'it\'s {1}'", r"select concat_ws('', 'it\'s ', :jid)", id="backslash"),
        pytest.param("select a where b like '%{1}%'", "select a where b like concat_ws('', '%', :jid, '%')", id="like"),
        pytest.param("select '{{', '}}', '{{1}}', {1}", "select '{', '}', '{1}', :jid", id="doubled braces"),
        pytest.param("select '%%', '%s', '100%', {1}", "select '%%', '%s', '100%', :jid", id="percent"),
        pytest.param(
            "select '12:30', '%H:%i:%s', 'a::b', {1}", "select '12:30', '%H:%i:%s', 'a::b', :jid", id="colons"
        ),
        pytest.param("select '', \"\", {1}", "select '', \"\", :jid", id="empty texts"),
        pytest.param("select '{1}' # who's\n, {2}", "select :jid  \n, :id", id="comment with a quote"),
        pytest.param("select /* {9999}'{1} */ {2}", None, id="comment with a placeholder beyond"),
        pytest.param("select /* '{1} */ {2}", "select   :id", id="comment with a placeholder"),
        pytest.param("select /*! straight_join */ {1}", "select /*! straight_join */ :jid", id="hint"),
        pytest.param("select 1--1, {1}", "select 1--1, :jid", id="no comment"),
        pytest.param("select'{1}'and'{2}'", "select :jid and :id", id="no spaces"),
        pytest.param("select now()", "select now()", id="no placeholder"),
    ],
)
def test_a_template_becomes_a_statement(template: str, statement: str | None) -> None:
    if statement is None:
        with pytest.raises(Unconvertible):
            converted(template)
    else:
        assert converted(template)["statement"] == statement


@pytest.mark.parametrize(
    ("template", "says"),
    [
        pytest.param("insert into {0} values ('{9}')", "{9} is beyond the fields, of which there are 2", id="beyond"),
        pytest.param("insert into {0} values ('{name}')", "{name} is more than a placeholder's number", id="a name"),
        pytest.param("insert into {0} values ('{1:>5}')", "{1:>5} is more than", id="a format"),
        pytest.param("insert into {0} values ('{1[a]}')", "{1[a]} is more than", id="an item"),
        pytest.param("insert into {0} values ('{1!r}')", "{1!r} is more than", id="a conversion"),
        pytest.param("insert into {0} values ('{1')", "template: ", id="open brace"),
        pytest.param("insert into {0} values ('{1}", "a text is not closed", id="open text"),
        pytest.param("insert into `{0} values ('{1}')", "a name in backticks is not closed", id="open name"),
        pytest.param("insert into `{1}` values (1)", "stands in backticks", id="a name in backticks"),
        pytest.param("insert into {1} values (1)", "is the name of a table or column", id="a table"),
        pytest.param("insert into x_{1} values (1)", "is the name of a table or column", id="part of a table"),
        pytest.param("insert into {0} ({1}) values (1)", "is the name of a table or column", id="a column"),
        pytest.param("update {0} set a_{1} = 1", "is the name of a table or column", id="part of a column"),
        pytest.param("select {1}{2}", "is the name of a table or column", id="two bare ones"),
        pytest.param("select x'{1}'", "a text with a prefix", id="hexadecimal"),
        pytest.param("select _utf8'{1}'", "a text with a prefix", id="character set"),
        pytest.param(r"select '\{1}'", "backslash before {1}", id="backslash"),
        pytest.param("insert into a values ('{1}'); insert into b values (1)", "several statements", id="several"),
        pytest.param("select {1}, :name", "a colon stands before a word", id="colon"),
        pytest.param("  ;", "there is no statement", id="nothing"),
        pytest.param("select /*! {1} */ 1", "the field jid stands in a comment", id="in a hint"),
        pytest.param(["insert"], "expected text, got ['insert']", id="a list"),
        pytest.param(7, "expected text, got 7", id="a number"),
    ],
)
def test_a_template_that_cannot_be_one_is_refused_with_the_reason(template: Any, says: str) -> None:
    with pytest.raises(Unconvertible) as caught:
        converted(template)

    assert str(caught.value).startswith("template: ")
    assert says in str(caught.value)


def test_the_table_must_be_known() -> None:
    with pytest.raises(Unconvertible, match="mysql_tab is missing"):
        converted("insert into {0} values ({1})", mysql_tab=None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(["jid", "id"], {"jid": "data.jid", "id": "data.id"}, id="plain"),
        pytest.param(["_stamp", "id"], {"stamp": "data._stamp", "id": "data.id"}, id="underscore"),
        pytest.param(
            ["ret.code", "ret-code"], {"ret_code": 'data."ret.code"', "ret_code_2": "data.ret-code"}, id="odd"
        ),
        pytest.param(["Id", "id"], {"Id": "data.Id", "id_2": "data.id"}, id="by case"),
        pytest.param(["1st", "2"], {"field_1st": "data.1st", "field_2": "data.2"}, id="digits"),
        pytest.param(["a b", 'a"b'], {"a_b": 'data."a b"', "a_b_2": "data.'a\"b'"}, id="spaces and quotes"),
        pytest.param(["ü", "§"], {"field": 'data."ü"', "field_2": 'data."§"'}, id="no letters of English"),
        pytest.param(["text_1", "id"], {"text_1_2": "data.text_1", "id": "data.id"}, id="one of our own names"),
        pytest.param([5, True], {"field_5": "data.5", "True": "data.True"}, id="not text"),
        pytest.param(["return", "id"], {"return": "data.return | json", "id": "data.id"}, id="encoded"),
    ],
)
def test_fields_become_parameters_with_safe_names(fields: list[Any], expected: dict[str, str]) -> None:
    # When
    rule = converted("select '{1}', '{2}'", fields)

    # Then
    assert rule["fields"] == expected
    assert parameters(rule["statement"]) == list(expected)
    for expression in rule["fields"].values():
        compile_value(expression)


def test_a_field_named_twice_is_one_parameter() -> None:
    # When
    rule = converted("select {1}, {2}, {3}", ["jid", "id", "jid"])

    # Then
    assert rule == {"statement": "select :jid, :id, :jid", "fields": {"jid": "data.jid", "id": "data.id"}}


def test_a_field_the_template_does_not_use_is_left_out() -> None:
    assert converted("select {2}", ["jid", "id"])["fields"] == {"id": "data.id"}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param("jid", id="text"),
        pytest.param({"jid": 1}, id="a mapping"),
        pytest.param(["jid", None], id="nothing"),
        pytest.param(["jid", ["id"]], id="a list"),
        pytest.param(["jid", "a\"b'c"], id="both kinds of quotes"),
    ],
)
def test_fields_that_are_no_names_are_refused(fields: Any) -> None:
    with pytest.raises(Unconvertible, match=r"^fields: "):
        into_sql({"template": "select {1}", "fields": fields}, "New_Job_Worker")


def test_without_fields_a_placeholder_is_beyond_them() -> None:
    with pytest.raises(Unconvertible, match="there are none"):
        into_sql({"template": "select '{1}'"}, "Minion_Sub_Worker")


@pytest.mark.parametrize(
    ("backend", "fields", "expected"),
    [
        pytest.param("New_Job_Worker", ["arg", "return"], ["data.arg | json", "data.return"], id="jobs"),
        pytest.param("Minion_Return_Worker", ["arg", "return"], ["data.arg", "data.return | json"], id="returns"),
        pytest.param("Minion_Sub_Worker", ["arg", "return"], ["data.arg", "data.return | json"], id="subs"),
    ],
)
def test_what_was_base64_of_json_is_json(backend: str, fields: list[str], expected: list[str]) -> None:
    # When
    rule = converted("select '{1}', '{2}'", fields, backend)

    # Then
    assert list(rule["fields"].values()) == expected
    assert "base64" in rule.comments["fields"][0]


def test_what_a_template_decoded_it_need_not_decode_any_more() -> None:
    # When
    rule = converted("insert into t values (FROM_BASE64('{1}'), from_base64( '{2}' ))", ["return", "id"])

    # Then
    assert rule["statement"] == "insert into t values (:return, from_base64( :id ))"


def test_a_boolean_in_quotes_stays_a_word() -> None:
    # When
    rule = converted("select '{1}', {1}", ["success"])

    # Then
    assert rule["statement"] == ("select case when :success then 'True' when not :success then 'False' end, :success")


@pytest.mark.parametrize(
    ("dict_name", "expected"),
    [
        pytest.param("data", "data.jid", id="the payload"),
        pytest.param(None, "data.jid", id="not said"),
        pytest.param("return", "data.return.jid", id="a part of it"),
        pytest.param("my.part", 'data."my.part".jid', id="a part with a dot"),
    ],
)
def test_dict_name_says_where_the_fields_are(dict_name: str | None, expected: str) -> None:
    # When
    rule = converted("select {1}", ["jid"], dict_name=dict_name)

    # Then
    assert rule["fields"] == {"jid": expected}
    assert bool(rule.comments["fields"]) == (dict_name not in ("data", None))


@pytest.mark.parametrize(
    ("text", "constant"),
    [
        pytest.param("' :jid'", "' :jid'", id="like a parameter"),
        pytest.param("'a :b ''c'''", "\"a :b 'c'\"", id="doubled quotes"),
        pytest.param(r"' :a\n\'b'", '" :a\n\'b"', id="backslashes"),
        pytest.param('" :a"', "' :a'", id="double quotes"),
    ],
)
def test_a_text_that_would_be_taken_for_a_parameter_becomes_one(text: str, constant: str) -> None:
    # When
    rule = converted(f"select {text}, '{{1}}'", ["jid"])

    # Then
    assert rule["statement"] == "select :text_1, :jid"
    assert rule["fields"] == {"jid": "data.jid", "text_1": constant}
    compile_value(constant)


@given(
    st.lists(
        st.sampled_from(
            [
                "insert into {0} values (",
                "/*!",
                "*/",
                "{1}",
                "'{2}'",
                "'",
                '"',
                "`",
                "\\",
                ";",
                ":x",
                ":",
                "--",
                "#",
                " ",
            ]
        )
        | st.text(max_size=5),
        max_size=12,
    ).map("".join)
)
def test_whatever_a_template_holds_it_becomes_a_right_statement_or_is_refused(template: str) -> None:
    # When
    try:
        rule = converted(template)
    except Unconvertible as exc:
        assert str(exc).startswith("template: ")  # noqa: PT017 - mostly there is none
        return

    # Then
    names = set(rule.get("fields", {}))
    assert set(parameters(rule["statement"])) == names
    msgspec.convert(dict(rule), EventRule)

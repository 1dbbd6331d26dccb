"""Masking costs a time in proportion to an event, whatever a minion puts into it."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salt_eventsd.redact import MASK, Redactor, compile_redactor
from tests.support.growth import assert_linear, cpu_seconds

#: Texts that are this, again and again.
UNITS = (
    "\\",
    '"',
    "'",
    "://a:",
    "://a:@",
    "://",
    "@",
    "http://a:80/ ",
    "://a?x=1&",
    "password",
    "pw=",
    "pw=x ",
    "password: ",
    "password:\n",
    "pw:\n ",
    "pw: |\n a\n",
    'password="',
    'password=\\\\\\"',
    "password='a'",
    "password=[",
    "auth:[",
    "auth: a ",
    "auth:\x01",
    "tokens: 5 ",
    "token ",
    "secretary ",
    "<password>",
    "<pw>x</pw>",
    "<password a>",
    "name: password\n",
    '"name":"token",',
    'setPassword("',
    '["password",',
    "--password ",
    "-",
    "mysql -p ",
    "curl -u a:b ",
    "curl '",
    "eyJ",
    "eyJhbGciOiJI.e",
    "ghp_",
    "sk-",
    "AKIAIOSFODNN7EXAMPL-",
    "$6$",
    "-----BEGIN PRIVATE KEY-----",
    "PuTTY-User-Key-File-2:",
    "identified by '",
    "password(",
    "password   ",
    "password\t",
    'pw="""',
    "password: !a ",
    "a:1234:b:c:d\n",
    "a:1234:",
    "a:b@tcp(",
    "echo x | passwd ",
    "echo a:",
    "sqlplus -a ",
    "|password|x",
    "password is ",
    "password for ",
    "kind: Secret data ",
    ";pw=a;",
    ",pw=a,",
    "?pw=&",
    "pw={{a}}",
    "a'pw=b ",
    '\\"pw\\":\\"a',
    "pass word ",
    "/pw:",
    "пароль password: é",
    "password=\x00",
    "<<A\npw=<<A",
    "pw={",
    "}",
    "{",
    "[",
    "\n",
    " ",
    "x",
    "basic ",
    "cookie:",
)
#: What a text of them may begin with.
BEGINNINGS = ("", 'password="', "secret={", "password:\n")


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return compile_redactor((), (), {})


def masking(redactor: Redactor) -> Callable[[Any], object]:
    """Return all that is done to an event's payload to mask its secrets."""

    def mask(data: Any) -> object:
        return redactor.concerns(msgpack.packb(data), "cmd.run") and redactor.apply({"return": data}, "cmd.run")

    return mask


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_costs_a_time_in_proportion(redactor: Redactor, unit: str) -> None:
    beginning = BEGINNINGS[UNITS.index(unit) % len(BEGINNINGS)]
    for begin in {"", beginning}:
        assert_linear(masking(redactor), lambda size, begin=begin: begin + unit * (size // len(unit)), largest=2**15)


@pytest.mark.parametrize(
    ("begin", "unit"),
    [
        pytest.param("curl -u a:b ", '\\"', id="quotes of a command that nobody closes"),
        pytest.param("curl -u a:b ", '" \\"', id="words with such quotes"),
        pytest.param("curl ", "curl -u a:b ;", id="commands in one line"),
        pytest.param("token=a", " ", id="blanks behind a value"),
        pytest.param("x token: a,", "\t", id="blanks in a line"),
        pytest.param("x token=a", ",", id="commas behind a value"),
        pytest.param("", "</token=AQ", id="values without a blank between them"),
    ],
)
def test_what_follows_a_beginning_costs_a_time_in_proportion(redactor: Redactor, begin: str, unit: str) -> None:
    assert_linear(masking(redactor), lambda size: begin + unit * (size // len(unit)), largest=2**16)


SHAPES_OF_DATA: dict[str, Callable[[int], Any]] = {
    "keys that become the same": lambda size: {f"password={number}": 1 for number in range(size // 16)},
    "names": lambda size: {f"pw{number:05}": "x" for number in range(size // 10)},
    "keys that are numbered already": lambda size: {
        **{f"***{number} pw=": 1 for number in range(2, size // 32)},
        **{f"pw={number}": 1 for number in range(size // 32)},
    },
    "long keys that become the same": lambda size: {("x" * 500 + f"password={n}"): 1 for n in range(size // 512)},
    "texts": lambda size: [f"pw={number}" for number in range(size // 8)],
    "one text": lambda size: ["pw=a"] * (size // 5),
    "pairs": lambda size: [["password", "x"]] * (size // 12),
    "numbers": lambda size: ["pw=a", *([1] * size)],
    "nothing": lambda size: ["pw=a", *([{}, []] * (size // 2))],
    "named": lambda size: [{"name": "password", "value": "x"}] * (size // 30),
    "a command": lambda size: ["mysql", *(["-px"] * (size // 4))],
    "another": lambda size: ["curl", *(["-u"] * (size // 3))],
    "bytes": lambda size: [b"pw=x"] * (size // 6),
    "json": lambda size: json.dumps([{"password": "x"}] * (size // 17)),
    "elements": lambda size: "<password>" * (size // 20) + "x" * (size // 2),
    "json in json": lambda size: json.dumps([json.dumps([json.dumps(["pw=a"] * (size // 20))])]),
    "base64": lambda size: base64.b64encode(random.Random(1).randbytes(size * 3 // 4)).decode(),
    "anything": lambda size: "".join(random.Random(1).choices("aN0_-. =:\"'\\/@pw<>{}\n", k=size)),
}


@pytest.mark.parametrize("shape", SHAPES_OF_DATA)
def test_a_structure_costs_a_time_in_proportion(redactor: Redactor, shape: str) -> None:
    assert_linear(masking(redactor), SHAPES_OF_DATA[shape], largest=2**16)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(units=st.lists(st.sampled_from(UNITS), min_size=1, max_size=4).map("".join), begin=st.sampled_from(UNITS))
def test_any_mixture_costs_a_time_in_proportion(redactor: Redactor, units: str, begin: str) -> None:
    assert_linear(masking(redactor), lambda size: begin + units * (size // len(units)), smallest=4096, largest=2**14)


def test_a_word_in_an_event_does_not_decide_what_it_costs(redactor: Redactor) -> None:
    # Given: a large state run without anything to hide, and one with a word that may be the name of a secret
    states = {
        f"file_|-a{number}_|-/etc/a{number}_|-managed": {"comment": "in order", "n": number} for number in range(1000)
    }
    plain = {"return": states}
    told = {"return": {**states, "x": {"comment": "the token is there", "n": 0}}}

    # When
    walked = cpu_seconds(lambda data: redactor.apply(data, "state.apply"), told, tries=5)

    # Then
    assert redactor.apply(told, "state.apply") == told
    assert walked < 20 * cpu_seconds(lambda data: msgpack.unpackb(msgpack.packb(data)), plain, tries=5)


def test_more_secrets_than_anybody_has_are_masked_as_a_whole(redactor: Redactor) -> None:
    assert redactor.apply({"return": "pw=x " * 20_000}, "") == {"return": MASK}
    assert "x" not in "".join(redactor.apply({"return": [f"pw=x{n}" for n in range(20_000)]}, "")["return"]).replace(
        "pw=", ""
    )


def test_an_expression_that_explodes_masks_what_it_cannot_look_at(caplog: pytest.LogCaptureFixture) -> None:
    # Given
    redactor = compile_redactor((), [r"(a|aa)+$", "card"], {})
    hostile = "a" * 2000 + "b"

    # When
    seconds = cpu_seconds(
        lambda data: redactor.apply(data, ""), {"return": [f"{hostile}{n}" for n in range(200)], "x": "ok"}
    )
    again = redactor.apply({"return": hostile, "x": "a card"}, "")

    # Then
    assert seconds < 1
    assert again["return"] == MASK
    assert "card" not in again["x"]
    assert redactor.apply({"a": [hostile] * 3 + [f"{hostile}{n}" for n in range(200)], "jid": "1"}, "")["jid"] in (
        "1",
        MASK,
    )
    assert caplog.text.count("took longer than") == 1
    assert redactor.tally.texts > 100

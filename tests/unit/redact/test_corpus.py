"""
The corpus of secrets: none of its forms comes through, and what has none stays as it is.

A test takes all forms of a kind and names those that fail: two thousand tests would cost more than what they look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgpack
import pytest

from salt_eventsd.event.codec import decode, encode
from salt_eventsd.redact import Redactor, compile_redactor
from tests.support.secrets import CANARY, NAMES, OTHER_NAMES, PAYLOADS, PLAIN, PLAIN_PAYLOADS, SHAPED, TEXTS


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return compile_redactor((), (), {})


def leaks(redactor: Redactor, payload: Any, secret: str = CANARY) -> bool:
    """Say whether a secret is still there, after all that happens to an event between the bus and the spool."""
    packed = msgpack.packb(payload)
    if not redactor.concerns(packed, "cmd.run"):
        return True
    return secret.encode() in encode(redactor.apply(decode(packed), "cmd.run"))


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda text: {"return": text}, id="alone"),
        pytest.param(lambda text: {"return": {"stdout": [f"{text}\n"]}}, id="a line of a list"),
    ],
)
def test_no_secret_in_a_text_comes_through(redactor: Redactor, wrap: Callable[[str], Any]) -> None:
    assert [form for form, text in TEXTS.items() if leaks(redactor, wrap(text.replace("@@", CANARY)))] == []


def test_no_secret_in_a_payload_comes_through(redactor: Redactor) -> None:
    assert [form for form, payload in PAYLOADS.items() if leaks(redactor, payload)] == []


@pytest.mark.parametrize("around", ["{}", "got {} from h", 'x="{}"', "a: {}", "<a>{}</a>", "['{}']"])
def test_tokens_are_known_by_their_shape(redactor: Redactor, around: str) -> None:
    assert [
        form
        for form, token in SHAPED.items()
        if leaks(redactor, {"return": around.format(token)}, token.removeprefix("Bearer "))
    ] == []


#: Ways to say what a name is worth; ``@n`` stands for the name, ``@@`` for the secret.
SYNTAXES = (
    "@n=@@",
    "@n = @@",
    "@n: @@",
    "@n:@@",
    '"@n": "@@"',
    "'@n': '@@'",
    '{"@n": "@@"} x',
    '{\\"@n\\": \\"@@\\"}',
    "@n='a @@'",
    '@n="a @@"',
    "--@n @@",
    "--@n=@@",
    '<x @n="@@">',
    "<@n>@@</@n>",
    "@n => '@@'",
    "$x['@n'] = '@@'",
    'set("@n", "@@")',
    '["@n", "@@"]',
    "@n:\n  - @@",
    "@n:\n  a: @@",
    "@n: |\n  @@",
    "https://h/?@n=@@&x=1",
    '{"name": "@n", "value": "@@"}',
    "name: @n\nvalue: @@",
)
POSITIONS = ("{}", "a b {}", "x\n{}\ny")


@pytest.mark.parametrize("position", POSITIONS)
def test_every_name_counts_in_every_syntax_and_position(redactor: Redactor, position: str) -> None:
    made = [
        position.replace("{}", syntax.replace("@n", name).replace("@@", CANARY))
        for syntax in SYNTAXES
        for name in NAMES
    ]

    assert [text for text in made if leaks(redactor, {"return": text})] == []


def test_every_name_counts_as_a_key(redactor: Redactor) -> None:
    for name in NAMES:
        secret = "aHVudGVyMg==" if name.lower() == "auth" else CANARY
        for payload in ({name: secret}, {"a": {name: [secret]}}, [name, secret], {"key": name, "value": secret}):
            assert not leaks(redactor, payload, secret), payload


def changed(redactor: Redactor, payloads: Iterable[Any], fun: str = "cmd.run") -> list[Any]:
    """Return those of some payloads that do not stay as they are."""
    return [payload for payload in payloads if redactor.apply(payload, fun) != payload]


def test_other_names_do_not_count(redactor: Redactor) -> None:
    for name in OTHER_NAMES:
        payloads = ({name: "x1"}, {"return": f"{name}: x1"}, {"return": f"{name}=x1"}, [name, "x1"])
        assert changed(redactor, payloads, "test.ping") == []


def test_what_has_no_secret_stays_as_it_is(redactor: Redactor) -> None:
    for text in PLAIN:
        assert changed(redactor, ({"return": text}, {"return": {"comment": f"{text}\n"}}, [text])) == []


def test_a_payload_without_a_secret_stays_as_it_is(redactor: Redactor) -> None:
    assert changed(redactor, PLAIN_PAYLOADS) == []


def test_the_corpus_is_large_enough() -> None:
    assert len(TEXTS) + len(PAYLOADS) + len(SHAPED) >= 250
    assert len(PLAIN) >= 100


def among_plain(redactor: Redactor, *payloads: Any) -> frozenset[int]:
    """Return which payloads are suspects in a row with plain ones between them, by their places among their like."""
    raws: list[bytes] = []
    for payload in payloads:
        raws += [PLAIN_FRAME, packed_frame(payload), PLAIN_FRAME]
    places = redactor.suspects(raws)
    return frozenset(place // 3 for place in places if place % 3 == 1)


def packed_frame(payload: Any) -> bytes:
    return b"salt/job/20260102030405678901/ret/web1\n\n" + msgpack.packb(payload)


PLAIN_FRAME = packed_frame({"jid": "20260102030405678901", "fun": "test.ping", "id": "web1", "return": True})


def test_a_text_that_one_look_finds_is_found_among_many_frames(redactor: Redactor) -> None:
    for text in (text.replace("@@", CANARY) for text in TEXTS.values()):
        assert among_plain(redactor, {"return": text}) == {0}, text
        assert among_plain(redactor, *[{"return": {"stdout": [f"{text}\n"]}}] * 40) == set(range(40)), text


def test_a_payload_that_one_look_finds_is_found_among_many_frames(redactor: Redactor) -> None:
    for form, payload in PAYLOADS.items():
        assert among_plain(redactor, {"return": 1}, payload, {"return": 2}) == {1}, form


def test_a_token_is_found_among_many_frames(redactor: Redactor) -> None:
    for form, token in SHAPED.items():
        assert among_plain(redactor, {"return": token}) == {0}, form


def test_frames_with_nothing_in_them_are_no_suspects(redactor: Redactor) -> None:
    assert redactor.suspects([PLAIN_FRAME] * 100) == frozenset()
    assert redactor.suspects([]) == frozenset()
    assert compile_redactor((), ["x"], {}).suspects([PLAIN_FRAME] * 2) == frozenset()

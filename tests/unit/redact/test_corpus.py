"""The corpus of secrets: none of its forms comes through, and what has none stays as it is."""

from __future__ import annotations

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


@pytest.mark.parametrize("form", TEXTS)
def test_no_secret_in_a_text_comes_through(redactor: Redactor, form: str) -> None:
    text = TEXTS[form].replace("@@", CANARY)

    assert not leaks(redactor, {"return": text})
    assert not leaks(redactor, {"return": {"stdout": [f"{text}\n"]}})


@pytest.mark.parametrize("form", PAYLOADS)
def test_no_secret_in_a_payload_comes_through(redactor: Redactor, form: str) -> None:
    assert not leaks(redactor, PAYLOADS[form])


@pytest.mark.parametrize("form", SHAPED)
@pytest.mark.parametrize("around", ["{}", "got {} from h", 'x="{}"', "a: {}", "<a>{}</a>", "['{}']"])
def test_tokens_are_known_by_their_shape(redactor: Redactor, form: str, around: str) -> None:
    secret = SHAPED[form].removeprefix("Bearer ")

    assert not leaks(redactor, {"return": around.format(SHAPED[form])}, secret)


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


@pytest.mark.parametrize("name", NAMES)
def test_every_name_counts_in_every_syntax_and_position(redactor: Redactor, name: str) -> None:
    made = [
        position.replace("{}", syntax.replace("@n", name).replace("@@", CANARY))
        for syntax in SYNTAXES
        for position in POSITIONS
    ]

    assert [text for text in made if leaks(redactor, {"return": text})] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_name_counts_as_a_key(redactor: Redactor, name: str) -> None:
    secret = "aHVudGVyMg==" if name.lower() == "auth" else CANARY
    for payload in ({name: secret}, {"a": {name: [secret]}}, [name, secret], {"key": name, "value": secret}):
        assert not leaks(redactor, payload, secret), payload


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_names_do_not_count(redactor: Redactor, name: str) -> None:
    for payload in ({name: "x1"}, {"return": f"{name}: x1"}, {"return": f"{name}=x1"}, [name, "x1"]):
        assert redactor.apply(payload, "test.ping") == payload


@pytest.mark.parametrize("text", PLAIN)
def test_what_has_no_secret_stays_as_it_is(redactor: Redactor, text: str) -> None:
    for payload in ({"return": text}, {"return": {"comment": f"{text}\n"}}, [text]):
        assert redactor.apply(payload, "cmd.run") == payload


@pytest.mark.parametrize("number", range(len(PLAIN_PAYLOADS)))
def test_a_payload_without_a_secret_stays_as_it_is(redactor: Redactor, number: int) -> None:
    assert redactor.apply(PLAIN_PAYLOADS[number], "cmd.run") == PLAIN_PAYLOADS[number]


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


@pytest.mark.parametrize("form", TEXTS)
def test_a_text_that_one_look_finds_is_found_among_many_frames(redactor: Redactor, form: str) -> None:
    text = TEXTS[form].replace("@@", CANARY)

    assert among_plain(redactor, {"return": text}) == {0}
    assert among_plain(redactor, *[{"return": {"stdout": [f"{text}\n"]}}] * 40) == set(range(40))


@pytest.mark.parametrize("form", PAYLOADS)
def test_a_payload_that_one_look_finds_is_found_among_many_frames(redactor: Redactor, form: str) -> None:
    assert among_plain(redactor, {"return": 1}, PAYLOADS[form], {"return": 2}) == {1}


@pytest.mark.parametrize("form", SHAPED)
def test_a_token_is_found_among_many_frames(redactor: Redactor, form: str) -> None:
    assert among_plain(redactor, {"return": SHAPED[form]}) == {0}


def test_frames_with_nothing_in_them_are_no_suspects(redactor: Redactor) -> None:
    assert redactor.suspects([PLAIN_FRAME] * 100) == frozenset()
    assert redactor.suspects([]) == frozenset()
    assert compile_redactor((), ["x"], {}).suspects([PLAIN_FRAME] * 2) == {0, 1}

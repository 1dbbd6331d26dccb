"""Secrets go before anything touches a disk, however they are hidden in a payload."""

from __future__ import annotations

import time
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.config.structs import RedactConfig
from salt_eventsd.event.codec import decode, encode
from salt_eventsd.event.frame import Frame, read_tag
from salt_eventsd.redact import MASK, Redactor, compile_redactor

SECRET = "hunter2"


def redactor(**settings: Any) -> Redactor:
    """Return the redactor of a ``redact:`` block."""
    config = RedactConfig(**settings)
    return compile_redactor(config.keys, config.values, config.functions)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"password": SECRET}, id="a key"),
        pytest.param({"PassWord": SECRET}, id="in any case"),
        pytest.param({"a": [{"b": {"token": SECRET}}]}, id="nested"),
        pytest.param({"db_password": SECRET}, id="behind a prefix"),
        pytest.param({"mysql.pass-root_PASSWD": SECRET}, id="behind a long prefix"),
        pytest.param({"secret": [SECRET, {"a": SECRET}]}, id="a list"),
        pytest.param({"private_key": {"pem": SECRET}}, id="a mapping"),
        pytest.param({b"password": SECRET}, id="a key in bytes"),
        pytest.param({"password": SECRET.encode()}, id="a value in bytes"),
        pytest.param({"arg": [{"__kwarg__": True, "password": SECRET}]}, id="a keyword argument"),
        pytest.param({"arg": ["bob", f"password={SECRET}"]}, id="an argument as a string"),
        pytest.param({"arg": [f"password = {SECRET}"]}, id="with blanks"),
        pytest.param({"arg": [f"x; export DB_PASSWORD={SECRET}; y"]}, id="in a command"),
        pytest.param({"arg": [f'password="{SECRET} {SECRET}"']}, id="in double quotes"),
        pytest.param({"arg": [f"password='{SECRET}, {SECRET}'"]}, id="in single quotes"),
        pytest.param({"arg": [f'password="a\\"{SECRET}"']}, id="with an escaped quote"),
        pytest.param({"arg": [f"http://x/?token={SECRET}&y=1"]}, id="in a URL's query"),
        pytest.param({"return": f'{{"password": "{SECRET} {SECRET}", "a": 1}}'}, id="in JSON text"),
        pytest.param({"return": f"{{'password': '{SECRET}'}}"}, id="in Python's words"),
        pytest.param({"arg": [f'-d "{{\\"password\\": \\"{SECRET} x\\"}}"']}, id="in JSON text within JSON text"),
        pytest.param({"return": f"user: bob\npassword: {SECRET}\nhost: db\n"}, id="in YAML text"),
        pytest.param({"return": f"user: bob\npassword:\n  {SECRET}\n"}, id="in YAML text on a line of its own"),
        pytest.param({"return": f"[db]\npasswd = {SECRET}\n".encode()}, id="in bytes"),
        pytest.param([f"token={SECRET}"], id="a payload that is a list"),
        pytest.param(f"token={SECRET}", id="a payload that is text"),
        pytest.param({"undecodable": f"\\x81password\\xa7{SECRET}"}, id="in what could not be decoded"),
        pytest.param({"dbPassword": SECRET}, id="behind a small letter"),
        pytest.param({"privateKey": SECRET}, id="joined otherwise"),
        pytest.param({"AWS_SECRET_ACCESS_KEY": SECRET}, id="with an access key after it"),
        pytest.param({"password2": SECRET}, id="numbered"),
        pytest.param({"password_hash": SECRET}, id="a hash of it"),
        pytest.param({" 'password': ": SECRET}, id="a key with signs around it"),
        pytest.param({"env": [{"name": "DB_PASSWORD", "value": SECRET}]}, id="named by a field beside it"),
        pytest.param({"arg": ["mysql", "--password", SECRET]}, id="after an option in a list"),
        pytest.param({"arg": [["user", "bob"], ["password", SECRET]]}, id="in a pair"),
        pytest.param({"arg": [f"mysql --password {SECRET} -e x"]}, id="after an option in a command"),
        pytest.param({"arg": [f"mysql --db-password '{SECRET} x'"]}, id="in quotes after an option"),
        pytest.param({"arg": [f"AWS_SECRET_ACCESS_KEY={SECRET} aws s3 ls"]}, id="a variable of a command"),
        pytest.param({"arg": [f'curl -d \'{{"authToken": "{SECRET}"}}\'']}, id="joined otherwise in JSON text"),
        pytest.param({"arg": [f"https://bob:{SECRET}@git.example.com/x.git"]}, id="in a URL"),
        pytest.param({"arg": [f"https://:p@{SECRET}@git.example.com/x.git"]}, id="in a URL, unescaped"),
        pytest.param({"arg": [f"CREATE USER bob IDENTIFIED BY '{SECRET}'"]}, id="in SQL"),
        pytest.param({"arg": [f"ALTER ROLE bob PASSWORD '{SECRET}'"]}, id="in SQL of PostgreSQL"),
        pytest.param(
            {"return": f"+-----BEGIN RSA PRIVATE KEY-----\n+{SECRET}\n+{SECRET}\n+-----END RSA PRIVATE KEY-----"},
            id="a private key in a diff",
        ),
        pytest.param({"return": f"-----BEGIN PRIVATE KEY-----\n{SECRET}"}, id="a private key without an end"),
        pytest.param(
            {"return": {f"cmd_|-mysql --password={SECRET}_|-mysql --password={SECRET}_|-run": {"result": True}}},
            id="in a state's key",
        ),
        pytest.param({f"password={SECRET}": 1}, id="in any key"),
    ],
)
def test_a_secret_is_masked_by_its_key(data: Any) -> None:
    # Given
    masking = redactor()

    # When
    kept = encode(masking.apply(data, ""))

    # Then
    assert SECRET.encode() not in kept
    assert MASK.encode() in kept
    assert masking.concerns(msgpack.packb(data), "")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f'password="{SECRET} and no end of it', id="a quote that is never closed"),
        pytest.param(f"password=a'{SECRET}", id="a quote in the middle"),
        pytest.param(f"private_key: |\n  {SECRET}\n  {SECRET}\nuser: bob", id="a YAML block"),
        pytest.param(f"password: correct horse {SECRET}\nuser: bob", id="a YAML value of several words"),
        pytest.param(f'x = \'{{"a": "\\"password\\": \\"b\n{SECRET}\\""}}\'', id="JSON in JSON over two lines"),
        pytest.param(f'{{"password" => "{SECRET}"}}', id="in Ruby's words"),
    ],
)
def test_a_secret_in_text_is_masked_to_its_end(text: str) -> None:
    assert SECRET not in redactor().apply({"return": text}, "")["return"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"passwords": 3}, id="another word"),
        pytest.param({"password_changed": True}, id="a word that only begins like it"),
        pytest.param({"comment": "the password was changed"}, id="in a sentence"),
        pytest.param({"password": None}, id="no value"),
        pytest.param({"return": "tokens: 3"}, id="another word in text"),
        pytest.param({"a": [1, 2.5, None, True, "x"], "b": {}}, id="nothing to do with secrets"),
        pytest.param({"name": "user", "value": "bob"}, id="named by a field beside it"),
        pytest.param({"arg": ["--user", "bob", "tokens", "3"]}, id="another option"),
        pytest.param({"arg": ["mysql --password --user bob"]}, id="an option without a value"),
        pytest.param({"return": "http://a:8080/x and bob@example.com"}, id="a URL without a password"),
        pytest.param({"token_type": "bearer", "secretary": "bob"}, id="a longer word"),
        pytest.param({"return": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"}, id="a certificate"),
    ],
)
def test_what_is_no_secret_is_left_alone(data: Any) -> None:
    assert redactor().apply(data, "test.ping") == data


def test_many_digits_under_pass_are_a_password_and_few_are_a_count() -> None:
    masked = redactor().apply(
        {"return": {"ssh_pass": "73519284604", "text": "SSHPASS=73519284604 x", "pass": "12"}}, ""
    )

    assert masked["return"] == {"ssh_pass": MASK, "text": f"SSHPASS={MASK} x", "pass": "12"}


def test_a_states_key_keeps_its_parts() -> None:
    # Given
    results = {f"cmd_|-a_|-a --token={SECRET}{number}_|-run": number for number in range(3)}

    # When
    found = redactor().apply({"return": results}, "")["return"]

    # Then
    assert sorted(found.values()) == [0, 1, 2]
    assert next(iter(found)) == f"cmd_|-a_|-a --token={MASK}_|-run"
    assert all(len(key.split("_|-")) == 4 for key in found)


@pytest.mark.parametrize("fun", ["vault.read,test.ping", "test.ping,vault.read"])
def test_what_one_of_several_functions_hides_is_hidden(fun: str) -> None:
    masking = redactor(functions={"vault.*": "both"})

    assert masking.apply({"return": SECRET}, fun) == {"return": MASK}
    assert masking.concerns(b"", fun)


def test_what_an_older_salt_nests_is_dropped_there() -> None:
    masking = redactor(functions={"vault.*": "both"})

    assert masking.apply({"data": {"fun": "vault.read", "return": SECRET, "id": "m"}}, "vault.read") == {
        "data": {"fun": "vault.read", "return": MASK, "id": "m"}
    }


def test_only_the_value_is_masked() -> None:
    data = {"user": "bob", "password": SECRET, "arg": [f"user=bob password={SECRET} host=db"]}

    assert redactor().apply(data, "") == {
        "user": "bob",
        "password": MASK,
        "arg": [f"user=bob password={MASK} host=db"],
    }


def test_the_input_is_not_changed() -> None:
    inner = {"password": SECRET}
    data = {"a": [inner]}

    redactor().apply(data, "")

    assert data == {"a": [{"password": SECRET}]}


@pytest.mark.parametrize(
    ("pattern", "masked"),
    [pytest.param(".*", MASK, id="all of it"), pytest.param("n*", f"a{MASK}a", id="where there may be nothing")],
)
def test_where_a_pattern_matches_nothing_nothing_is_put(pattern: str, masked: str) -> None:
    masking = redactor(keys=[], values=[pattern])

    assert list(masking.apply({"return": "anna"}, "").values()) == [masked]


def test_values_are_masked_by_pattern_wherever_they_stand() -> None:
    # Given
    masking = redactor(values=[r"\b\d{4}-\d{4}\b", "AKIA[A-Z]+"])

    # When
    found = masking.apply({"a": ["card 1234-5678 and 1234-5679", {"b": b"AKIAXYZ"}], "c": "12345-678"}, "")

    # Then
    assert found == {"a": [f"card {MASK} and {MASK}", {"b": MASK}], "c": "12345-678"}


@pytest.mark.parametrize(
    ("what", "gone"),
    [
        pytest.param("return", {"return", "full_ret"}, id="return"),
        pytest.param("arguments", {"arg", "fun_args", "kwargs"}, id="arguments"),
        pytest.param("both", {"return", "full_ret", "arg", "fun_args", "kwargs"}, id="both"),
    ],
)
def test_a_functions_return_or_arguments_can_be_dropped(what: str, gone: set[str]) -> None:
    # Given
    masking = redactor(functions={"vault.*": what})
    data = {
        "fun": "vault.read_secret",
        "id": "m",
        "return": {"x": SECRET},
        "full_ret": SECRET,
        "arg": [SECRET],
        "fun_args": [SECRET],
        "kwargs": {"x": SECRET},
    }

    # When
    found = masking.apply(data, "vault.read_secret")

    # Then
    assert {key for key, value in found.items() if value == MASK} == gone
    assert {key: value for key, value in found.items() if key not in gone} == {
        key: value for key, value in data.items() if key not in gone
    }
    assert masking.concerns(b"", "vault.read_secret")


@pytest.mark.parametrize("fun", ["vaults.read", "test.ping", ""])
def test_other_functions_are_left_alone(fun: str) -> None:
    masking = redactor(functions={"vault.*": "both"})

    assert masking.apply({"return": 1, "arg": [2]}, fun) == {"return": 1, "arg": [2]}
    assert not masking.concerns(b"", fun)


def test_the_first_glob_that_matches_counts() -> None:
    masking = redactor(functions={"vault.list": "arguments", "vault.*": "both"})

    assert (masking.dropped("vault.list"), masking.dropped("vault.read")) == ("arguments", "both")


def test_what_is_too_deep_to_be_looked_through_is_masked_as_a_whole() -> None:
    data: Any = {"password": SECRET}
    for _ in range(100_000):
        data = [data]

    assert redactor().apply(data, "") == {"undecodable": MASK}


def test_what_is_taken_out_of_the_default_counts_no_more() -> None:
    masking = redactor(keys=["!password", "!jwt", "pin"])
    data = {"password": SECRET, "arg": [f"password={SECRET}"]}

    assert masking.apply(data, "") == data
    assert not masking.concerns(msgpack.packb(data), "")


def test_a_key_of_the_users_own_in_any_script_and_case() -> None:
    masking = redactor(keys=["Kennwört"])

    assert masking.apply({"KENNWÖRT": SECRET}, "") == {"KENNWÖRT": MASK}
    assert masking.concerns(msgpack.packb({"KENNWÖRT": SECRET}), "")


@pytest.mark.parametrize("key", ["pa\N{LATIN SMALL LETTER LONG S}sword", "to\N{KELVIN SIGN}en"])
def test_the_quick_look_knows_letters_that_only_look_like_another_case(key: str) -> None:
    masking = redactor()

    assert masking.concerns(msgpack.packb({key: SECRET}), "") == (masking.apply({key: SECRET}, "") != {key: SECRET})


DEFAULT = redactor()
WORDS = st.sampled_from(
    ["password", "PASSWD", "db_Secret", "token", "tokens", "x", "=", ": ", "'", '"', "hunter2", "\n", "user", "\\"]
)
TEXTS = st.lists(WORDS, max_size=6).map("".join) | st.text(max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | TEXTS | TEXTS.map(lambda text: text.encode("utf-8", "replace")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXTS | st.binary(max_size=3) | st.sampled_from(["return", "fun_args"]), inner, max_size=4)
    ),
    max_leaves=12,
)
SETTINGS = st.fixed_dictionaries(
    {
        "keys": st.sampled_from([("password", "secret"), ("token",), (), ("pässe", "token")]),
        "values": st.sampled_from([(), ("hunter.",)]),
        "functions": st.sampled_from([{}, {"vault.*": "both"}, {"*": "return"}]),
    }
)


@given(data=VALUES, settings=SETTINGS, fun=st.sampled_from(["", "vault.read", "test.ping"]))
def test_the_quick_look_never_misses_what_would_be_masked(data: Any, settings: dict[str, Any], fun: str) -> None:
    # Given
    masking = redactor(**settings)
    payload = msgpack.packb(data, unicode_errors="surrogatepass")
    decoded = decode(payload)

    # When
    changed = encode(masking.apply(decoded, fun)) != encode(decoded)

    # Then
    assert masking.concerns(payload, fun) or not changed


def test_hardly_a_duration_of_a_state_is_taken_for_a_part_of_a_secret() -> None:
    # Given: states as minions return them, that took anything from a millisecond to a minute
    masking = redactor()
    payloads = [
        msgpack.packb(
            {
                "name": f"/etc/app.d/{number}.conf",
                "start_time": f"10:{number % 60:02}:07.123456",
                "duration": number * 1.017 + 0.001,
                "__id__": "app_config",
                "__saltfunc__": "file.managed",
                "file_|-app_config_|-/etc/app.conf_|-managed": {"name": "/etc/app.conf", "comment": "a: b: c"},
            }
        )
        for number in range(60_000)
    ]

    # When
    suspected = [payload for payload in payloads if masking.masker.concerns(payload)]

    # Then: but for a few whose bytes happen to spell a name such as "pw"
    assert len(suspected) < len(payloads) / 2000


@pytest.mark.parametrize("host", ["db.example.com", "localhost", "10.0.0.1", "*", "db_"])
def test_lines_of_pgpass_are_masked(host: str) -> None:
    data = {"return": f"{host}:5432:*:salt:geheim42"}
    assert redactor().concerns(msgpack.packb(data), "")
    assert "geheim42" not in str(redactor().apply(data, ""))


@given(
    data=VALUES,
    pattern=st.sampled_from(["hunter.", r"^x$", r"(?<!r)\b=", r"\A\Z|user", "[0-9]", r"(a|ab)*c|tok", "pässe"]),
)
def test_patterns_that_may_find_nothing_would_mask_nothing(data: Any, pattern: str) -> None:
    # Given
    masking = redactor(values=[pattern])
    decoded = decode(msgpack.packb(data, unicode_errors="surrogatepass"))
    is_clear = not masking.masker.concerns(encode(decoded)) and not masking.may_find(decoded)

    # Then
    assert not is_clear or encode(masking.apply(decoded, "")) == encode(decoded)


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        pytest.param("my/4711-42", {"a": 1}, id="in the tag"),
        pytest.param("my/tag", {"a": ["4711-42"]}, id="in a value"),
        pytest.param("salt/job/20260102030405678901/ret/web=4711-42", {"4711-42": 1}, id="in both"),
    ],
)
def test_where_nothing_else_is_found_patterns_still_are(tag: str, data: Any) -> None:
    # Given
    masking = redactor(values=["4711-42"])

    # When
    frame, clean, _ = masking.clean(Frame(tag, tag, b"", 0.0), data, "", is_cleared=True)

    # Then
    assert "4711-42" not in f"{frame.tag}{clean}"
    assert "***" in f"{frame.tag}{clean}"


def test_a_pattern_that_may_take_long_is_left_to_the_closer_look() -> None:
    masking = redactor(values=[r"(a|b?a)*c"])

    assert masking.may_find({"a": ["x" * 100_000]})
    assert masking.may_find({"a": [b"x"]})
    assert not masking.may_find({"a": ["x"]}, 1, None, [True, 1.5])


@given(data=VALUES, payload=st.binary(max_size=60))
def test_redacting_never_raises_and_leaves_something_to_keep(data: Any, payload: bytes) -> None:
    masking = redactor(values=["hunter."])

    for one in (data, decode(payload)):
        assert b"hunter2" not in encode(_values_only(masking.apply(one, "")))


def _values_only(data: Any) -> Any:
    """Keys are not looked at by patterns on values."""
    if isinstance(data, dict):
        return [_values_only(value) for value in data.values()]
    return [_values_only(one) for one in data] if isinstance(data, list) else data


@pytest.mark.parametrize("unit", ["-", "_", "a_", "x."])
def test_long_runs_of_signs_cost_no_more_than_other_text(unit: str) -> None:
    # Given
    masking = redactor()
    text = unit * (6000 // len(unit))

    # When
    began = time.process_time()
    found = masking.apply({"a": text, "token": SECRET}, "")

    # Then
    assert found == {"a": text, "token": MASK}
    assert time.process_time() - began < 0.2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"curl -H 'Authorization: Bearer {SECRET}' http://h/", id="bearer"),
        pytest.param(f'{{"Authorization": "Basic {SECRET}"}}', id="basic, in JSON"),
        pytest.param(f"passphrase={SECRET}", id="passphrase"),
        pytest.param(f"--api-key {SECRET}", id="api key, an option"),
        pytest.param(f"apikey: {SECRET}", id="api key, in one word"),
    ],
)
def test_what_is_secret_by_default(text: str) -> None:
    made = redactor()
    payload = msgpack.packb({"arg": [text]})

    assert made.concerns(payload, "cmd.run")
    assert SECRET not in str(made.apply({"arg": [text]}, "cmd.run"))


@pytest.mark.parametrize("word", ["rapid", "therapist", "private", "keys", "author"])
def test_words_that_look_like_a_key_cost_no_second_look(word: str) -> None:
    assert not redactor().concerns(msgpack.packb({"return": word}), "test.echo")


def test_a_tag_is_masked_too() -> None:
    frame = read_tag(f"company/login/password={SECRET}\n\n".encode(), 0.0)

    assert redactor().tag(frame).tag == f"company/login/password={MASK}"
    assert redactor().tag(plain := read_tag(b"company/door\n\n", 0.0)) is plain


@pytest.mark.parametrize("tag", [f"salt/job/x/password={SECRET}", f"salt/job/{'1' * 20}/ret/password={SECRET}"])
def test_a_tag_that_looks_like_a_jobs_is_masked_too(tag: str) -> None:
    frame = read_tag(f"{tag}\n\n".encode(), 0.0)

    assert SECRET not in redactor().clean(frame, {}, "")[0].tag


def test_keys_that_become_the_same_are_all_kept() -> None:
    # Given
    data = {**{f"password={number}": number for number in range(50)}, "password=***2": "literal", "x": 1}

    # When
    found = redactor().apply(data, "")

    # Then
    assert len(found) == len(data)
    assert sorted(map(str, found.values())) == sorted(map(str, data.values()))
    assert next(iter(found)) == "password=***"


@pytest.mark.parametrize(
    ("keys", "hidden", "kept"),
    [
        pytest.param(
            ["pin"], {"pin": "1", "card_pin": "1", "cardPin": "1", "password": "1"}, {"spin": "1"}, id="added"
        ),
        pytest.param(["!token"], {"password": "1"}, {"token": "1", "auth_token": "1"}, id="taken out"),
        pytest.param(["!token", "my_token"], {"my_token": "1"}, {"token": "1"}, id="taken out, and one added"),
        pytest.param(["x-ray"], {"xRay": "1", "X_RAY": "1", "xray": "1"}, {"x": "1"}, id="in any spelling"),
    ],
)
def test_keys_add_to_the_default_and_take_out_of_it(
    keys: list[str], hidden: dict[str, str], kept: dict[str, str]
) -> None:
    masking = redactor(keys=keys)

    assert masking.apply({**hidden, **kept}, "") == {**dict.fromkeys(hidden, MASK), **kept}
    for name in hidden:
        assert masking.apply({"return": f"{name}=abc"}, "") == {"return": f"{name}={MASK}"}


def test_a_shape_can_be_taken_out() -> None:
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh"

    assert redactor().apply({"return": jwt}, "") == {"return": MASK}
    assert redactor(keys=["!jwt"]).apply({"return": jwt}, "") == {"return": jwt}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        pytest.param("PGPASSWORD=x psql -h db", "PGPASSWORD=*** psql -h db", id="a variable of a command"),
        pytest.param("user=bob password=x host=db", "user=bob password=*** host=db", id="pairs"),
        pytest.param('{"password": "x", "n": 1} y', '{"password": "***", "n": 1} y', id="json"),
        pytest.param("https://bob:x@h/y?z=a@b.c", "https://bob:***@h/y?z=a@b.c", id="a URL"),
        pytest.param("mysql -u root -px -e 'y'", "mysql -u root -p*** -e 'y'", id="an option that is glued on"),
        pytest.param("curl -u bob:x https://h/", "curl -u bob:*** https://h/", id="a user and a password"),
        pytest.param("user: bob\npassword: a, b\nhost: db", "user: bob\npassword: ***\nhost: db", id="yaml"),
        pytest.param("secrets:\n  a: x\n  b: y\nhost: db", "secrets:\n  ***\nhost: db", id="a mapping below"),
        pytest.param("<password>x</password><host>y</host>", "<password>***</password><host>y</host>", id="xml"),
        pytest.param("curl -H 'X-Auth-Token: x' http://h/", "curl -H 'X-Auth-Token: ***' http://h/", id="a header"),
        pytest.param("Server=db;Password=x;Encrypt=true", "Server=db;Password=***;Encrypt=true", id="a connection"),
        pytest.param("app --password x --user bob", "app --password *** --user bob", id="an option"),
    ],
)
def test_what_stands_beside_a_secret_is_kept(text: str, masked: str) -> None:
    assert redactor().apply({"return": text}, "") == {"return": masked}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<secret>{}" + SECRET + "</secret>", id="an element"),
        pytest.param("password is {}" + SECRET, id="a word"),
        pytest.param('"secret": "{}' + SECRET + '"', id="a string"),
        pytest.param("secret: {}" + SECRET, id="a line"),
        pytest.param("IDENTIFIED BY {}" + SECRET, id="a statement"),
        pytest.param("--password {}" + SECRET, id="an option"),
        pytest.param("secret:\n  {}" + SECRET, id="a line below"),
        pytest.param("https://bob:{}" + SECRET + "@h/", id="a URL"),
        pytest.param("-----BEGIN PRIVATE KEY-----\n{}" + SECRET, id="a private key"),
    ],
)
@pytest.mark.parametrize("sign", ["1", "é", "\\"])
def test_a_long_secret_is_masked_to_its_end(text: str, sign: str) -> None:
    assert SECRET not in str(redactor().apply({"return": text.format(sign * 100_000)}, ""))


@given(
    st.lists(
        st.sampled_from(
            [
                "é",
                "\udc80",
                "password",
                "pw",
                "=",
                ": ",
                "is ",
                "{",
                "[",
                '"',
                "'",
                "\\",
                "\n",
                " ",
                "<",
                "> ",
                "://",
                "@",
                "-p",
                "mysql ",
            ]
        ),
        max_size=40,
    ).map("".join)
)
def test_no_text_is_too_odd(text: str) -> None:
    assert isinstance(DEFAULT.apply({"return": text}, "")["return"], str)
    assert encode(DEFAULT.apply([text, {text: text}], ""))


@pytest.mark.parametrize(
    ("fun", "functions", "is_kept"),
    [
        pytest.param("runner.eventsd.returns", {}, False, id="a question to the history"),
        pytest.param("runner.jobs.list_jobs", {}, False, id="a question to the job cache"),
        pytest.param("runner.eventsd.purge", {}, True, id="what does something"),
        pytest.param("runner.manage.up", {}, True, id="another runner"),
        pytest.param("jobs.list_jobs", {}, True, id="a function of minions with such a name"),
        pytest.param("runner.jobs.list_jobs", {"runner.jobs.*": "nothing"}, True, id="wanted all the same"),
        pytest.param("runner.jobs.list_jobs", {"vault.*": "both"}, False, id="nothing said of it"),
    ],
)
def test_what_a_question_answers_is_not_kept_again(fun: str, functions: dict[str, str], is_kept: bool) -> None:
    # Given
    data = {"fun": fun, "fun_args": ["a"], "user": "alice", "return": {"jid": "1"}, "success": True}
    masking = redactor(functions=functions)

    # When
    _, found, _ = masking.clean(read_tag(b"salt/run/1/ret\n\n", 0.0), data, fun)

    # Then
    assert found == {**data, "return": {"jid": "1"} if is_kept else "***"}


def test_every_question_is_known_as_one() -> None:
    from salt_eventsd.operate.history import QUESTIONS
    from salt_eventsd.redact.redactor import OWN_ANSWERS

    assert [verb for verb in QUESTIONS if f"runner.eventsd.{verb}" not in OWN_ANSWERS] == []

"""What the backends share: options, ids, the JSON of an event, and burying what cannot be written."""

from __future__ import annotations

import configparser
import importlib
import json
import sys
from typing import Any

import msgspec
import pytest

from salt_eventsd import backends
from salt_eventsd.backends.options import missing_library, read_options
from salt_eventsd.backends.shape import envelope, event_id
from salt_eventsd.config.checks import require
from salt_eventsd.config.servers import Secret, Secrets
from salt_eventsd.config.structs import Size
from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import ConfigError, Doubted, Refused
from salt_eventsd.workers.isolate import bury, make_each
from salt_eventsd.workers.write import Batch, Context
from tests.support.docs import ROOT
from tests.support.events import JID, MINION, fired, numbered, returned
from tests.support.stores import Buried, batch_of

_SECRET = "pa55-of-somebody"


class _Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    number: int = 0

    def __post_init__(self) -> None:
        require(self.number >= 0, f"number: expected 0 or more, got {self.number}")


class _Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str
    password: Secret | None = None
    urls: Secrets = Secrets()
    room: Size = Size(1)
    inner: list[_Inner] = []


def _context(options: dict[str, Any], defaults: dict[str, Any] | None = None) -> Context:
    return Context("sink", options, "master", defaults=defaults or {})


class TestOptions:
    """Plain data becomes a struct, or one line that says what is wrong."""

    def test_they_are_read_with_the_defaults_under_them(self) -> None:
        # When
        context = _context(
            {"host": "a", "room": "8MiB", "inner": [{"name": "x"}]}, {"password": _SECRET, "host": "b", "driver": "c"}
        )
        options = read_options(context, _Options)

        # Then
        assert (options.host, options.password, options.room) == ("a", _SECRET, 8 * 2**20)
        assert options.inner == [_Inner("x")]

    @pytest.mark.parametrize(
        ("given", "read"),
        [
            pytest.param("one", ["one"], id="text"),
            pytest.param(["one", "two"], ["one", "two"], id="list"),
            pytest.param([], [], id="empty"),
        ],
    )
    def test_one_or_several(self, given: Any, read: list[str]) -> None:
        assert list(read_options(_context({"host": "a", "urls": given}), _Options).urls) == read

    def test_secrets_are_in_no_repr(self) -> None:
        # When
        options = read_options(_context({"host": "a", "password": _SECRET, "urls": [_SECRET]}), _Options)

        # Then
        assert _SECRET not in repr(options)

    @pytest.mark.parametrize(
        ("options", "line"),
        [
            pytest.param({}, "host: missing", id="missing"),
            pytest.param({"host": 7}, "host: expected text, got number", id="type"),
            pytest.param({"host": "a", "nope": 1}, "nope: unknown key; known are host, password", id="unknown"),
            pytest.param({"host": "a", "password": 123}, "password: expected text, got number", id="secret"),
            pytest.param({"host": "a", "urls": [{}]}, "urls: expected text, got dict", id="secrets"),
            pytest.param({"host": "a", "room": -1}, "room: expected a size above 0", id="size"),
            pytest.param({"host": "a", "inner": {}}, "inner: expected list, got mapping", id="list"),
            pytest.param({"host": "a", "inner": [{}]}, "inner[0].name: missing", id="missing-inside"),
            pytest.param(
                {"host": "a", "inner": [{"name": "x", "y": 1}]}, "inner[0].y: unknown key", id="unknown-inside"
            ),
            pytest.param({"host": "a", "inner": [{"name": 1}]}, "inner[0].name: expected text", id="type-inside"),
            pytest.param(
                {"host": "a", "inner": [{"name": "x"}, {"name": "x", "number": -1}]},
                "inner[1].number: expected 0 or more, got -1",
                id="rule-inside",
            ),
        ],
    )
    def test_what_is_wrong_is_said_with_its_key(self, options: dict[str, Any], line: str) -> None:
        with pytest.raises(ConfigError) as caught:
            read_options(_context(options), _Options)

        assert caught.value.problems[0].startswith(f"eventsd: workers.sink.{line}")

    def test_a_missing_library_is_told_with_its_extra(self) -> None:
        error = missing_library(ModuleNotFoundError("No module named 'x'", name="x"), "y")

        assert str(error) == "No module named 'x'; install it with: salt-pip install 'salt-eventsd[y]'"


class TestMaking:
    """A module of ``_eventsd_workers`` finds its backend by its name."""

    def test_each_client_library_is_an_extra(self) -> None:
        # Given
        setup = configparser.ConfigParser()
        setup.read(ROOT / "setup.cfg")

        # Then
        assert set(setup["options.extras_require"]) - {"docs", "lint", "test"} == backends.EXTRAS

    def test_each_module_but_the_template_has_a_backend(self) -> None:
        modules = {path.stem for path in (ROOT / "_eventsd_workers").glob("*.py")} - {"__init__", "noop"}

        assert {
            name for name in modules if callable(importlib.import_module(f"{backends.__name__}.{name}").make)
        } == modules

    def test_only_an_extra_is_said_to_bring_a_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Given: a module that cannot be imported
        for name in ("http", "file"):
            monkeypatch.setitem(sys.modules, f"{backends.__name__}.{name}", None)

        # When / Then
        with pytest.raises(ImportError, match=r"salt-pip install 'salt-eventsd\[http\]'"):
            backends.make(_context({}), "http")
        with pytest.raises(ImportError) as caught:
            backends.make(_context({}), "file")
        assert "salt-pip" not in str(caught.value)


class TestIds:
    """An event keeps its id, and no other has it."""

    def test_it_outlives_the_spool(self) -> None:
        # Given
        event = returned({"a": [1, "ü"]})

        # When
        again = msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event)

        # Then
        assert event_id(again) == event_id(event)
        assert len(event_id(event)) == 32

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param({"tag": "salt/job/1/ret/other"}, id="tag"),
            pytest.param({"received": 1.5}, id="received"),
            pytest.param({"body": b"{}"}, id="body"),
            pytest.param({"returned": b"1"}, id="returned"),
        ],
    )
    def test_another_event_has_another(self, other: dict[str, Any]) -> None:
        event = returned()

        assert event_id(msgspec.structs.replace(event, **other)) != event_id(event)

    def test_parts_are_told_apart(self) -> None:
        event = returned()

        one = msgspec.structs.replace(event, body=b'{"a":1}', returned=b"")
        two = msgspec.structs.replace(event, body=b'{"a"', returned=b":1}")
        assert event_id(one) != event_id(two)

    def test_it_may_be_of_a_scope(self) -> None:
        event = returned()

        assert len({event_id(event), event_id(event, "a"), event_id(event, "b")}) == 3


@pytest.mark.parametrize(
    ("event", "data"),
    [
        pytest.param(returned({"a": 1}), returned({"a": 1}).data, id="return"),
        pytest.param(fired("company/alarm", {}), {}, id="empty"),
        pytest.param(fired("company/alarm", ["a"]), ["a"], id="no-mapping"),
    ],
)
def test_the_json_of_an_event_has_all_of_it(event: Event, data: Any) -> None:
    whole = json.loads(envelope(event, "master"))

    assert whole["data"] == data
    assert (whole["tag"], whole["master_id"]) == (event.tag, "master")
    assert whole["received"] == "2026-01-02T03:04:05.928901Z"


def test_the_json_of_an_event_says_whose_it_is() -> None:
    whole = json.loads(envelope(returned(), "master"))

    assert [whole[key] for key in ("jid", "minion_id", "fun", "kind", "phase")] == [
        *(JID, MINION, "test.ping", "job", "ret")
    ]


class _Sink:
    """Refuses some events itself, and has a backend that refuses others; what it writes is written at once."""

    def __init__(self, unmade: str = "", refused: str = "", odd: str = "") -> None:
        self._unmade, self._refused, self._odd = unmade.split(), refused.split(), odd.split()
        self.written: list[str] = []

    def write(self, batch: Batch) -> None:
        """Write a batch, and bury what was not written of it."""
        made, refusals = make_each(batch, self._make)
        if any(jid in self._odd for _, jid in made):
            raise KeyError("a bug")
        self.written += [jid for _, jid in made if jid not in self._refused]
        bury(batch, refusals, [(position, "no") for position, jid in made if jid in self._refused])

    def _make(self, event: Event) -> str:
        if event.jid in self._unmade:
            raise Refused("cannot be made")
        return event.jid


class TestBurying:
    """Bad events are buried alone, and the good ones written once."""

    @pytest.mark.parametrize(
        ("unmade", "refused", "buried"),
        [
            pytest.param("", "", [], id="none"),
            pytest.param("1", "", [1], id="unmade"),
            pytest.param("", "4 2", [2, 4], id="refused"),
            pytest.param("0", "5 2", [0, 2, 5], id="both"),
            pytest.param("0 1 2 3 4 5", "", [0, 1, 2, 3, 4, 5], id="all-unmade"),
            pytest.param("0 1 2 3 4", "", [0, 1, 2, 3, 4], id="one-good"),
        ],
    )
    def test_the_good_ones_are_written_once(self, unmade: str, refused: str, buried: list[int]) -> None:
        # Given
        sink, noted = _Sink(unmade, refused), Buried()

        # When
        write_batch(sink, batch_of(numbered(4), numbered(2, start=4), buried=noted))

        # Then
        assert noted.positions == buried
        assert sink.written == [str(number) for number in range(6) if number not in buried]

    def test_a_backend_that_refuses_everything_holds_the_worker(self) -> None:
        # Given
        noted = Buried()

        # When / Then
        with pytest.raises(Doubted, match="all events of a batch are refused: no"):
            write_batch(_Sink("1", "0 2"), batch_of(numbered(3), buried=noted))
        assert noted.refusals == []

    def test_what_a_server_says_of_an_event_is_told_in_brief(self) -> None:
        # Given
        noted = Buried()
        said = "no\nto mongodb://salt:s3cret@host/ " + "x" * 100_000

        # When
        bury(batch_of(numbered(2), buried=noted), [], [(1, said)])

        # Then
        [(position, why)] = noted.refusals
        assert (position, why[:5], len(why) <= 500) == (1, "no to", True)
        assert "s3cret" not in why

    def test_an_event_that_comes_alone_and_is_refused_waits_for_another(self) -> None:
        # Given
        noted = Buried()

        # When / Then
        with pytest.raises(Doubted, match="all events of a batch are refused: no"):
            write_batch(_Sink(refused="0"), batch_of(numbered(1), buried=noted))
        assert noted.refusals == []

    def test_an_event_that_cannot_be_made_is_buried_though_it_comes_alone(self) -> None:
        # Given
        noted = Buried()

        # When
        write_batch(_Sink("0"), batch_of(numbered(1), buried=noted))

        # Then
        assert noted.refusals == [(0, "cannot be made")]

    def test_what_an_earlier_try_buried_is_forgotten_when_all_are_written(self) -> None:
        # Given
        noted = Buried()

        # When
        write_batch(_Sink(), batch_of(numbered(3), replay=True, buried=noted))

        # Then
        assert (noted.refusals, noted.calls) == ([], [None])

    def test_positions_hold_when_a_batch_is_split_for_another_reason(self) -> None:
        # Given: one event makes the worker stumble
        sink, noted = _Sink("1", "6", odd="3"), Buried()

        # When
        write_batch(sink, batch_of(numbered(8), buried=noted))

        # Then: each of the three is buried, and no other
        assert sorted(noted.positions) == [1, 3, 6]
        assert set(sink.written) == {"0", "2", "4", "5", "7"}

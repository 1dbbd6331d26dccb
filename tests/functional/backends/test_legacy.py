"""Old worker classes through Salt's loader: what they are given, and what becomes of what they raise."""

from __future__ import annotations

import json
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import salt.config
import yaml

from salt_eventsd.config import load as config_load
from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.engine.plan import make_plan
from salt_eventsd.event.parse import Event, for_route
from salt_eventsd.exceptions import ConfigError, Held, Refused, Transient
from salt_eventsd.operate.convert import convert
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.load import Loaded, load_modules, make
from salt_eventsd.workers.write import Context
from tests.support.delivery import deliver
from tests.support.docs import ROOT
from tests.support.events import JID, return_data, returned
from tests.support.lanes import chunk, keep, lane_of
from tests.support.stores import Buried, batch_of

#: Writes a line of JSON for all that it is asked to do.
RECORDER = """
import json


class Recorder(object):
    name = "Recorder"

    def setup(self, thread_id, **opts):
        self.path = opts["general"]["log"]
        self.bad = opts["general"].get("bad", [])
        self.note("setup", isinstance(thread_id, int), sorted(opts))

    def send(self, entry, event_set):
        if entry["data"]["jid"] in self.bad:
            raise KeyError("bad one")
        self.note("send", entry["data"]["jid"], event_set)

    def send_batch(self, events):
        self.note("send_batch", [(entry["tag"], event_set["colour"]) for entry, event_set in events])

    def shutdown(self):
        self.note("shutdown")

    def note(self, *what):
        with open(self.path, "a") as file:
            file.write(json.dumps(what) + "\\n")
"""


class Adapter:
    """An old class in a folder, and the worker that is made of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "backends"
        self.folder.mkdir()
        self.log = folder / "log"
        self.opts = {
            **salt.config.DEFAULT_MASTER_OPTS,
            "id": "master-1",
            "cachedir": str(folder / "cache"),
            "extension_modules": str(folder / "extmods"),
        }

    def settings(self, **general: Any) -> dict[str, Any]:
        """An old config."""
        return {
            "general": {"log": str(self.log), **general},
            "worker_credentials": {"all": {"username": "salt"}},
            "events": {
                "returns": {"backend": "Recorder", "fields": ["jid"], "subs": {"raid": {"fun": "raid"}}},
                "lots": {"backend": "Recorder", "batch_mode": True, "colour": "red"},
            },
        }

    def save(self, name: str, source: str) -> None:
        """Save a module."""
        (self.folder / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")

    def make(self, backend: str = "Recorder", **options: Any) -> Loaded:
        """Make a worker."""
        given = {"backend": backend, "backend_dir": str(self.folder), "settings": self.settings(), **options}
        return make(load_modules(self.opts), "legacy", Context("old", given, "master-1", 1, self.opts))

    def noted(self) -> list[Any]:
        """What the recorder was asked to do."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """A folder with the recorder in it."""
    made = Adapter(tmp_path)
    made.save("Recorder", RECORDER)
    return made


def event(jid: str, rule: str = "returns") -> Event:
    """A return that a rule took."""
    return for_route(returned(jid=jid), rule, "")


def test_each_batch_has_an_instance_that_is_set_up_and_shut_down(adapter: Adapter) -> None:
    # Given
    worker = adapter.make()

    # When
    worker.write(batch_of([event("1"), event("2")]))
    worker.write(batch_of([event("3")]))

    # Then
    keys = ["events", "general", "worker_credentials"]
    one = adapter.settings()["events"]["returns"]
    assert adapter.noted() == [
        ["setup", True, keys],
        ["send", "1", one],
        ["send", "2", one],
        ["shutdown"],
        ["setup", True, keys],
        ["send", "3", one],
        ["shutdown"],
    ]


def test_an_event_comes_with_what_the_old_config_says_of_it(adapter: Adapter) -> None:
    # When
    adapter.make().write(batch_of([event("1", "returns.subs.raid"), event("2", "unheard.of")]))

    # Then
    assert [one[2] for one in adapter.noted() if one[0] == "send"] == [{"fun": "raid"}, {}]


def test_events_in_batch_mode_come_together(adapter: Adapter) -> None:
    # When
    adapter.make().write(batch_of([event("1", "lots"), event("2"), event("3", "lots")]))

    # Then
    noted = [one for one in adapter.noted() if one[0].startswith("send")]
    assert [one[0] for one in noted] == ["send", "send_batch"]
    assert noted[1][1] == [[event("1").tag, "red"], [event("3").tag, "red"]]


@pytest.mark.parametrize(
    ("batch_mode", "method"),
    [pytest.param(True, "send", id="only send"), pytest.param(False, "send_batch", id="only batches")],
)
def test_a_class_with_one_of_the_two_gets_all_by_that_one(adapter: Adapter, batch_mode: bool, method: str) -> None:
    # Given
    argument = "entry, event_set" if method == "send" else "events"
    adapter.save(
        "Half",
        f"""
        class Half:
            got = []
            def setup(self, thread_id, **opts): pass
            def {method}(self, {argument}): self.got.append(1)
            def shutdown(self): pass
        """,
    )
    settings = {"events": {"returns": {"batch_mode": batch_mode}}}
    worker = adapter.make("Half", settings=settings)

    # When
    worker.write(batch_of([event("1"), event("2")]))

    # Then
    assert len(worker.worker._backend.got) == (2 if method == "send" else 1)


def test_what_an_instance_does_to_its_settings_is_gone_with_it(adapter: Adapter) -> None:
    # Given
    adapter.save(
        "Greedy",
        """
        class Greedy:
            def setup(self, thread_id, **opts): opts["general"].pop("log")
            def send(self, entry, event_set): event_set.clear()
            def shutdown(self): pass
        """,
    )
    worker = adapter.make("Greedy")

    # Then
    worker.write(batch_of([event("1")]))
    worker.write(batch_of([event("2")]))


def test_a_bad_event_is_set_aside_and_the_others_are_written(adapter: Adapter) -> None:
    # Given
    worker = adapter.make(settings=adapter.settings(bad=["2"]))
    buried = Buried()

    # When
    write_batch(worker, batch_of([event(jid) for jid in "1234"], buried=buried))

    # Then
    assert buried.refusals == [(1, "KeyError: 'bad one'")]
    assert {one[1] for one in adapter.noted() if one[0] == "send"} == {"1", "3", "4"}


@pytest.mark.parametrize("source", ["raise OSError('odd')", "raise KeyError('odd')", "sys.exit(3)"])
@pytest.mark.parametrize("events", [1, 100])
def test_one_event_stops_no_queue_whatever_it_makes_the_class_do(
    adapter: Adapter, tmp_path: Path, source: str, events: int
) -> None:
    # Given
    adapter.save(
        "Picky",
        f"""
        import sys
        class Picky:
            written = []
            def setup(self, thread_id, **opts): pass
            def send(self, entry, event_set):
                if entry["data"]["jid"] == "2": {source}
                self.written.append(entry["data"]["jid"])
            def shutdown(self): pass
        """,
    )
    spool = Spool(tmp_path / "spool")
    lane = lane_of(spool, adapter.make("Picky"), "sink", events=events)
    keep(lane, spool, *(chunk([event(jid)], "sink") for jid in "12345"))

    # When
    until = time.monotonic() + 10
    while lane.backlog.events and time.monotonic() < until:
        if chunks := lane.claim(time.time())[0]:
            lane.run(chunks)
            lane.flights.ended(chunks[0])

    # Then
    assert (lane.state, lane.backlog.events, lane.written, lane.buried) == ("ok", 0, 4, 1)
    spool.close()


@pytest.mark.parametrize(
    ("source", "raised", "says"),
    [
        pytest.param("raise OSError('away')", OSError, "away", id="away"),
        pytest.param("raise Transient('busy')", Transient, "busy", id="ours"),
        pytest.param("raise Refused('bad')", Refused, "bad", id="ours, refused"),
        pytest.param("raise ValueError('odd')", ValueError, "odd", id="any"),
        pytest.param("sys.exit(3)", Held, r"sys\.exit\(3\)", id="the end"),
    ],
)
@pytest.mark.parametrize("method", ["setup", "send", "shutdown"])
def test_what_it_raises_comes_out(
    adapter: Adapter, method: str, source: str, raised: type[Exception], says: str
) -> None:
    # Given
    methods = {
        "setup": "def setup(self, thread_id, **opts)",
        "send": "def send(self, entry, event_set)",
        "shutdown": "def shutdown(self)",
    }
    body = "\n".join(f"    {head}:\n        {source if name == method else 'pass'}" for name, head in methods.items())
    adapter.save(
        "Raises", f"import sys\nfrom salt_eventsd.exceptions import Refused, Transient\nclass Raises:\n{body}\n"
    )
    worker = adapter.make("Raises")

    # Then
    with pytest.raises(raised, match=says):
        worker.write(batch_of([event("1")]))


def test_what_it_raises_first_is_what_counts(adapter: Adapter) -> None:
    # Given
    adapter.save(
        "Raises",
        """
        class Raises:
            def setup(self, thread_id, **opts): pass
            def send(self, entry, event_set): raise OSError("first")
            def shutdown(self): raise SystemExit("second")
        """,
    )

    # Then
    with pytest.raises(OSError, match="first"):
        adapter.make("Raises").write(batch_of([event("1")]))


def test_modules_beside_it_can_be_imported(adapter: Adapter) -> None:
    # Given
    adapter.save("legacy_helper_of_mine", "def jid_of(entry): return entry['data']['jid']")
    adapter.save("Helped", f"from legacy_helper_of_mine import jid_of\n{RECORDER.replace('Recorder', 'Helped')}")

    # When
    adapter.make("Helped").write(batch_of([event("1")]))

    # Then
    assert adapter.noted()[1][1] == "1"


def test_check_sets_one_up_and_sends_nothing(adapter: Adapter) -> None:
    # When
    said = adapter.make().check()

    # Then
    assert said == "Recorder can be set up"
    assert [one[0] for one in adapter.noted()] == ["setup", "shutdown"]


def test_a_changed_file_is_read_again(adapter: Adapter) -> None:
    # Given
    adapter.make()
    adapter.save("Recorder", RECORDER.replace('"send"', '"sent anew"'))

    # When
    adapter.make().write(batch_of([event("1")]))

    # Then
    assert adapter.noted()[1][0] == "sent anew"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        pytest.param({"backend": "Missing"}, "backend_dir: there is no file {folder}/Missing.py", id="no file"),
        pytest.param({"backend_dir": "/nowhere"}, "backend_dir: there is no folder /nowhere; expected", id="no folder"),
        pytest.param({"backend": "../evil"}, "backend: expected the name of a class, got '../evil'", id="no name"),
        pytest.param({"backend": 5}, "backend: expected text, got number", id="a number"),
        pytest.param({"settings": [1]}, "settings: expected mapping, got list", id="settings that are a list"),
        pytest.param({"host": "h"}, "host: unknown key; known are backend, backend_dir, settings", id="unknown"),
    ],
)
def test_a_wrong_option_is_named(adapter: Adapter, options: dict[str, Any], line: str) -> None:
    # When
    with pytest.raises(ConfigError) as caught:
        adapter.make(**{"backend": "Recorder", **options})

    # Then
    [problem] = caught.value.problems
    assert problem.startswith(f"eventsd: workers.old.{line.format(folder=adapter.folder)}")


def test_a_backend_must_be_named(adapter: Adapter) -> None:
    with pytest.raises(ConfigError, match=r"workers\.old\.backend: missing"):
        make(load_modules(adapter.opts), "legacy", Context("old", {}, "master-1", 1, adapter.opts))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param("def f():\n    print 'old'\n", "Wrong.py:2: not Python 3: ", id="Python 2"),
        pytest.param("try:\n    pass\nexcept E, e:\n    pass\n", "Wrong.py:3: not Python 3: ", id="Python 2's except"),
        pytest.param("if True:\n        a = 1\n\tb = 2\n", "Wrong.py:3: not Python 3: ", id="tabs"),
        pytest.param("import no_such_module_at_all\n", "No module named 'no_such_module_at_all'", id="import"),
        pytest.param("import sys\nsys.exit(1)\n", "SystemExit: 1", id="exits"),
        pytest.param("1 / 0\n", "ZeroDivisionError", id="raises"),
        pytest.param("class Other: pass\n", "there is no class Wrong in ", id="no class"),
        pytest.param("Wrong = 5\n", "there is no class Wrong in ", id="not a class"),
        pytest.param("class Wrong: pass\n", "has no setup()", id="no setup"),
        pytest.param("class Wrong:\n def setup(self): pass\n", "has no send or send_batch()", id="no send"),
    ],
)
def test_a_class_that_cannot_be_loaded_is_named(adapter: Adapter, source: str, says: str) -> None:
    # Given
    adapter.save("Wrong", source)

    # When
    with pytest.raises(ConfigError) as caught:
        adapter.make("Wrong")

    # Then
    [problem] = caught.value.problems
    assert problem.startswith("eventsd: workers.old.backend: ")
    assert says in problem
    assert "\n" not in problem


def test_a_converted_config_runs_the_backends_of_its_own(adapter: Adapter, tmp_path: Path) -> None:
    # Given
    old = {
        "general": {"log": str(adapter.log), "backend_dir": str(adapter.folder)},
        "events": {
            "returns": {
                "tag": "salt/job/[0-9]*/ret/",
                "backend": "Recorder",
                "colour": "blue",
                "subs": {"raid": {"fun": "raid", "backend": "Recorder", "batch_mode": True, "colour": "red"}},
            }
        },
    }

    # When
    config = yaml.safe_load(convert(yaml.safe_dump(old)).text)
    buried = deliver(config, [(f"salt/job/{JID}/ret/m", return_data(fun="raid.status"))], tmp_path)

    # Then: the event has reached the class twice, as what its rule and as what the sub-event is
    assert [one.positions for one in buried.values()] == [[], []]
    sent = [one for one in adapter.noted() if one[0].startswith("send")]
    assert [one[0] for one in sent] == ["send", "send_batch"]
    assert sent[0][2]["colour"] == "blue"
    assert sent[1][1] == [[f"salt/job/{JID}/ret/m", "red"]]


def test_the_example_in_the_module_is_right(adapter: Adapter) -> None:
    # Given
    adapter.save("Inventory_Worker", RECORDER.replace("Recorder", "Inventory_Worker"))
    source = (ROOT / "_eventsd_workers" / "legacy.py").read_text(encoding="utf-8")
    example = textwrap.dedent(source.split(".. code-block:: yaml\n\n")[1].split('"""')[0])
    block = yaml.safe_load(example.replace("/etc/salt/eventsd_workers", str(adapter.folder)).replace("\\\\", "\\"))
    opts = {**adapter.opts, **block}

    # When
    plan = make_plan(config_load.load(opts), opts)

    # Then
    assert plan.problems == []

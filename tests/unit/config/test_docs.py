"""What the documentation says is so: every key, every default, and the worker it teaches to write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import salt.config
import yaml

from salt_eventsd.config import load as config_load
from salt_eventsd.config.structs import (
    BatchLimits,
    EventRule,
    General,
    JobCacheConfig,
    MetricsConfig,
    RedactConfig,
    Size,
    SpoolConfig,
    WorkerConfig,
)
from salt_eventsd.database.engines import SqlOptions
from salt_eventsd.exceptions import Transient
from salt_eventsd.workers.load import load_modules, make
from salt_eventsd.workers.write import Batch as WorkerBatch
from salt_eventsd.workers.write import Context
from tests.support import events
from tests.support.docs import ROOT, blocks, blocks_in

_REFERENCE = ROOT / "docs" / "configuration.rst"
#: The structs a user writes, each with where its keys stand.
_STRUCTS = {
    "": General,
    "spool.": SpoolConfig,
    "redact.": RedactConfig,
    "metrics.": MetricsConfig,
    "job_cache.": JobCacheConfig,
    "workers.<name>.": WorkerConfig,
    "workers.<name>.batch.": BatchLimits,
    "events.<name>.": EventRule,
}
#: Fields whose own keys are documented instead: they hold structs, or the keys of a worker's module.
_SECTIONS = {"spool", "redact", "metrics", "job_cache", "workers.<name>.batch"} | {
    f"workers.<name>.{name}" for name in ("options", "defaults")
}
_ENTRY = re.compile(r"^``([^`]+)``\n    Default: ``([^`]*)``", re.MULTILINE)


def _keys(structs: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, msgspec.structs.FieldInfo]]:
    for prefix, struct in structs:
        for one in msgspec.structs.fields(struct):
            if prefix + one.name not in _SECTIONS:
                yield prefix + one.name, one


def _fields() -> Iterator[Any]:
    for key, one in _keys([*_STRUCTS.items(), ("workers.<name>.", SqlOptions)]):
        yield pytest.param(key, one, id=key)


def _documented() -> dict[str, str]:
    return dict(_ENTRY.findall(_REFERENCE.read_text(encoding="utf-8")))


def _default(one: msgspec.structs.FieldInfo) -> Any:
    return one.default_factory() if one.default is msgspec.NODEFAULT else one.default


def _read(text: str, kind: Any) -> Any:
    value = None if text == "none" else yaml.safe_load(text)
    return msgspec.convert(value, kind, dec_hook=lambda wanted, given: Size.read(given))


@pytest.mark.parametrize(("key", "one"), list(_fields()))
def test_every_key_is_documented_with_its_default(key: str, one: msgspec.structs.FieldInfo) -> None:
    documented = _documented()

    assert key in documented, f"docs/configuration.rst has no entry for {key}"
    assert _read(documented[key], one.type) == _default(one)


def test_no_key_is_documented_that_does_not_exist() -> None:
    assert sorted(_documented()) == sorted(param.id for param in _fields())


def test_every_worker_module_is_named() -> None:
    entry = _REFERENCE.read_text(encoding="utf-8").partition("``workers.<name>.module``\n")[2].partition("\n\n")[0]
    named = entry.partition("module: ")[2].partition(", or one of your own")[0]

    there = sorted(path.stem for path in (ROOT / "_eventsd_workers").glob("*.py") if path.stem != "__init__")
    assert named.replace("`", "").replace("\n   ", "").split(", ") == there


class TestTheEnginesDocstring:
    """What Salt shows of the engine itself (``sys.doc``)."""

    @pytest.fixture
    def documented(self) -> dict[str, Any]:
        """The block of configuration that has all there is to set."""
        text = ast.get_docstring(ast.parse((ROOT / "_engines" / "eventsd.py").read_text(encoding="utf-8")))
        [_, (_, block)] = blocks_in(f"{text}\n", "yaml")
        found: dict[str, Any] = yaml.safe_load(block)
        return found

    def test_it_has_every_key(self, documented: dict[str, Any]) -> None:
        # Given
        block = documented["eventsd"]

        # When
        shown = {key for key, value in block.items() if key not in ("workers", "events", "defaults")}
        for section in ("spool", "redact", "metrics", "job_cache"):
            shown.remove(section)
            shown |= {f"{section}.{key}" for key in block[section]}
        for worker in block["workers"].values():
            shown |= {f"workers.<name>.{key}" for key in worker if key not in ("batch", "url")}
            shown |= {f"workers.<name>.batch.{key}" for key in worker.get("batch", {})}
        shown |= {f"events.<name>.{key}" for rule in _rules(block["events"]) for key in rule}

        # Then
        assert sorted(shown) == sorted({name for name, _ in _keys(_STRUCTS.items())})

    def test_what_it_says_is_right(self, documented: dict[str, Any], tmp_path: Path) -> None:
        config = config_load.load({"cachedir": str(tmp_path), **documented})

        assert config.general.spool == config_load.load({"cachedir": str(tmp_path)}).general.spool
        assert (config.general.max_workers, config.general.state_timer) == (General().max_workers, 5)
        assert config.workers["history"].batch == BatchLimits()


def _rules(events: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for rule in events.values():
        yield rule
        yield from _rules(rule.get("subs", {}))


def test_each_verb_of_the_runner_shows_how_it_is_called() -> None:
    tree = ast.parse((ROOT / "_runners" / "eventsd.py").read_text(encoding="utf-8"))
    verbs = [one for one in tree.body if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")]

    assert len(verbs) > 10
    for verb in verbs:
        [(_, example)] = blocks_in(f"{ast.get_docstring(verb)}\n", "bash")
        assert "CLI Example:\n\n.. code-block:: bash" in str(ast.get_docstring(verb))
        assert all(line.startswith(f"salt-run eventsd.{verb.name}") for line in example.splitlines()), example


def test_the_whole_of_the_configuration_is_looked_at() -> None:
    # Given: all structs that can be reached from the outermost
    found = {General, WorkerConfig, EventRule}
    while True:
        inner = {
            kind
            for struct in found
            for one in msgspec.structs.fields(struct)
            for kind in (one.type, *getattr(one.type, "__args__", ()))
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        }
        if inner <= found:
            break
        found |= inner

    # Then
    assert found == set(_STRUCTS.values())


def test_the_default_configuration_is_the_one_documented(tmp_path: Path) -> None:
    # Given
    opts = {"cachedir": str(tmp_path)}
    [block] = [text for _, text in blocks(_REFERENCE, "yaml") if "sqlite:///<cachedir>/eventsd/history.db" in text]

    # When
    documented = config_load.load({**opts, **yaml.safe_load(block)})

    # Then
    assert documented == config_load.load(opts)


def test_what_stands_under_engines_counts(tmp_path: Path) -> None:
    # Given
    name, block = next(blocks(_REFERENCE, "yaml"))

    # When
    config = config_load.load({"cachedir": str(tmp_path), **yaml.safe_load(block)})

    # Then
    assert config.general.max_workers == 8, name


class TestTheWorkerTaught:
    """The example of docs/writing_a_worker.rst, saved, loaded and used as it says."""

    @pytest.fixture
    def worker(self, tmp_path: Path) -> Any:
        """The example's worker, writing into ``events.jsonl``."""
        folder = tmp_path / "eventsd_workers"
        folder.mkdir()
        page = ROOT / "docs" / "writing_a_worker.rst"
        code = next(text for _, text in blocks(page, "python") if "def worker" in text)
        (folder / "lines.py").write_text(code, encoding="utf-8")
        [(_, config)] = blocks(page, "yaml")
        opts = {
            **salt.config.DEFAULT_MASTER_OPTS,
            **yaml.safe_load(config.replace("/var/log/salt", str(tmp_path))),
            "cachedir": str(tmp_path),
            "eventsd_workers_dirs": [str(folder)],
        }
        settings = config_load.load(opts).workers["lines"]
        modules = load_modules(opts)
        return make(modules, settings.module, Context("lines", settings.options, "master", 1, opts))

    def test_it_writes(self, worker: Any, tmp_path: Path) -> None:
        # Given
        batch = WorkerBatch("spool", ((1, 2),), [events.returned("one", jid="1"), events.returned("two", jid="2")])

        # When
        worker.write(batch)

        # Then
        lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
        assert [(one["jid"], one["return"]) for one in map(msgspec.json.decode, lines)] == [("1", "one"), ("2", "two")]

    def test_it_is_tried_again_where_it_cannot(self, worker: Any, tmp_path: Path) -> None:
        # Given
        (tmp_path / "events.jsonl").mkdir()

        # Then
        with pytest.raises(Transient, match="Is a directory"):
            worker.write(WorkerBatch("spool", ((1, 1),), [events.returned()]))

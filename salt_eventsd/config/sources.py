"""
Looks at the files that Salt reads its configuration from, for ``eventsd.check``.

Salt treats a file that it cannot parse as an empty one, and accepts any key that it does not know. This module says
which files there are, and what in them was probably meant for the engine but does not reach it.
"""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import salt.config
import salt.utils.dictupdate
import salt.utils.yaml

from salt_eventsd.config.plain import said, yaml_fault
from salt_eventsd.config.structs import General

#: The keys of Salt's configuration that concern the engine.
OURS = ("eventsd", "engines")
#: What may stand under ``eventsd:``.
_BELOW = frozenset((*General.__struct_fields__, "workers", "events", "defaults"))
#: Suffixes of files that were probably meant as configuration, though Salt reads only files that end in .conf.
_MEANT = ("", ".yaml", ".yml", ".sls")
_LONGEST = 2**22
_DEEPEST = 20
_NOT_YAML = "not YAML: "


@dataclass(frozen=True)
class Source:
    """
    A file of Salt's configuration.

    :param data: its content; {} if it cannot be read.
    :param problem: why it cannot be read; "" if it can.
    :param group: which of Salt's steps reads it. A key of a later step replaces the same key of an earlier one.
    """

    path: str
    data: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    group: int = 0
    is_there: bool = True

    @property
    def told(self) -> str:
        """The state of the file in a few words."""
        if not self.is_there:
            return "not there; Salt's defaults hold"
        if self.problem:
            return f"not read: {self.problem}"
        return f"read, has {' and '.join(found)}" if (found := [key for key in OURS if key in self.data]) else "read"

    @property
    def fault(self) -> str:
        """What is wrong with the file, in a sentence; "" if nothing is."""
        return f"eventsd: {self.path}: {self.problem}; Salt goes on without this file" if self.problem else ""

    @property
    def concerns_us(self) -> bool:
        """Whether the file concerns the engine, as far as that can be seen in a broken file."""
        try:
            return any(word in Path(self.path).read_bytes()[:_LONGEST] for word in (b"eventsd", b"engines"))
        except OSError:
            return True


def read_file(path: str, group: int = 0) -> Source:
    """
    Read a file as Salt does.

    :param path: the path of the file.
    :param group: see :class:`Source`.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LONGEST + 1)
        if len(text) > _LONGEST:
            return Source(path, problem=f"longer than {_LONGEST} characters", group=group)
        data = salt.utils.yaml.safe_load(text)
    except OSError as exc:
        return Source(path, problem=f"{exc.strerror or exc}", group=group)
    except UnicodeDecodeError as exc:
        return Source(path, problem=f"not text in UTF-8: byte {exc.object[exc.start]:#04x} at {exc.start}", group=group)
    except salt.utils.yaml.YAMLError as exc:
        return Source(path, problem=f"{_NOT_YAML}{yaml_fault(exc, text)}", group=group)
    except Exception as exc:
        return Source(path, problem=f"{_NOT_YAML}{said(exc)}", group=group)
    if data is None:
        return Source(path, group=group)
    if not isinstance(data, Mapping):
        kind = "text" if isinstance(data, str) else f"a {type(data).__name__}"
        return Source(path, problem=f"expected a mapping such as eventsd: ..., got {kind}", group=group)
    return Source(path, data, group=group)


def read_sources(opts: Mapping[str, Any]) -> tuple[list[Source], list[str]]:
    """
    Return the files of Salt's configuration in the order in which Salt reads them, and notes about files it does not
    read.

    :param opts: Salt's options; this uses ``conf_file``.
    """
    path = str(opts.get("conf_file") or "")
    if not path:
        return [], []
    if not os.path.exists(path):
        return [Source(path, is_there=False)], []
    main = read_file(path)
    is_master = opts.get("__role", "master") == "master"
    usual = (salt.config.DEFAULT_MASTER_OPTS if is_master else salt.config.DEFAULT_MINION_OPTS)["default_include"]
    sources, notes = [main], list[str]()
    patterns = main.data.get("default_include", usual)
    sources += _included(patterns, path, 1, {path}, notes, told=False)
    sources += _included(main.data.get("include"), path, 2, {path}, notes)
    notes += [f"{one}: Salt does not read it, for its name does not fit {patterns}" for one in _beside(patterns, path)]
    return sources, notes


def not_yaml(opts: Mapping[str, Any]) -> list[str]:
    """
    Return the errors of files that concern the engine and are not YAML. Salt treats such files as empty.

    :param opts: Salt's options.
    """
    return [one.fault for one in read_sources(opts)[0] if one.problem.startswith(_NOT_YAML) and one.concerns_us]


def effective(sources: list[Source]) -> dict[str, Any]:
    """
    Return the keys that concern the engine, merged as Salt merges them.

    :param sources: from :func:`read_sources`.
    """
    made: dict[str, Any] = {}
    for group in sorted({source.group for source in sources}):
        step: dict[str, Any] = {}
        for source in sources:
            if source.group == group:
                ours = {key: source.data[key] for key in OURS if key in source.data}
                salt.utils.dictupdate.update(step, ours, True, True)
        made.update(step)
    return made


def replaced(sources: list[Source]) -> list[str]:
    """
    Return a line for each key that Salt ignores because a later file replaces it.

    :param sources: from :func:`read_sources`.
    """
    found = []
    for key in OURS:
        having = [source for source in sources if source.data.get(key)]
        last = max((source.group for source in having), default=0)
        winners = " and ".join(source.path for source in having if source.group == last)
        found += [
            f"{source.path}: {key} there is replaced as a whole by that in {winners}; put them together in one file"
            for source in having
            if source.group < last and source.data[key] != effective(sources).get(key)
        ]
    return found


def misplaced(sources: list[Source]) -> tuple[list[str], list[str]]:
    """
    Return what was probably meant for the engine but does not reach it: certain cases, then possible ones.

    :param sources: from :func:`read_sources`.
    """
    wrong: list[str] = []
    odd: list[str] = []
    known = {*salt.config.VALID_OPTS, *OURS, "eventsd_workers_dirs"}
    is_configured = any(source.data.get("eventsd") for source in sources)
    for source in sources:
        for key in map(str, source.data):
            if key not in known and (near := difflib.get_close_matches(key.lower(), OURS, 1, 0.8)):
                wrong.append(f"{source.path}: {key}: no such key; did you mean {near[0]!r}?")
        stray = sorted(_BELOW.difference(known).intersection(map(str, source.data)))
        if stray and not source.data.get("eventsd"):
            line = f"{source.path}: {', '.join(stray)}: not under eventsd; indent it if it is meant for the engine"
            (wrong if "eventsd" in source.data else odd).append(line)
        for path in _nested(source.data, (), set()):
            line = f"{source.path}: {path}: not at the beginning of a line, so it is not the engine's"
            (odd if is_configured else wrong).append(line)
    return wrong, odd


def _nested(value: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[str]:
    """
    Yield the paths at which ``eventsd`` stands under another key than ``engines``, which is a place for it.

    :param seen: the ids of values already visited: YAML aliases may repeat the same value a billion times.
    """
    if len(path) > _DEEPEST or id(value) in seen or path[:1] == ("engines",):
        return
    if isinstance(value, Mapping):
        seen.add(id(value))
        for key, one in value.items():
            if path and key == "eventsd" and isinstance(one, Mapping) and _BELOW.intersection(map(str, one)):
                yield ".".join(part for part in (*path, key) if part)
            elif path or key != "eventsd":
                yield from _nested(one, (*path, str(key)), seen)
    elif isinstance(value, list):
        seen.add(id(value))
        for one in value:
            yield from _nested(one, (*path, ""), seen)


def _included(
    patterns: Any, origin: str, group: int, seen: set[str], notes: list[str], told: bool = True
) -> Iterator[Source]:
    for pattern in [patterns] if isinstance(patterns, str) else patterns or []:
        full = os.path.join(os.path.dirname(origin), os.path.expanduser(str(pattern)))
        matching = sorted(glob.glob(full))
        if not matching and told:
            notes.append(f"{origin}: include: no file fits {pattern}")
        for path in matching:
            if path in seen:
                continue
            seen.add(path)
            source = read_file(path, group)
            yield source
            yield from _included(source.data.get("include"), path, group, seen, notes)


def _beside(patterns: Any, origin: str) -> Iterator[str]:
    for pattern in [patterns] if isinstance(patterns, str) else patterns or []:
        full = os.path.join(os.path.dirname(origin), os.path.expanduser(str(pattern)))
        for path in sorted(Path(os.path.dirname(full)).glob("*")):
            if path.suffix in _MEANT and path.is_file() and path not in map(Path, glob.glob(full)):
                source = read_file(str(path))
                if any(key in source.data for key in OURS):
                    yield str(path)

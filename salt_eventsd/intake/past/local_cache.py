"""
Walk through the files of Salt's own job cache, ``<cachedir>/jobs``, and tell of each job: one file after the other, so
that a million jobs need no more memory than one.

The folder of a job is ``<2 characters>/<62 characters>``, a hash of its id. It holds ``jid``, ``.load.p``,
``.minions.p``, ``.minions.<syndic>.p`` and a folder for each minion, with ``return.p`` and ``out.p``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from salt.returners import local_cache

from salt_eventsd.event.codec import decode
from salt_eventsd.event.parse import text_of
from salt_eventsd.event.weight import LIGHT_BYTES, is_heavy
from salt_eventsd.intake.origin import Origins
from salt_eventsd.intake.past.frames import expected, is_of_return, returns, starts
from salt_eventsd.intake.past.told import Item, Items, Place, SourceError, Told, Unread, Wanted, began_at

#: The name Salt has for it.
NAME = "local_cache"
#: A larger file is not read, in bytes.
_LARGEST = 64 * 2**20
#: So many names of syndics are looked at, which any minion can make up.
_MOST_SYNDICS = 1000
#: Longer ids of jobs are not read.
_LONGEST_JID = 4096
_SYNDIC = local_cache.SYNDIC_MINIONS_P.partition("{")[0]
#: What a file that is broken, or hostile, makes reading raise.
_UNREADABLE = (OSError, ValueError, RecursionError, msgspec.DecodeError)
_mapping = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_names = msgspec.msgpack.Decoder(list[Any]).decode
_any = msgspec.msgpack.Decoder(msgspec.Raw).decode


def folder_of(opts: Any) -> Path:
    """
    Return where Salt's own job cache is.

    :param opts: Salt's options.
    """
    return Path(str(opts.get("cachedir") or "/var/cache/salt/master"), "jobs")


def tell(root: Path, wanted: Wanted, origins: Origins, after: str = "") -> Items:
    """
    Tell of all jobs, in the order of their folders.

    :param root: the folder of the job cache.
    :param wanted: of which time.
    :param origins: says whose word is taken for a job's minions.
    :param after: only of folders behind this place.
    :raises SourceError: there is no such folder, or it may not be read.
    """
    for key, folder in _folders(root, after):
        yield from _job(key, folder, wanted, origins)
        yield Place(key)


def strange_syndics(root: Path, origins: Origins) -> list[str]:
    """
    Return some of those who have sent returns as a syndic, and are not believed to be one. Salt notes their names.

    :param root: the folder of the job cache.
    :param origins: says who is believed.
    """
    try:
        with os.scandir(root.parent / "syndics") as found:
            names = [one.name for one in islice(found, _MOST_SYNDICS)]
    except OSError:
        return []
    return sorted(name for name in names if not origins.believes_syndic(name))


def _folders(root: Path, after: str) -> Iterator[tuple[str, Path]]:
    try:
        tops = sorted(os.listdir(root))
    except OSError as exc:
        raise SourceError(f"source: {NAME}: {root}: {exc.strerror}") from None
    for top in tops:
        if top < after.partition("/")[0]:
            continue
        try:
            names = sorted(os.listdir(root / top))
        except OSError:
            # A file of somebody's, or a folder that Salt has just cleaned away.
            continue
        for name in names:
            if (key := f"{top}/{name}") > after:
                yield key, root / top / name


def _job(key: str, folder: Path, wanted: Wanted, origins: Origins) -> Iterator[Item]:
    try:
        changed = folder.stat().st_mtime
        if wanted.as_kept and changed < wanted.since:
            return
        names = sorted(os.listdir(folder))
    except OSError:
        return
    load: dict[str, Any] | None = None
    unread = []
    kept = 0.0
    if local_cache.LOAD_P in names:
        try:
            load = _load(folder / local_cache.LOAD_P)
            kept = _kept(folder / local_cache.LOAD_P)
        except FileNotFoundError:
            # Salt cleans its job cache while this reads it.
            return
        except _UNREADABLE as exc:
            unread.append(Unread(f"{key}/{local_cache.LOAD_P}", _why(exc)))
    jid = _jid(folder / "jid") or text_of((load or {}).get("jid"))
    began = began_at(jid, changed)
    if not wanted.job(began, changed):
        return
    yield from unread
    meant: frozenset[str] | None = None
    if jid and load and not is_of_return(load):
        minions, named, unread = _named(key, folder, names)
        yield from unread
        meant = expected(minions, origins)
        if wanted.piece(max(kept, named)):
            yield from starts(jid, load, minions, began, origins)
    for name in names:
        if not name.startswith("."):
            for one in _return(key, folder / name, jid, load, wanted):
                is_odd = isinstance(one, Told) and not one.is_start and meant is not None and name not in meant
                yield one._replace(is_expected=False) if isinstance(one, Told) and is_odd else one


def _named(key: str, folder: Path, names: list[str]) -> tuple[dict[str, list[str]], float, list[Unread]]:
    """Return the minions of a job by who has named them, when that was kept, and what cannot be read of it."""
    minions: dict[str, list[str]] = {}
    unread = []
    kept = 0.0
    for name in names:
        if name == local_cache.MINIONS_P:
            syndic = ""
        elif name.startswith(_SYNDIC) and name.endswith(".p"):
            syndic = name[len(_SYNDIC) : -len(".p")]
        else:
            continue
        try:
            minions[syndic] = _minions(folder / name)
            kept = max(kept, _kept(folder / name))
        except FileNotFoundError:
            continue
        except _UNREADABLE as exc:
            unread.append(Unread(f"{key}/{name}", _why(exc)))
    return minions, kept, unread


def _return(key: str, folder: Path, jid: str, load: dict[str, Any] | None, wanted: Wanted) -> Iterator[Item]:
    path = folder / local_cache.RETURN_P
    what = f"{key}/{folder.name}/{path.name}"
    try:
        kept = _kept(path)
        if not wanted.piece(kept):
            return
        packed = _bytes(path)
        try:
            found = _mapping(packed)
        except msgspec.ValidationError:
            found = {}
        if "return" not in found:
            # A release of long ago kept what was returned and nothing else.
            found = {"return": _any(packed)}
        if (out := folder / local_cache.OUT_P).exists():
            found["out"] = _any(_bytes(out))
        told = returns(jid, folder.name, load, found, kept) if jid else []
    except (FileNotFoundError, NotADirectoryError):
        # There is none, or none any more.
        return
    except _UNREADABLE as exc:
        yield Unread(what, _why(exc))
        return
    if not told:
        yield Unread(what, "nobody has kept which job and function it is of")
    yield from told


def _minions(path: Path) -> list[str]:
    packed = _bytes(path)
    # Any minion can have the master write such a file, with anything at all in it.
    if len(packed) > LIGHT_BYTES and is_heavy(packed):
        raise ValueError("it holds too many values")
    return [text_of(one) for one in _names(packed)]


def _load(path: Path) -> dict[str, Any]:
    """Return a load without what was returned, if it is that of a return."""
    found = dict(_mapping(_bytes(path)))
    is_return = "return" in found
    found.pop("return", None)
    packed = msgspec.msgpack.encode(found)
    if len(packed) > LIGHT_BYTES and is_heavy(packed):
        raise ValueError("it holds too many values")
    load = decode(packed)
    if not isinstance(load, dict):
        raise ValueError("it is no mapping")
    return {**load, "return": None} if is_return else load


def _jid(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_JID).decode("utf-8", "backslashreplace").strip()
    except OSError:
        return ""


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        if (size := os.fstat(file.fileno()).st_size) > _LARGEST:
            raise ValueError(f"it has {size} bytes, and no more than {_LARGEST} are read")
        return file.read(_LARGEST)


def _kept(path: Path) -> float:
    return path.stat().st_mtime


def _why(exc: Exception) -> str:
    return (exc.strerror if isinstance(exc, OSError) else str(exc)) or type(exc).__name__

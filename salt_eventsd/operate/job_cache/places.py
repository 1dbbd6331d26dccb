"""
Where a process of Salt's finds the doorstep, and what is redacted before anything gets there.

A wrong configuration must not end a publication: what cannot be read of it has its default.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt.loader.context import NamedLoaderContext

from salt_eventsd.config.options import engines_of, merged, placed
from salt_eventsd.config.plain import said, without_empty
from salt_eventsd.config.structs import RedactConfig, Size, SpoolConfig
from salt_eventsd.spool.doorstep import Doorstep

if TYPE_CHECKING:
    from salt_eventsd.redact import Redactor

log = logging.getLogger(__name__)

#: The options that decide; with others, a process has other places.
_DECIDING = ("eventsd", "engines", "cachedir", "conf_file", "id", "__role")


class Places:
    """
    The places of one configuration.

    :param opts: Salt's options.
    :ivar is_drained: whether there is an engine, or there may be one, that takes in what is on the doorstep.
    """

    def __init__(self, opts: Mapping[str, Any]) -> None:
        block = _block(opts)
        spool = _part(block, "spool")
        default = SpoolConfig()
        folder = spool.get("dir") if isinstance(spool.get("dir"), str) else default.dir
        cachedir = str(opts.get("cachedir") or "/var/cache/salt/master")
        self._redact = _part(block, "redact")
        #: The return that was redacted last, before and after; Salt hands over each one twice.
        self.latest: tuple[bytes, bytes] = (b"", b"")
        self.doorstep = Doorstep(Path(placed(folder, cachedir)), _size(spool.get("max_bytes"), int(default.max_bytes)))
        self.is_drained = opts.get("__role") != "minion" or bool(_engines(opts))

    @cached_property
    def redactor(self) -> Redactor:
        """What the engine redacts."""
        # It takes a while to load, and whoever only reads does not need it.
        import msgspec

        from salt_eventsd.redact import compile_redactor

        try:
            found = msgspec.convert(without_empty(dict(self._redact)), RedactConfig)
        except msgspec.ValidationError as exc:
            log.error("eventsd: redact: %s; only what is masked by default is masked", said(exc))
            found = RedactConfig()
        return compile_redactor(found.keys, found.values, found.by_function)


_KNOWN: list[tuple[dict[str, Any], Places]] = []
#: The options that were asked for last, with their places: Salt hands over the same ones each time.
_LAST: list[tuple[Any, Places]] = []
_LOCK = threading.Lock()
#: A process has one configuration; tests have more.
_MOST_KNOWN = 4


def places_of(opts: Mapping[str, Any]) -> Places:
    """
    Return the places of a configuration, the same ones each time.

    :param opts: Salt's options.
    """
    # Salt's loader has the options of the process behind a name of each module's.
    told = opts.value() if isinstance(opts, NamedLoaderContext) else opts
    if _LAST and _LAST[0][0] is told:
        return _LAST[0][1]
    deciding = {name: opts.get(name) for name in _DECIDING}
    for known, places in _KNOWN:
        if known == deciding:
            _LAST[:] = [(told, places)]
            return places
    with _LOCK:
        places = Places(opts)
        _KNOWN.insert(0, (deciding, places))
        del _KNOWN[_MOST_KNOWN:]
    return places


def _block(opts: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return merged(opts)
    except Exception as exc:
        log.error("eventsd: the configuration cannot be read, its defaults hold: %s", said(exc))
        return {}


def _part(block: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = block.get(name)
    return part if isinstance(part, Mapping) else {}


def _size(value: Any, default: int) -> int:
    try:
        return int(Size.read(value)) if value is not None else default
    except (TypeError, ValueError):
        return default


def _engines(opts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    try:
        return engines_of(opts.get("engines"))
    except Exception:
        return []

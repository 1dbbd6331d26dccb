"""
Redact: replaces the secrets in a payload with ``***``, before the spool writes the event to disk.

=================== ======================================================================
:mod:`redactor`     the door for other rooms; compiles the ``redact`` block of the configuration
:mod:`families`     what ``redact.keys`` adds to the default, and takes out of it
:mod:`structure`    mappings and lists: keys, pairs, options
:mod:`inside`       all texts of a payload, and which of its mappings need no look
:mod:`hidden`       which values beside a secret's name are masked
:mod:`own_patterns` what ``redact.values`` finds, in bounded time
:mod:`text`         one text: the passes through it
:mod:`by_name`      values in a text with a secret's name beside them
:mod:`by_word`      the same where only blanks or words stand between name and value
:mod:`by_look`      private keys, URLs, SQL, and the shapes of :mod:`shapes`
:mod:`commands`     passwords in options of command lines
:mod:`names`        which names are names of secrets, judged by the words of :mod:`vocabulary`
:mod:`values`       where the value of a name ends
:mod:`places`       where lines, words, strings and brackets end, which :mod:`values` builds on
:mod:`finder`       searches for many expressions at once
:mod:`error_text`   an error as one line, as a location, as a traceback, without secrets
:mod:`own_secrets`  the passwords of workers, which an error's text might contain
=================== ======================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salt_eventsd.redact.redactor import Redactor, compile_redactor
    from salt_eventsd.redact.text import MASK

__all__ = ["MASK", "Redactor", "compile_redactor"]


def __getattr__(name: str) -> Any:
    # Its expressions take a tenth of a second to compile, and whoever only asks the history redacts nothing.
    if name not in __all__:
        raise AttributeError(name)
    from salt_eventsd.redact import redactor

    return getattr(redactor, name)

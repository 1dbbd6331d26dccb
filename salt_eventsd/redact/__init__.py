"""
Redact: secrets in a payload become ``***`` before the spool, the first place that touches a disk.

=================== ======================================================================
:mod:`redactor`     what the configuration makes of it, and the door for all others
:mod:`families`     what its keys add to the default, and take out
:mod:`structure`    mappings and lists: keys, pairs, options
:mod:`text`         texts: the passes through one
:mod:`by_name`      what a name beside it says is secret
:mod:`by_word`      the same where nothing but a blank, or words, are between them
:mod:`by_look`      private keys, URLs, SQL, and the shapes of :mod:`shapes`
:mod:`commands`     options of command lines
:mod:`names`        which names say so
:mod:`values`       where a value ends
:mod:`finder`       many things looked for at once
:mod:`error_text`   errors as one line, as a place, as a traceback, without secrets
:mod:`own_secrets`  the passwords of workers, which an error might tell
=================== ======================================================================
"""

from salt_eventsd.redact.redactor import Redactor, compile_redactor
from salt_eventsd.redact.text import MASK

__all__ = ["MASK", "Redactor", "compile_redactor"]

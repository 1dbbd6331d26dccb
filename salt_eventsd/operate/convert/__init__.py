"""
Convert: turn a configuration of salt-eventsd 0.9.3 into one of today, as YAML with a comment for each choice and for
whatever is left out.

- ``converter`` is the whole of it; ``source`` reads the old files, ``old`` says what they may hold
- ``general`` converts the daemon's settings, ``backends`` its backends to workers, ``rules`` its events to rules
- ``destinations`` says where a rule's events go, ``template`` and ``parameters`` make statements of old templates
- ``block`` writes the YAML, ``notes`` collects the comments
"""

from salt_eventsd.operate.convert.converter import Converted, convert
from salt_eventsd.operate.convert.source import convert_path

__all__ = ["Converted", "convert", "convert_path"]

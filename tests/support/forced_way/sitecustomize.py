"""What each Python process of a run with ``EVENTSD_WAY`` does first: see :mod:`tests.support.ways`."""

import os
import sys

sys.path.insert(0, os.environ["EVENTSD_WAY_ROOT"])
try:
    from tests.support.ways import forced
except ImportError:
    # A Python without the package, such as that of a server.
    pass
else:
    # Kept: one that is let go ends.
    way = forced(os.environ.get("EVENTSD_WAY", ""))
    way.__enter__()
finally:
    del sys.path[0]

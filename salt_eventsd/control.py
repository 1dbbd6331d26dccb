"""The command ``python -m salt_eventsd.control``: ask the engine of a minion, where there is no ``salt-run``."""

import sys

from salt_eventsd.engine.control import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The command ``python -m salt_eventsd.ruletest``: test rules where there is no master."""

import sys

from salt_eventsd.operate.ruletest import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

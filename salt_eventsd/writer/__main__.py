"""``python -m salt_eventsd.writer`` is the command ``salt-eventsd-writer``."""

import sys

from salt_eventsd.writer.main import main

sys.exit(main())

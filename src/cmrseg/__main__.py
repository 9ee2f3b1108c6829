"""``python -m cmrseg``: the command line."""

import sys

from cmrseg.cli.main import main

sys.exit(main())

"""``python -m cmrseg_lab``: the command line of the lab."""

import sys

from cmrseg_lab.cli.main import main

sys.exit(main())

"""``python -m graphc``: the command."""

import sys

from graphc.cli import main

sys.exit(main())

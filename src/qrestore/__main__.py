"""`python -m qrestore`."""

import sys

from qrestore.cli import main

sys.exit(main())

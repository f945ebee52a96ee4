"""``python -m ecgpage``."""

import sys

from ecgpage.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""Make `python -m geomrob` the same as the `geomrob` command."""

import sys

from geomrob.cli import main

if __name__ == "__main__":
    sys.exit(main())

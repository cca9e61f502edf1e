"""python -m torchship: the command line, and where the parts for C++ are."""

import sys

from torchship.cli import main

if __name__ == "__main__":
    sys.exit(main())

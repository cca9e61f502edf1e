"""Arguments of the commands that need Python, refused as the executable refuses them."""

import argparse
import sys
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Bad usage is one line, a hint and status 2."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(prog=f"torchship {command}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        print(f"torchship: error: {message}", file=sys.stderr)
        print(f"torchship: hint: {self.prog} --help lists the options", file=sys.stderr)
        sys.exit(2)

"""The door: ``clawrack`` and ``python -m clawrack``."""

import sys

from clawrack.cli.door import run


def main() -> None:
    """Run the command line and leave with its exit code (see fleet/base/errors.py)."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

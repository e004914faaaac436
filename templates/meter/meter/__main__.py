"""``python3 -m meter``: serve; ``report --json``: what has been used; ``check DIR``: is a configuration right.

``ready``: does this very version serve here, and is it well.
"""

import argparse
import json
import sys
from pathlib import Path

from . import VERSION
from .settings import from_environment


def main(words: list[str] | None = None) -> int:
    """Run one of the four and return the exit code: 0, 1 (``check`` or ``ready`` says no), 2 (bad options), serve's."""
    asked = _parser().parse_args(words)
    if asked.command == "report":
        return _report(asked.ledger, asked.since)
    if asked.command == "check":
        return _check(asked.folder)
    if asked.command == "ready":
        return _ready(asked.within)
    return _serve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="meter", description=__doc__)
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve until SIGTERM (the default)")
    usage = commands.add_parser("report", help="print the ledger's sums")
    usage.add_argument("--json", action="store_true", required=True, help="as JSON, the one form there is")
    usage.add_argument("--since", default="", metavar="YYYY-MM-DD", help="the first day")
    usage.add_argument("--ledger", type=Path, help="another ledger than the meter's own")
    check = commands.add_parser("check", help="validate a configuration's folder")
    check.add_argument("folder", type=Path, metavar="DIR")
    ready = commands.add_parser("ready", help="wait until this version serves here, and is well")
    ready.add_argument("--within", type=float, default=0.0, metavar="SECONDS")
    return parser


def _serve() -> int:
    from .serve import run  # noqa: PLC0415 (a report must not wait for a web server's import)

    try:
        settings = from_environment()
    except ValueError:
        print("meter: CLAWRACK_METER_LISTEN is not HOST:PORT", file=sys.stderr)
        return 2
    return run(settings)


def _report(ledger: Path | None, since: str) -> int:
    from .clock import WallClock  # noqa: PLC0415 (likewise)
    from .ledger import LedgerUnusable  # noqa: PLC0415
    from .report import report  # noqa: PLC0415

    try:
        sums = report(ledger or from_environment().ledger, WallClock(), since)
    except LedgerUnusable as error:
        print(f"meter: {error}", file=sys.stderr)
        return 74
    json.dump(sums, sys.stdout, ensure_ascii=False)
    print()
    return 0


def _check(folder: Path) -> int:
    from .check import problems  # noqa: PLC0415 (likewise)
    from .kinds import KINDS  # noqa: PLC0415

    found = problems(folder, KINDS)
    for problem in found:
        print(problem)
    return 1 if found else 0


def _ready(within: float) -> int:
    from .ready import wait  # noqa: PLC0415 (likewise)

    why = wait(from_environment().port, within)
    print(f"meter: {why}" if why else VERSION, file=sys.stderr if why else sys.stdout)
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())

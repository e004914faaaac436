"""One command on each of 100 machines over connections that are open, against asyncssh.

One line of JSON: medians in seconds of the best of five sweeps, and their ratio. Wanted: at most 1.2.
Run as root: ``uv run --isolated --group bench benchmarks/wire_warm.py``.
"""

import json
import sys

from wire_fleet import HOSTS, fleet, interleaved, median

ROUNDS = 7


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with fleet() as folder:
        runs = interleaved(("ours", "asyncssh"), folder, rounds)
    ours, theirs = median(runs["ours"], "warm"), median(runs["asyncssh"], "warm")
    told = {
        "benchmark": "wire_warm",
        "hosts": HOSTS,
        "rounds": rounds,
        "ours_s": ours,
        "asyncssh_s": theirs,
        "ratio": round(ours / theirs, 3),
        "at_most": 1.2,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()

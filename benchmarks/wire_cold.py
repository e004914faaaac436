"""Connect to 100 machines cold and run one command on each, against asyncssh and ``ansible -m ping``.

One line of JSON: medians in seconds, and their ratios. Wanted: at most 1.15 times asyncssh, and ansible at least 15
times as slow as we are. Run as root: ``uv run --isolated --group bench benchmarks/wire_cold.py``.
"""

import json
import statistics
import sys

from wire_fleet import HOSTS, ansible, fleet, interleaved, median

ROUNDS = 7
ANSIBLE_ROUNDS = 2


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with fleet() as folder:
        runs = interleaved(("ours", "asyncssh"), folder, rounds)
        pings = [seconds for _ in range(ANSIBLE_ROUNDS) if (seconds := ansible(folder)) is not None]
    ours, theirs = median(runs["ours"], "cold"), median(runs["asyncssh"], "cold")
    ping = round(statistics.median(pings), 2) if pings else None
    print(
        json.dumps(
            {
                "benchmark": "wire_cold",
                "hosts": HOSTS,
                "rounds": rounds,
                "ours_s": ours,
                "asyncssh_s": theirs,
                "ratio": round(ours / theirs, 3),
                "at_most": 1.15,
                "ansible_s": ping,
                "ansible_ratio": round(ping / ours, 1) if ping else None,
                "ansible_at_least": 15,
            }
        )
    )


if __name__ == "__main__":
    main()

"""What a line of the command line costs above an empty Python: CPU milliseconds, medians of interleaved runs.

    python benchmarks/door.py [RUNS]        one line of JSON; exit 1 where a bound is broken

The bounds are 150 ms for a help page and 200 ms for what every command costs before it does its own work.
Compile first (`python -m compileall -q .`), as an installation does: without bytecode all is compiled at every start.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile

LINES = {
    "empty": ["-c", "pass"],
    "help": ["-m", "clawrack", "--help"],
    "help_of_a_verb": ["-m", "clawrack", "agent", "ask", "--help"],
    "command": ["-m", "clawrack", "agent", "list"],
}
BOUNDS = {"help": 150, "help_of_a_verb": 150, "command": 200}


def cpu(words: list[str], home: str) -> float:
    """Milliseconds of processor, user and system, that one run took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "HOME": home, "CLAWRACK_FLEET": f"{home}/fleet"}
    subprocess.run([sys.executable, *words], env=env, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(runs: int) -> dict[str, float]:
    """Median of each line, above the empty one; the empty one as it is."""
    taken: dict[str, list[float]] = {name: [] for name in LINES}
    with tempfile.TemporaryDirectory() as home:
        for number in range(runs + 1):
            for name, words in LINES.items():
                spent = cpu(words, home)
                if number:  # the first round warms the disk's cache
                    taken[name].append(spent)
    middle = {name: statistics.median(values) for name, values in taken.items()}
    return {name: round(value - (middle["empty"] if name != "empty" else 0), 1) for name, value in middle.items()}


def main() -> int:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    found = measure(runs)
    broken = [name for name, bound in BOUNDS.items() if found[name] > bound]
    print(
        json.dumps(
            {"bench": "door", "unit": "ms CPU above empty", "runs": runs, **found, "bounds": BOUNDS, "broken": broken}
        )
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

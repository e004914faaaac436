"""What a line of the command line costs above an empty Python: CPU milliseconds, medians of interleaved runs.

    python benchmarks/door.py [RUNS]        one line of JSON; exit 1 where a bound is broken

The bounds are 150 ms for a help page and 200 ms for what every command costs before it does its own work. A TAB is the
whole life of a shell that starts, reads the script of `clawrack completion` and completes one name: at most 150 ms.
Compile first (`python -m compileall -q .`), as an installation does: without bytecode all is compiled at every start.
"""

import json
import os
import pty
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LINES = {
    "empty": ["-c", "pass"],
    "help": ["-m", "clawrack", "--help"],
    "help_of_a_verb": ["-m", "clawrack", "agent", "ask", "--help"],
    "command": ["-m", "clawrack", "agent", "list"],
}
TABS = {
    "tab_bash": (
        "bash", "--norc", "--noprofile", "-c",
        "source {home}/bash; COMP_WORDS=(clawrack agent logs ''); COMP_CWORD=3; _clawrack; echo ${{COMPREPLY[@]}}",
    ),
    "tab_fish": ("fish", "--no-config", "-c", "source {home}/fish; complete -C 'clawrack agent logs '"),
    "tab_zsh": ("zsh", "-f", "-i"),
}  # fmt: skip
ZSH = "autoload -U compinit; compinit -u -d {home}/dump; source {home}/zsh; path=(/nowhere)\nclawrack agent logs \t"
NAME = "the-one-there-is"
BOUNDS = {"help": 150, "help_of_a_verb": 150, "command": 200, **dict.fromkeys(TABS, 150)}


def cpu(words: list[str], home: str) -> float:
    """Milliseconds of processor, user and system, that one run took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "HOME": home, "CLAWRACK_FLEET": f"{home}/fleet"}
    subprocess.run([sys.executable, *words], env=env, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def furnish(home: str) -> None:
    """Write the shells' scripts, and a fleet of one agent."""
    for shell in ("bash", "zsh", "fish"):
        words = [sys.executable, "-m", "clawrack", "completion", shell]
        Path(home, shell).write_bytes(subprocess.run(words, check=True, capture_output=True).stdout)
    agents = Path(home, "named", "agents")
    agents.mkdir(parents=True)
    (agents / f"{NAME}.yaml").touch()


def tab(words: tuple[str, ...], home: str) -> float:
    """Milliseconds of processor that a shell took from its start to the completed name."""
    pid, end = pty.fork()
    if not pid:
        os.environ |= {"HOME": home, "CLAWRACK_FLEET": f"{home}/named", "TERM": "dumb"}
        os.execvp(words[0], [word.format(home=home) for word in words])
    if words[0] == "zsh":
        os.write(end, ZSH.format(home=home).encode())
    seen = b""
    while NAME.encode() not in seen:
        seen += os.read(end, 4096)
    if words[0] == "zsh":
        os.kill(pid, signal.SIGKILL)
    _, code, used = os.wait4(pid, 0)
    os.close(end)
    if code not in (0, signal.SIGKILL):
        raise RuntimeError(f"{words[0]} ended with {code}: {seen!r}")
    return 1000 * (used.ru_utime + used.ru_stime)


def measure(runs: int) -> dict[str, float]:
    """Median of each line, above the empty one; the empty one and the shells as they are."""
    taken: dict[str, list[float]] = {name: [] for name in (*LINES, *TABS)}
    with tempfile.TemporaryDirectory() as home:
        furnish(home)
        for number in range(runs + 1):
            for name, spent in taken.items():
                took = cpu(LINES[name], home) if name in LINES else tab(TABS[name], home)
                if number:  # the first round warms the disk's cache
                    spent.append(took)
    middle = {name: statistics.median(values) for name, values in taken.items()}
    above = set(LINES) - {"empty"}
    return {name: round(value - (middle["empty"] if name in above else 0), 1) for name, value in middle.items()}


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

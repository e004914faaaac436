"""A port scanner, a program so that it can run in a neighbour's network: `scan.py ADDRESS FROM-TO SECONDS`."""

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

AT_ONCE = 64  # matters only where something drops packets: a closed port refuses at once


def takes(address: str, port: int, within: float) -> bool:
    """Whether a TCP connection comes about within so many seconds."""
    with socket.socket() as near:
        near.settimeout(within)
        return near.connect_ex((address, port)) == 0


def main(address: str, ports: str, within: str) -> None:
    """Print the open ports as JSON."""
    first, _, last = ports.partition("-")
    asked = range(int(first), int(last) + 1)
    with ThreadPoolExecutor(AT_ONCE) as crew:
        answers = crew.map(takes, repeat(address), asked, repeat(float(within)))
        print(json.dumps([port for port, there in zip(asked, answers, strict=False) if there]))


if __name__ == "__main__":
    main(*sys.argv[1:])

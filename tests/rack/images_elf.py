"""What a program in an image is linked with, read from its ELF header; nothing is run, so any architecture will do."""

import struct
from dataclasses import dataclass

MACHINES = {62: "amd64", 183: "arm64"}
_DYNAMIC, _LOAD, _INTERPRETER = 2, 1, 3
_NEEDED, _STRINGS, _RPATH, _RUNPATH = 1, 5, 15, 29


@dataclass(frozen=True)
class Elf:
    """One program or library: its architecture, the libraries it needs, where it looks for them, what starts it."""

    machine: str
    needed: tuple[str, ...]
    paths: tuple[str, ...]
    interpreter: str


def read(raw: bytes) -> Elf | None:
    """Read a file; None where it is no 64-bit little-endian ELF."""
    if raw[:6] != b"\x7fELF\x02\x01":
        return None
    machine = struct.unpack_from("<H", raw, 18)[0]
    at, size, count = struct.unpack_from("<Q", raw, 32)[0], *struct.unpack_from("<HH", raw, 54)
    heads = [struct.unpack_from("<IIQQQQ", raw, at + size * n) for n in range(count)]
    loads = [(head[3], head[2], head[5]) for head in heads if head[0] == _LOAD]
    entries = [entry for head in heads if head[0] == _DYNAMIC for entry in _entries(raw, head[2], head[5])]
    strings = next((_offset(loads, value) for tag, value in entries if tag == _STRINGS), 0)
    words = {kind: [_text(raw, strings + value) for tag, value in entries if tag == kind] for kind in (1, 15, 29)}
    paths = [path for text in (*words[_RPATH], *words[_RUNPATH]) for path in text.split(":")]
    starts = [_text(raw, head[2]) for head in heads if head[0] == _INTERPRETER]
    return Elf(MACHINES.get(machine, str(machine)), tuple(words[_NEEDED]), tuple(paths), "".join(starts))


def _entries(raw: bytes, at: int, size: int) -> list[tuple[int, int]]:
    return [struct.unpack_from("<QQ", raw, place) for place in range(at, min(at + size, len(raw)) - 15, 16)]


def _offset(loads: list[tuple[int, int, int]], address: int) -> int:
    return next((address - start + file for start, file, size in loads if start <= address < start + size), 0)


def _text(raw: bytes, at: int) -> str:
    return raw[at : raw.index(b"\0", at)].decode(errors="replace")

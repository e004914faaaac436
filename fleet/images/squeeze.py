"""gzip on all cores, always with the same result: what pigz does, without asking for pigz.

The stream is cut into pieces of 1 MiB, each deflated by itself with the last 32 KiB before it as its dictionary, and
joined at byte boundaries into one gzip member. zlib lets go of Python's lock, so threads are enough. Source: RFC 1952.
"""

import os
import struct
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

PIECE = 1 << 20
WINDOW = 1 << 15
LEVEL = 5
"""A third less work than zlib's usual 6, for one hundredth more bytes (measured on OpenClaw's program)."""
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class Squeezer:
    """A gzip writer. Close it, or the end of the stream is missing."""

    def __init__(self, out: BinaryIO, level: int = LEVEL) -> None:
        self._out = out
        self._level = level
        self._held = bytearray()
        self._before = b""
        self._check = 0
        self._size = 0
        self._width = max(2, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._width)
        self._under_way: deque[Future[bytes]] = deque()
        out.write(_HEADER)

    def write(self, data: bytes) -> None:
        """Add data; at most a few pieces are held in memory."""
        self._check = zlib.crc32(data, self._check)
        self._size += len(data)
        self._held += data
        while len(self._held) >= PIECE:
            self._send(bytes(self._held[:PIECE]))
            del self._held[:PIECE]

    def _send(self, piece: bytes) -> None:
        self._under_way.append(self._pool.submit(_deflate, piece, self._before, self._level))
        self._before = piece[-WINDOW:]
        while len(self._under_way) > 2 * self._width:
            self._out.write(self._under_way.popleft().result())

    def close(self) -> None:
        """Write what is left, and the end of the stream."""
        if self._held:
            self._send(bytes(self._held))
        for piece in self._under_way:
            self._out.write(piece.result())
        self._under_way.clear()
        self._pool.shutdown()
        self._out.write(b"\x03\x00" + struct.pack("<II", self._check, self._size & 0xFFFFFFFF))


def _deflate(piece: bytes, before: bytes, level: int) -> bytes:
    settings = (level, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_DEFAULT_STRATEGY)
    deflater = zlib.compressobj(*settings, before) if before else zlib.compressobj(*settings)
    return deflater.compress(piece) + deflater.flush(zlib.Z_SYNC_FLUSH)

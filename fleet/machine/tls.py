"""TLS over a channel of a machine's: encrypted from this computer to the service, and only passed on by the machine.

So a machine through which a key is checked sees neither the key nor the answer, and yet the service sees the machine's
own address: the one from which the key will be used.
"""

import io
import ssl

from fleet.base.errors import ActionFailed, WireCut
from fleet.machine.port import Channel

_BUFFER = 1 << 16
_PIECE = 1 << 14


class TlsChannel:
    """An encrypted channel over a plain one. One thread at a time.

    Args:
        plain: the channel; it is closed with this one.
        host: whose certificate it must be.
        where: the machine's name, for messages.

    Raises:
        ActionFailed: the other side has no certificate of the host's that is trusted here, or speaks no TLS.
    """

    def __init__(self, plain: Channel, host: str, where: str) -> None:
        self._plain = plain
        self._where = where
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = ssl.create_default_context().wrap_bio(self._in, self._out, server_hostname=host)
        self._over = False
        try:
            self._hands_shaken()
        except ssl.SSLError as error:
            self.close()
            why = getattr(error, "verify_message", "") or error.reason or "TLS"
            raise ActionFailed("tls.refused", where=where, host=host, reason=why) from error

    def settimeout(self, seconds: float | None, /) -> None:
        """Set how long one call may take, in seconds."""
        self._plain.settimeout(seconds)

    def sendall(self, data: bytes, /) -> None:
        """Send all of the data."""
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view[:_PIECE]) :]
            self._flush()

    def recv(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end.

        Raises:
            WireCut: the connection ended in the middle.
        """
        while not self._over:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                self._more()
            except ssl.SSLZeroReturnError:
                self._over = True
            except ssl.SSLError as error:
                raise WireCut("wire.cut", where=self._where) from error
        return b""

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedReader:
        """Return a file that reads from here."""
        del mode, buffering
        return io.BufferedReader(_Reading(self), _BUFFER)

    def close(self) -> None:
        """End the connection."""
        self._plain.close()

    def _hands_shaken(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._more()
            else:
                self._flush()
                return

    def _flush(self) -> None:
        if data := self._out.read():
            self._plain.sendall(data)

    def _more(self) -> None:
        data = self._plain.recv(_BUFFER)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()


class _Reading(io.RawIOBase):
    def __init__(self, channel: TlsChannel) -> None:
        self._channel = channel

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] - as given
        data = self._channel.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

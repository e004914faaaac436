"""Servers that behave badly, for the wire's tests: paramiko's server side, and plain sockets that say one thing."""

import contextlib
import shlex
import socket
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_PARTIALLY_SUCCESSFUL, AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.server import InteractiveQuery

from fleet.machine import hostkey
from fleet.machine.hostkey import HostKey
from fleet.machine.target import Target


@dataclass
class Actor(paramiko.ServerInterface):
    """An SSH server that notes every attempt to log in and does to a command what ``act`` says."""

    act: Callable[[paramiko.Channel], object] = lambda _: None
    methods: str = "publickey,password"
    prompts: Sequence[Sequence[tuple[str, bool]]] = ()
    password: str = "right"
    attempts: list[str] = field(default_factory=list[str])
    commands: list[bytes] = field(default_factory=list[bytes])
    key: paramiko.PKey = field(default_factory=paramiko.ECDSAKey.generate)
    target: Target = field(default_factory=lambda: Target("127.0.0.1"))
    partial: bool = False

    @property
    def host_key(self) -> HostKey:
        return hostkey.of(self.key)

    def get_allowed_auths(self, username: str) -> str:
        del username
        return self.methods

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.attempts.append(f"publickey {username} {hostkey.of(key).fingerprint}")
        return AUTH_PARTIALLY_SUCCESSFUL if self.partial else AUTH_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        self.attempts.append(f"password {username}")
        return AUTH_SUCCESSFUL if password == self.password else AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: str) -> Any:
        del submethods
        self.attempts.append(f"interactive {username}")
        return InteractiveQuery("", "", *self.prompts[0])

    def check_auth_interactive_response(self, responses: list[str]) -> Any:
        self.attempts.append("answer")
        answered = self.attempts.count("answer")
        if answered < len(self.prompts):
            return InteractiveQuery("", "", *self.prompts[answered])
        right = self.password in responses
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.commands.append(command)
        threading.Thread(target=self._acting, args=(channel, shlex.split(command.decode())), daemon=True).start()
        return True

    def _acting(self, channel: paramiko.Channel, words: Sequence[str]) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            if words[:2] == ["printf", "%s%s"]:  # whoever asks whether this is a shell is told that it is
                channel.sendall("".join(words[2:]).encode())
                channel.send_exit_status(0)
                channel.close()
            else:
                self.act(channel)


@contextlib.contextmanager
def acting(address: str, actor: Actor) -> Generator[Actor]:
    """Let the actor serve at the address, any port."""
    with listening(address, lambda sock: _serve(sock, actor)) as target:
        actor.target = target
        yield actor


def _serve(sock: socket.socket, actor: Actor) -> None:
    transport = paramiko.Transport(sock)
    transport.add_server_key(actor.key)
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        transport.start_server(server=actor)
        while transport.is_active():
            time.sleep(0.1)


@contextlib.contextmanager
def listening(address: str, serve: Callable[[socket.socket], None]) -> Generator[Target]:
    """Serve every visitor in a thread."""
    listener = socket.create_server((address, 0))

    def loop() -> None:
        with contextlib.suppress(OSError):
            while True:
                visitor, _ = listener.accept()
                threading.Thread(target=serving, args=(visitor,), daemon=True).start()

    def serving(visitor: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), visitor:
            serve(visitor)

    threading.Thread(target=loop, daemon=True).start()
    try:
        yield Target(address, int(listener.getsockname()[1]))
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextlib.contextmanager
def saying(address: str, text: bytes, heard: list[bytes] | None = None) -> Generator[Target]:
    """Say one thing to every visitor, and note what they say for two seconds."""

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock.sendall(text)
            sock.settimeout(2)
            while data := sock.recv(4096):
                if heard is not None:
                    heard.append(data)

    with listening(address, serve) as target:
        yield target

"""What the tests of images stand on: small images made without packages, a real registry, a wire to cut."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Generator
from pathlib import Path

import msgspec
import requests

from fleet.base.event import Event
from fleet.images import archive, layer
from fleet.images.archive import Built
from fleet.images.cache import Cache
from fleet.images.recipe import Architecture, Recipe
from fleet.images.tree import Tree, text
from fleet.machine import hostkey
from fleet.machine.keys import ControllerKey
from fleet.machine.login import KeyLogin
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from tests.rack.machine import Machine
from tests.rack.places import home, locked

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def port_to(machine: Machine, through: "Cutter | None" = None) -> SshPort:
    """Open a port to a machine of the rack, straight or through a wire that can be cut."""
    straight = Target(machine.address)
    target = Target("127.0.0.1", through.port) if through else straight
    return SshPort(machine.name, target, KeyLogin(ControllerKey(machine.key, "rack")), hostkey.fetch(straight))


def recipe(name: str, **more: object) -> Recipe:
    """A recipe of nothing, or of what is asked for."""
    return msgspec.convert({"name": name, "version": "1", "apt": [], "cmd": ["/hello"], **more}, Recipe)


def made(cache: Cache, name: str, layers: dict[str, bytes], architecture: Architecture = "amd64") -> Built:
    """An image of one file per layer, in the cache."""
    made_from = archive.digest(name.encode() + b"".join(layers.values()) + architecture.encode())[7:]
    with cache.part() as part:
        folder = part / "image"
        folder.mkdir()
        written = tuple(
            layer.write(Tree({title: text(content)}), folder / f"{title}.tar.gz", 0)
            for title, content in layers.items()
        )
        config = archive.configuration(recipe(name), architecture, written, made_from)
        title = f"clawrack/{name}:1-{made_from[:12]}"
        built = Built(
            recipe=made_from, name=title, architecture=architecture, config=config, layers=written, resolved={}
        )
        return cache.keep(built, made_from, folder)


class Heard(list[Event]):
    """A listener that remembers."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def steps(self) -> set[str]:
        """The names of the steps that were heard of."""
        return {event.step for event in self}

    def total(self, step: str) -> int:
        """The bytes that were to be moved in a step."""
        return max((event.total for event in self if event.step == step), default=0)


class Cutter:
    """A wire through this box that breaks after so many bytes towards the machine; never, where `after` is 0."""

    def __init__(self, machine: Machine, after: int = 0) -> None:
        self._machine = machine
        self.after = after
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection((self._machine.address, self._machine.port), 10)
                threading.Thread(target=self._carry, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, outward: bool) -> None:
        moved = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                moved += len(data)
                if outward and self.after and moved > self.after:
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()


class Registry:
    """Debian's docker-registry, running on an address of this box."""

    def __init__(self, folder: Path, address: str) -> None:
        self.storage = folder / "storage"
        self.storage.mkdir()
        with socket.create_server((address, 0)) as free:
            self.host = f"{address}:{free.getsockname()[1]}"
        config = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}},
            "http": {"addr": self.host},
        }
        (folder / "config.yml").write_text(json.dumps(config))
        with (folder / "log").open("wb") as log:
            words = [str(docker_registry()), "serve", str(folder / "config.yml")]
            self._process = subprocess.Popen(words, stdout=log, stderr=log)
        self._await()

    def _await(self) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"http://{self.host}/v2/", timeout=5).ok:
                    return
            time.sleep(0.05)
        raise TimeoutError("the registry did not come up")

    def push(self, built: Built, repository: str, tag: str) -> str:
        """Put an image there under a tag, in an index as builders do it; return the digest of the index."""
        for row in built.layers:
            self._blob(repository, (Path(built.folder) / row.name).read_bytes())
        self._blob(repository, built.config)
        manifest = archive.manifest(built)
        self._put(repository, built.manifest_id, MANIFEST, manifest)
        platform = {"architecture": built.architecture, "os": "linux"}
        row = {"mediaType": MANIFEST, "digest": built.manifest_id, "size": len(manifest), "platform": platform}
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [row]}).encode()
        self._put(repository, tag, INDEX, index)
        return archive.digest(index)

    def _blob(self, repository: str, content: bytes) -> None:
        begun = requests.post(f"http://{self.host}/v2/{repository}/blobs/uploads/", timeout=10)
        digest = {"digest": archive.digest(content)}
        requests.put(begun.headers["Location"], params=digest, data=content, timeout=60).raise_for_status()

    def _put(self, repository: str, name: str, kind: str, content: bytes) -> None:
        url = f"http://{self.host}/v2/{repository}/manifests/{name}"
        requests.put(url, data=content, headers={"Content-Type": kind}, timeout=10).raise_for_status()

    def spoil(self, digest: str) -> None:
        """Change what the registry holds under a digest: it then serves wrong bytes and does not know it."""
        name = digest.removeprefix("sha256:")
        file = self.storage / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
        raw = file.read_bytes()
        file.write_bytes(raw.replace(b"amd64", b"amd65") if b"amd64" in raw else raw[:-40] + bytes(40))

    def close(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()


def docker_registry() -> Path:
    """The program of Debian's package, fetched once and unpacked beside the rack's other things."""
    found = shutil.which("docker-registry")
    place = home() / "docker-registry"
    with locked("docker-registry"):
        if not found and not place.exists():
            new = place.with_suffix(".part")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            subprocess.run(
                ["apt-get", "-qq", "download", "docker-registry"], cwd=new, check=True, stderr=subprocess.DEVNULL
            )
            subprocess.run(["dpkg-deb", "--extract", str(next(new.glob("*.deb"))), str(new)], check=True)
            new.rename(place)
    return Path(found) if found else place / "usr/bin/docker-registry"


@contextlib.contextmanager
def silent(address: str) -> Generator[str]:
    """A host that takes connections and never says anything."""
    with socket.create_server((address, 0)) as server:
        yield f"{address}:{server.getsockname()[1]}"


def noise(size: int) -> bytes:
    """Bytes that no compression makes smaller."""
    return os.urandom(size)

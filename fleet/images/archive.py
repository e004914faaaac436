"""A built image, and the tar that engines load: Docker's own format and OCI's at once, around the same layers.

Engines with the classic store read ``manifest.json`` and name the image by the digest of its configuration; engines
with the containerd store read ``index.json`` and name it by the digest of its manifest. Both ids are known before
anything is sent. The layers are compressed once and never again.
"""

import hashlib
import json
import tarfile
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from fleet.images.layer import Layer
from fleet.images.recipe import Architecture, Recipe

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_READ = 1 << 18
_SECOND = 1_000_000_000


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """An image on this computer's disk.

    Attributes:
        format: of the description that is kept with it.
        recipe: hash of what went into it (64 hex digits).
        name: ``clawrack/NAME:VERSION-HASH``.
        architecture: Docker's word.
        config: the image's configuration, JSON.
        layers: lowest first.
        resolved: the distribution's packages, name → version.
        folder: where the layers are; told by whoever opens it.
    """

    format: int = 1
    recipe: str
    name: str
    architecture: Architecture
    config: bytes
    layers: tuple[Layer, ...]
    resolved: dict[str, str]
    folder: str = ""

    @property
    def config_id(self) -> str:
        """The id that classic stores give it."""
        return digest(self.config)

    @property
    def manifest_id(self) -> str:
        """The id that containerd stores give it."""
        return digest(manifest(self))

    @property
    def ids(self) -> tuple[str, str]:
        """Both ids, the classic one first."""
        return (self.config_id, self.manifest_id)

    @property
    def size(self) -> int:
        """Bytes of all its layers, compressed."""
        return sum(layer.size for layer in self.layers)


def digest(content: bytes) -> str:
    """Return ``sha256:…`` of the content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def configuration(recipe: Recipe, architecture: Architecture, layers: Collection[Layer], made_from: str) -> bytes:
    """Return the image's configuration, always the same for the same parts.

    Source: OCI image specification, config.md; ``Healthcheck`` is Docker's extension, its times are nanoseconds.
    """
    created = datetime.fromtimestamp(recipe.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    runs: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in recipe.env.items()],
        "WorkingDir": recipe.workdir,
        "Labels": {**recipe.labels, "org.opencontainers.image.version": recipe.version, "clawrack.recipe": made_from},
    }
    optional = {"User": recipe.user, "Entrypoint": list(recipe.entrypoint), "Cmd": list(recipe.cmd)}
    runs |= {name: value for name, value in optional.items() if value}
    runs |= {"ExposedPorts": {f"{recipe.port}/tcp": {}}} if recipe.port else {}
    runs |= {"Healthcheck": _health(recipe)} if recipe.health else {}
    history = [{"created": created, "created_by": f"clawrack {layer.name.partition('.')[0]}"} for layer in layers]
    whole = {
        "architecture": architecture,
        **({"variant": "v8"} if architecture == "arm64" else {}),
        "config": runs,
        "created": created,
        "history": history,
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }
    return _json(whole)


def _health(recipe: Recipe) -> dict[str, Any]:
    health = recipe.health
    if health is None:
        return {}
    times = {"Interval": health.interval, "Timeout": health.timeout, "StartPeriod": health.start_period}
    return {"Test": list(health.test), "Retries": health.retries, **{k: v * _SECOND for k, v in times.items()}}


def manifest(built: Built) -> bytes:
    """Return the OCI manifest."""
    layers = [_descriptor(_LAYER, layer.digest, layer.size) for layer in built.layers]
    config = _descriptor(_CONFIG, built.config_id, len(built.config))
    return _json({"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": layers})


def _descriptor(kind: str, name: str, size: int, **more: object) -> dict[str, Any]:
    return {"mediaType": kind, "digest": name, "size": size, **more}


def _index(built: Built) -> bytes:
    whole = manifest(built)
    notes = {
        "io.containerd.image.name": f"docker.io/{built.name}",
        "org.opencontainers.image.ref.name": built.name.partition(":")[2],
    }
    target = {"architecture": built.architecture, "os": "linux"}
    row = _descriptor(_MANIFEST, digest(whole), len(whole), annotations=notes, platform=target)
    return _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [row]})


def _docker_manifest(built: Built) -> bytes:
    layers = [_blob(layer.digest) for layer in built.layers]
    return _json([{"Config": _blob(built.config_id), "RepoTags": [built.name], "Layers": layers}])


def _blob(name: str) -> str:
    return "blobs/" + name.replace(":", "/")


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _small(built: Built) -> dict[str, bytes]:
    whole = manifest(built)
    return {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _index(built),
        "manifest.json": _docker_manifest(built),
        _blob(built.config_id): built.config,
        _blob(digest(whole)): whole,
    }


def total(built: Built, without: Collection[str] = ()) -> int:
    """Return how many bytes `stream` will yield."""
    sizes = [len(content) for content in _small(built).values()]
    sizes += [layer.size for layer in built.layers if layer.diff_id not in without]
    return sum(tarfile.BLOCKSIZE + size + -size % tarfile.BLOCKSIZE for size in sizes) + 2 * tarfile.BLOCKSIZE


def stream(built: Built, without: Collection[str] = ()) -> Iterator[bytes]:
    """Yield the archive.

    Args:
        built: the image; its layers are read from the disk.
        without: diff_ids of layers that the engine has already and need not be sent.

    Raises:
        OSError: a layer is not there any more.
    """
    for path, content in _small(built).items():
        yield _header(path, len(content)) + content + bytes(-len(content) % tarfile.BLOCKSIZE)
    for layer in built.layers:
        if layer.diff_id not in without:
            yield _header(_blob(layer.digest), layer.size)
            yield from _file(Path(built.folder) / layer.name)
            yield bytes(-layer.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(path: str, size: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(_READ):
            yield data

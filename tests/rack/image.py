"""Images of machines: debootstrap from the box's own mirror, cached as a tarball and in the rack's engine."""

import io
import re
import shutil
import subprocess
import tarfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound

from tests.rack import network, recipe
from tests.rack.places import home, locked
from tests.rack.recipe import Mirror, Recipe

REPOSITORY = "clawrack-rack"
MASKED = (  # what needs devices, modules or a screen of its own
    *("systemd-udevd.service", "systemd-modules-load.service", "systemd-networkd-wait-online.service"),
    *("getty.target", "console-getty.service"),
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOST_KEYS = """[Unit]
Description=Host keys of this machine, made at its first boot
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key
ExecStart=/usr/bin/ssh-keygen -q -t ecdsa -N "" -f /etc/ssh/ssh_host_ecdsa_key
[Install]
WantedBy=multi-user.target
"""


def ensure(api: docker.DockerClient, wanted: Recipe) -> str:
    """The name of the image for a recipe, built once and kept.

    Raises:
        LookupError: the box has no package source for that distribution.
        RuntimeError: debootstrap or apt failed; the end of what it printed is in the text.

    """
    source = recipe.mirror(wanted)
    name = f"{REPOSITORY}:{wanted.title}-{recipe.digest(wanted, source)}"
    if _there(api, name):
        return name
    with locked(f"image-{wanted.title}"):
        if not _there(api, name):
            _build(api, wanted, source, name)
            _forget_older(api, wanted, name)
    return name


def _forget_older(api: docker.DockerClient, wanted: Recipe, name: str) -> None:
    """Drop what an older recipe made, unless a machine of another run is still made of it."""
    digit = "[0-9a-f]"
    for image in api.images.list(REPOSITORY):
        for tag in image.tags:
            if tag != name and re.fullmatch(f"{REPOSITORY}:{re.escape(wanted.title)}-{digit}{{12}}", tag):
                with suppress(APIError):
                    api.images.remove(tag)
    for file in (home() / "images").glob(f"{wanted.title}-{digit * 12}.tar"):
        if file.stem != name.partition(":")[2]:
            file.unlink()


def _there(api: docker.DockerClient, name: str) -> bool:
    try:
        api.images.get(name)
    except ImageNotFound:
        return False
    return True


def _build(api: docker.DockerClient, wanted: Recipe, source: Mirror, name: str) -> None:
    if wanted.extra:
        base = ensure(api, replace(wanted, extra=()))
        _extend(api, base, wanted.extra, name)
        return
    tarball = _tarball(wanted, source)
    with tarball.open("rb") as stream:
        changes = ['CMD ["/lib/systemd/systemd"]', "ENV container=docker"]
        changes += [f"ENV {word}" for word in wanted.environment]
        repository, _, label = name.partition(":")
        low: Any = api.api
        low.import_image_from_stream(
            iter(lambda: stream.read(1 << 20), b""), repository=repository, tag=label, changes=changes
        )


def _tarball(wanted: Recipe, source: Mirror) -> Path:
    tarball = home() / "images" / f"{wanted.title}-{recipe.digest(wanted, source)}.tar"
    if not tarball.exists():
        tree = tarball.with_suffix(".tree")
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        _debootstrap(wanted, source, tree)
        _furnish(tree, source)
        part = tarball.with_suffix(".part")
        _run("tar", "-C", str(tree), "--one-file-system", "--exclude=./dev/*", "-cf", str(part), ".")
        part.rename(tarball)
        shutil.rmtree(tree)
    return tarball


def _debootstrap(wanted: Recipe, source: Mirror, tree: Path) -> None:
    include = ",".join(wanted.packages)
    _run("debootstrap", "--variant=minbase", f"--include={include}", wanted.codename, str(tree), source.site)


def _furnish(tree: Path, source: Mirror) -> None:
    """Make an installed system of a fresh tree: its sources, authorities and first boot; nothing of one machine's."""
    (tree / "etc/apt/sources.list").write_text("\n".join(source.sources) + "\n")
    (tree / "etc/apt/apt.conf.d/90box").write_text("\n".join(source.settings) + "\n")
    (tree / "etc/environment").write_text("\n".join(recipe.environment()) + "\n")
    (tree / "etc/machine-id").write_text("")
    (tree / "var/lib/dbus/machine-id").unlink(missing_ok=True)  # or systemd would take it over, everywhere the same
    for number, certificate in enumerate(recipe.authorities()):
        (tree / f"usr/local/share/ca-certificates/box-{number}.crt").write_text(certificate)
    _run("chroot", str(tree), "update-ca-certificates")
    (tree / "etc/systemd/system/host-keys.service").write_text(HOST_KEYS)
    _run("chroot", str(tree), "systemctl", "enable", "host-keys.service", "ssh.service")
    _run("chroot", str(tree), "systemctl", "mask", *MASKED)
    for pattern in (
        "etc/ssh/ssh_host_*",
        "var/cache/apt/archives/*.deb",
        "var/cache/apt/*.bin",
        "var/lib/apt/lists/*_*",
    ):
        for file in tree.glob(pattern):
            file.unlink()


def _extend(api: docker.DockerClient, base: str, packages: tuple[str, ...], name: str) -> None:
    """Install packages on top of an image without starting their services, and keep the result as another image."""
    network.ensure(api)
    script = (
        'printf "exit 101\\n" > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; apt-get -q update &&'
        f" DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends {' '.join(packages)} &&"
        " rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/*_* /var/cache/apt/archives/*.deb /var/cache/apt/*.bin"
    )
    settings = {"PATH": PATH}
    box = api.containers.create(base, ["sh", "-ec", script], network=network.NAME, environment=settings)
    try:
        box.start()
        if box.wait()["StatusCode"] != 0:
            raise RuntimeError(f"apt failed in the machine image:\n{box.logs().decode(errors='replace')[-2000:]}")
        repository, _, label = name.partition(":")
        saved: Any = box
        saved.commit(repository, label, changes=['CMD ["/lib/systemd/systemd"]'])
    finally:
        box.remove(force=True, v=True)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": PATH, "LC_ALL": "C"})
    if done.returncode != 0:
        raise RuntimeError(f"{words[0]} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def archive(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A tar of path → (content, mode), owned by root: what `put_archive` takes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (content, mode) in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode, entry.mtime = len(content), mode, int(time.time())
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()

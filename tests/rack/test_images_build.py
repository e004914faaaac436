import gzip
import io
import json
import posixpath
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

import templates
from fleet.base.errors import ActionFailed, BadInput
from fleet.images import build, default_home, load
from fleet.images.archive import Built
from fleet.images.cache import Cache
from fleet.images.recipe import Architecture, Recipe
from tests.rack import images_elf
from tests.rack.images_rig import Heard, recipe

MULTIARCH = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
MIB = 1 << 20
# Programs for other systems that come with an npm package, and are never started on this one.
FOREIGN = ("/prebuilds/darwin", "/prebuilds/win32")
# Found by their own loaders, or there only where there is a desktop.
DESKTOP = "app/node_modules/@trycua/"


def meter() -> Recipe:
    return load(templates.path("meter", "image.yaml"))


def openclaw() -> Recipe:
    return load(templates.path("kinds", "openclaw", "image.yaml"))


class Contents:
    """All files of an image, as an engine would lay them out."""

    def __init__(self, built: Built) -> None:
        self.entries: dict[str, tarfile.TarInfo] = {}
        self.elves: dict[str, images_elf.Elf] = {}
        for row in built.layers:
            with gzip.open(Path(built.folder) / row.name) as raw, tarfile.open(fileobj=raw, mode="r|") as tar:  # pyright: ignore[reportArgumentType]
                for entry in tar:
                    self._add(tar, entry)

    def _add(self, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        self.entries[entry.name] = entry
        content = tar.extractfile(entry) if entry.isreg() else None
        head = content.read(4) if content else b""
        elf = images_elf.read(head + content.read()) if content and head == b"\x7fELF" else None
        if elf:
            self.elves[entry.name] = elf

    def real(self, path: str) -> str:
        """Follow every link on the way; where it ends, there or not."""
        done = ""
        for part in path.strip("/").split("/"):
            done = posixpath.normpath(posixpath.join(done, part))
            for _ in range(20):
                entry = self.entries.get(done)
                if entry is None or not entry.issym():
                    break
                done = self.real(posixpath.join("/", posixpath.dirname(done), entry.linkname))
        return done

    def has(self, path: str) -> bool:
        return self.real(path) in self.entries


def missing(contents: Contents, architecture: Architecture) -> list[str]:
    """The libraries that a program or library needs and would not find."""
    usual = [f"/usr/lib/{MULTIARCH[architecture]}", "/usr/lib"]
    found: list[str] = []
    for path, elf in contents.elves.items():
        if any(part in path for part in FOREIGN) or path.startswith(DESKTOP):
            continue
        beside = [place.replace("$ORIGIN", f"/{posixpath.dirname(path)}") for place in elf.paths]
        names = [name for name in elf.needed if not any(contents.has(f"{place}/{name}") for place in (*beside, *usual))]
        found += [f"{path} needs {name}" for name in names]
        if elf.interpreter and not contents.has(elf.interpreter):
            found.append(f"{path} is started by {elf.interpreter}")
    return found


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[Built]:
    homes = [tmp_path_factory.mktemp("cache") for _ in range(2)]
    return [build(meter(), "arm64", cache=Cache(home)) for home in homes]


def test_two_builds_with_the_same_packages_have_the_same_id(twice: list[Built]) -> None:
    assert twice[0].resolved == twice[1].resolved
    assert (twice[0].ids, twice[0].recipe) == (twice[1].ids, twice[1].recipe)


def test_the_meters_image_for_arm64_is_for_arm64_throughout(twice: list[Built]) -> None:
    contents = Contents(twice[0])
    assert json.loads(twice[0].config)["architecture"] == "arm64"
    assert {elf.machine for elf in contents.elves.values()} == {"arm64"}
    assert contents.elves[contents.real("/usr/bin/python3")].interpreter == "/lib/ld-linux-aarch64.so.1"
    assert missing(contents, "arm64") == []


def test_the_meters_image_is_small_and_holds_its_program_and_its_licences(twice: list[Built]) -> None:
    contents = Contents(twice[0])
    assert twice[0].size < 25 * MIB
    for path in ("/usr/lib/clawrack/meter/__main__.py", "/usr/lib/python3/dist-packages/aiohttp/__init__.py"):
        assert contents.has(path), path
    for path in ("/usr/share/doc/python3-aiohttp/copyright", "/usr/lib/ssl/cert.pem", "/ledger", "/etc/clawrack-meter"):
        assert contents.has(path), path
    assert not contents.has("/usr/share/man/man1")


def test_openclaws_image_is_whole_and_for_one_architecture() -> None:
    built = build(openclaw(), "amd64", cache=Cache(default_home()))
    contents = Contents(built)
    foreign = [path for path, elf in contents.elves.items() if elf.machine != "amd64"]
    assert [path for path in foreign if not any(part in path for part in FOREIGN)] == []
    assert missing(contents, "amd64") == []
    assert built.size < 300 * MIB
    assert not contents.has("/app/.openclaw-lifecycle-pending")
    assert contents.real("/usr/local/bin/openclaw") == "app/openclaw.mjs"


def test_every_entry_of_openclaws_image_has_one_time_an_owner_we_know_and_no_way_to_become_root() -> None:
    built = build(openclaw(), "amd64", cache=Cache(default_home()))
    entries = Contents(built).entries.values()
    assert {entry.mtime for entry in entries} == {openclaw().epoch}
    assert {entry.uid for entry in entries} == {0, 1000}
    assert [entry.name for entry in entries if entry.isreg() and entry.mode & stat.S_ISUID] == []
    assert [entry.name for entry in entries if entry.ischr() or entry.isblk() or entry.isfifo()] == []


def test_a_layer_that_was_damaged_in_the_cache_is_built_again_and_that_is_said(tmp_path: Path) -> None:
    wanted, cache = recipe("again", apt=["busybox-static"]), Cache(tmp_path)
    first = build(wanted, "amd64", cache=cache)
    file = Path(first.folder) / first.layers[0].name
    file.write_bytes(file.read_bytes()[:-100])
    heard = Heard()
    second = build(wanted, "amd64", heard, cache=cache)
    assert "image.step.damaged" in heard.steps()
    assert second == first
    assert build(wanted, "amd64", Heard(), cache=cache) == first


def test_certificates_of_this_computer_are_in_an_image_only_by_explicit_wish(tmp_path: Path) -> None:
    wanted, cache = recipe("trust", apt=["ca-certificates"]), Cache(tmp_path)
    plain = build(wanted, "amd64", cache=cache)
    asked = build(wanted, "amd64", cache=cache, authorities=b"-----BEGIN CERTIFICATE-----\nours\n")
    assert plain.recipe != asked.recipe
    assert (b"ours" in _bundle(plain), b"ours" in _bundle(asked)) == (False, True)


def _bundle(built: Built) -> bytes:
    raw = gzip.decompress((Path(built.folder) / built.layers[0].name).read_bytes())
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        content = tar.extractfile("etc/ssl/certs/ca-certificates.crt")
        assert content
        return content.read()


def test_a_full_disk_on_this_computer_is_told_and_leaves_no_half_image(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=70m", "tmpfs", str(tmp_path)], check=True)
    try:
        with pytest.raises(ActionFailed) as told:
            build(recipe("full", apt=["git", "python3", "curl", "jq"]), "amd64", cache=Cache(tmp_path))
        assert told.value.key in {"image.disk_full", "image.apt_failed", "image.package_broken"}
        assert "space" in str(told.value)
        assert Cache(tmp_path).listed() == []
        assert list(tmp_path.glob("part-*")) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_distribution_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(ActionFailed) as told:
        build(recipe("unreached", apt=["busybox-static"]), "amd64", cache=Cache(tmp_path))
    assert told.value.key == "image.apt_failed"
    assert "127.0.0.1" in str(told.value)


def test_a_package_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ActionFailed) as told:
        build(recipe("unknown", apt=["no-such-package-anywhere"]), "amd64", cache=Cache(tmp_path))
    assert "no-such-package-anywhere" in str(told.value)


def test_a_version_of_openclaw_that_does_not_exist_is_named(tmp_path: Path) -> None:
    wanted = recipe("unknown", apt=["busybox-static"], node=openclaw().node, app="openclaw@0.0.0-none")
    with pytest.raises(BadInput) as told:
        build(wanted, "amd64", cache=Cache(tmp_path))
    assert told.value.key == "version.unknown"
    assert "2026." in str(told.value), "the nearest that there are"


def test_a_needed_path_that_is_missing_ends_the_build(tmp_path: Path) -> None:
    wanted = recipe("lacking", apt=["busybox-static"], needs=["usr/bin/nothing"])
    with pytest.raises(ActionFailed) as told:
        build(wanted, "amd64", cache=Cache(tmp_path))
    assert told.value.params["path"] == "usr/bin/nothing"
    assert Cache(tmp_path).listed() == []


def test_asking_afresh_with_nothing_new_builds_nothing(tmp_path: Path) -> None:
    wanted, cache, heard = recipe("fresh", apt=["busybox-static"]), Cache(tmp_path), Heard()
    first = build(wanted, "amd64", cache=cache)
    assert build(wanted, "amd64", heard, cache=cache, fresh=True) == first
    assert {"image.step.resolve", "image.step.cached"} == heard.steps()

"""The bundle: no bit changes unseen, what does not fit is refused before anything is changed, apt's parts are right."""

import hashlib
import random
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from clawrack.wire import images as images_wire
from fleet.base.errors import ActionFailed, BadInput, Refused, StateDamaged
from fleet.base.event import ignore
from fleet.images import Cache, default_home
from fleet.images.recipe import recipe_key, recipe_of
from fleet.images.sources import Source
from installer.facts import Facts
from installer.offline import form, repository, suites, tarball
from installer.offline.bundle import Bundle, keep, release_of
from installer.offline.form import Image, Item, Manifest, Packages
from installer.offline.gather import Asked, gather
from tests.rack.images_rig import made

HEADS = {"packages/bookworm-amd64/Packages": b"Package: a\n", "debs/debian/a_1_amd64.deb": b"x" * 700}
BOOKWORM = {"os.VERSION_CODENAME": "bookworm", "dpkg_arch": "amd64"}


def item(name: str, content: bytes) -> Item:
    return Item(name, len(content), hashlib.sha256(content).hexdigest())


def manifest(**more: object) -> Manifest:
    index, deb = HEADS
    row = Packages(release="bookworm", architecture="amd64", versions={"a": "1"}, index=index, files=(deb,))
    whole = Manifest(by="0.1.0", made=0, packages=(row,), items=tuple(item(*pair) for pair in HEADS.items()))
    return structs.replace(whole, **more)


def written(folder: Path, told: Manifest | None = None) -> Path:
    contents: dict[str, Path] = {}
    for number, (name, content) in enumerate(HEADS.items()):
        contents[name] = folder / f"content-{number}"
        contents[name].write_bytes(content)
    path = folder / "b.tar"
    tarball.write(path, told or manifest(), contents)
    return path


def read(path: Path) -> None:
    tarball.check(tarball.opened(path))


def test_a_bundle_is_a_tar_of_the_length_that_was_foretold(tmp_path: Path) -> None:
    path = written(tmp_path)
    read(path)
    assert path.stat().st_size == tarball.size(manifest())
    assert path.read_bytes()[257:262] == b"ustar"


def test_no_bit_of_a_bundle_changes_unseen(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = path.read_bytes()
    chance = random.Random(7)
    places = {*range(0, len(content), 97), *(chance.randrange(len(content)) for _ in range(300))}
    bad = tmp_path / "bad.tar"
    for place in places:
        bit = 1 << chance.randrange(8)
        bad.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        with pytest.raises((StateDamaged, BadInput, Refused)):
            read(bad)


@pytest.mark.parametrize("left", [0, 1, 511, 513, 1500, -1, -512, -1024])
def test_a_bundle_that_was_cut_short_is_refused(tmp_path: Path, left: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises((StateDamaged, BadInput)) as error:
        tarball.opened(path)
    assert error.value.key in {"offline.truncated", "offline.no_bundle"}
    assert "\n" not in str(error.value)


def test_what_was_appended_is_no_part_of_a_bundle(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes() + bytes(512))
    with pytest.raises(StateDamaged):
        tarball.opened(path)


@pytest.mark.parametrize(("number", "key"), [(0, "offline.older"), (form.FORMAT + 1, "offline.newer")])
def test_another_format_is_told_in_one_sentence(tmp_path: Path, number: int, key: str) -> None:
    path = written(tmp_path, manifest(format=number))
    with pytest.raises(Refused) as error:
        tarball.opened(path)
    assert error.value.key == key
    assert "0.1.0" in str(error.value)


def twice() -> Manifest:
    found = manifest()
    return structs.replace(found, items=(*found.items, found.items[0]))


@pytest.mark.parametrize(
    "told",
    [
        manifest(items=(item("../../etc/passwd", b""),)),
        manifest(items=manifest().items[:1]),
        manifest(items=(*manifest().items, item("more", b""))),
        manifest(
            images=(Image(of="a", version="1", architecture="amd64", name="a", key="../x", made_from="y", files=()),)
        ),
        twice(),
    ],
    ids=["a name that leads away", "a member too few", "a member too many", "a hash that is a path", "a member twice"],
)
def test_a_manifest_whose_names_are_not_those_of_its_members_is_not_believed(told: Manifest) -> None:
    with pytest.raises(StateDamaged):
        form.read(told.encoded(), "b.tar")


@pytest.mark.parametrize("text", [b"[]", b"{", b'{"format": "1"}', b'{"format": true}', b"null"])
def test_what_is_no_manifest_is_no_bundle(text: bytes) -> None:
    with pytest.raises((StateDamaged, BadInput)):
        form.read(text, "b.tar")


def test_a_bundle_is_never_written_over_something(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = path.read_bytes()
    with pytest.raises(Refused):
        written(tmp_path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))


def test_a_content_that_changed_while_it_was_written_leaves_no_bundle(tmp_path: Path) -> None:
    contents = dict.fromkeys(HEADS, tmp_path / "short")
    (tmp_path / "short").write_bytes(b"?")
    with pytest.raises(StateDamaged):
        tarball.write(tmp_path / "b.tar", manifest(), contents)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["short"]


def bundle(images: tuple[Image, ...] = ()) -> Bundle:
    told = manifest(images=images)
    return Bundle(tarball.Tarball(Path("b.tar"), told, "", {}), Cache(Path("cache")))


def images(
    *of: str, key: Callable[[str], str] = lambda name: recipe_key(recipe_of(name), "amd64")
) -> tuple[Image, ...]:
    told = {"architecture": "amd64", "made_from": "0" * 64, "files": ()}
    return tuple(Image(of=name, version="0", name=name, key=key(name), **told) for name in of)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("held", "facts", "key"),
    [
        (images("meter", "openclaw"), BOOKWORM | {"os.VERSION_CODENAME": "trixie"}, "offline.other_release"),
        (images("meter", "openclaw"), {"dpkg_arch": "amd64"}, "offline.other_release"),
        (images("meter", "openclaw"), BOOKWORM | {"dpkg_arch": "arm64"}, "offline.no_image"),
        (images("meter"), BOOKWORM, "offline.no_image"),
        (images("meter", "openclaw", key=lambda _: "0" * 64), BOOKWORM, "offline.other_image"),
    ],
    ids=["another release", "no release at all", "another architecture", "another kind", "another clawrack's images"],
)
def test_a_bundle_that_is_not_for_the_machine_is_refused_in_one_sentence(
    held: tuple[Image, ...], facts: dict[str, str], key: str
) -> None:
    with pytest.raises(Refused) as error:
        bundle(held).fits(Facts(facts), "openclaw", "m1")
    assert error.value.key == key
    assert "…" not in str(error.value)


def test_a_machine_that_has_docker_needs_no_packages() -> None:
    there = {"bin.docker": "/usr/bin/docker", "bin.dockerd": "/usr/sbin/dockerd"}
    facts = Facts(BOOKWORM | {"os.VERSION_CODENAME": "arch"} | there)
    bundle(images("meter", "openclaw")).fits(facts, "openclaw", "m1")


@pytest.mark.parametrize(
    ("facts", "release"),
    [
        ({"os.VERSION_CODENAME": "virginia", "os.UBUNTU_CODENAME": "jammy"}, "jammy"),
        ({"os.VERSION_CODENAME": "faye", "os.DEBIAN_CODENAME": "bookworm"}, "bookworm"),
        ({"os.VERSION_CODENAME": "trixie"}, "trixie"),
        ({}, ""),
    ],
)
def test_a_derivative_takes_the_packages_of_what_it_stands_on(facts: dict[str, str], release: str) -> None:
    assert release_of(Facts(facts)) == release


def with_image(folder: Path, spoil: bool = False, by: str = "1") -> tuple[tarball.Tarball, Image]:
    """A bundle with one small image in it; spoilt, its description speaks of another one."""
    built = made(Cache(folder / "theirs"), "small", {"base": b"hello"})
    there = Path(built.folder)
    description = (there / "image.json").read_bytes()
    (there / "image.json").write_bytes(description.replace(built.recipe.encode(), b"0" * 64) if spoil else description)
    files = {f"images/{built.recipe}/{file.name}": file for file in (there / "image.json", there / "base.tar.gz")}
    row = Image(of="small", version="1", architecture="amd64", name=built.name, key="a" * 64, made_from=built.recipe,
                files=tuple(files))  # fmt: skip
    items = tuple(item(name, file.read_bytes()) for name, file in files.items())
    tarball.write(folder / "b.tar", Manifest(by=by, made=0, images=(row,), items=items), files)
    return tarball.opened(folder / "b.tar"), row


def test_an_image_of_a_bundle_is_in_the_cache_as_if_it_had_been_built_here(tmp_path: Path) -> None:
    ball, row = with_image(tmp_path)
    cache = Cache(tmp_path / "ours")
    keep(ball, row, cache)
    found = cache.asked(row.key)
    assert found
    assert found.name == row.name
    keep(ball, row, cache)  # and once more changes nothing
    assert [built.name for built in cache.listed()] == [row.name]


def test_what_one_bundle_brought_is_neither_another_s_nor_taken_for_what_was_built_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "other").mkdir()
    _, row = with_image(tmp_path)
    with_image(tmp_path / "other", by="2")
    one, other = images_wire.bundle_at(tmp_path / "b.tar"), images_wire.bundle_at(tmp_path / "other" / "b.tar")
    keep(one.ball, row, one.cache)
    assert one.cache.asked(row.key)
    assert other.cache.asked(row.key) is None
    assert images_wire.image_cache().asked(row.key) is None
    assert Cache(default_home()).listed() == []


def test_an_image_that_is_not_what_the_manifest_says_does_not_come_into_the_cache(tmp_path: Path) -> None:
    ball, row = with_image(tmp_path, spoil=True)
    cache = Cache(tmp_path / "ours")
    with pytest.raises(StateDamaged):
        keep(ball, row, cache)
    assert cache.listed() == []


def test_a_release_whose_keys_are_not_here_is_refused_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tuple(without_ring(one, tmp_path) for one in suites.DISTRIBUTIONS)
    monkeypatch.setattr(suites, "DISTRIBUTIONS", here)
    cache = Cache(tmp_path / "cache" / "images")
    with pytest.raises(Refused) as error:
        gather(Asked(("openclaw",), ("amd64",), ("noble",)), tmp_path / "b.tar", cache, ignore, 0)
    assert error.value.key == "offline.no_ring"
    assert error.value.part("next") == "sudo apt-get install ubuntu-keyring"
    assert not cache.home.exists()


def without_ring(one: suites.Distribution, folder: Path) -> suites.Distribution:
    return replace(one, ring=str(folder / "no-such-ring.gpg"))


MIRROR = "http://mirror.example/debian"


@pytest.mark.parametrize(
    ("here", "release", "architecture", "uris"),
    [
        (
            [Source(MIRROR, "bookworm", ("main",)), Source(f"{MIRROR}-security", "bookworm-security", ("main",))],
            "trixie", "arm64", [MIRROR, MIRROR, f"{MIRROR}-security"],
        ),
        ([Source("https://deb.nodesource.com/node_20.x", "nodistro", ("main",))], "bullseye", "amd64",
         ["http://deb.debian.org/debian"] * 2 + ["http://deb.debian.org/debian-security"]),
        ([Source(MIRROR, "bookworm", ("main",))], "noble", "amd64",
         ["http://archive.ubuntu.com/ubuntu"] * 2 + ["http://security.ubuntu.com/ubuntu"]),
        ([], "jammy", "arm64", ["http://ports.ubuntu.com/ubuntu-ports/"] * 3),
    ],
    ids=["another release of ours", "a vendor's source is none", "another distribution", "Ubuntu's ports"],
)  # fmt: skip
def test_a_release_comes_from_our_mirror_where_it_is_one_for_it(
    here: list[Source], release: str, architecture: suites.Architecture, uris: list[str]
) -> None:
    found = suites.sources(here, release, architecture)
    assert [source.uri for source in found] == uris
    assert [source.suite for source in found] == [release, f"{release}-updates", f"{release}-security"]
    assert all(source.signed_by == suites.of(release).ring for source in found)


def test_packages_that_came_before_it_was_broken_off_are_not_fetched_again(tmp_path: Path) -> None:
    contents = {"a_1_all.deb": b"a", "b_2_amd64.deb": b"b"}
    debs = [
        repository.Deb(name[0], name[2], f"Filename: pool/{name}", hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    ]
    came = tmp_path / "part-bookworm-amd64"
    came.mkdir()
    (tmp_path / "a_1_all.deb").write_bytes(b"a")
    (came / "b_1%3a2_amd64.deb").write_bytes(b"b")  # as apt calls a file whose version has an epoch
    (came / "cut.deb").write_bytes(b"")
    apt = repository.Repository(tmp_path / "no apt here", "amd64", "bookworm")
    apt.fetch(debs, tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == contents


def test_apts_list_names_the_files_as_they_lie_there_and_keeps_all_else() -> None:
    paragraph = "Package: a\nVersion: 1:2\nDescription: x\n y\nFilename: pool/main/a/a_2_all.deb\nSHA256: 00"
    deb = repository.Deb("a", "1:2", paragraph, "00")
    assert deb.file == "a_2_all.deb"
    assert repository.index([deb]) == paragraph.replace("pool/main/a/", "./") + "\n"


def test_a_disk_that_fills_up_in_the_middle_is_told_in_one_sentence_and_nothing_is_left(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
    try:
        with pytest.raises(ActionFailed) as error:
            written(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.key == "offline.not_written"
    assert "\n" not in str(error.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["content-0", "content-1"]

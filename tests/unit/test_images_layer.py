import gzip
import io
import random
import tarfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.base.errors import ActionFailed, Refused
from fleet.images import debs, layer, system
from fleet.images.recipe import Recipe
from fleet.images.squeeze import PIECE, Squeezer
from fleet.images.tree import Blob, Entry, Tree, from_folder, link, matcher, plain, text

EPOCH = 1767225600


def unheard(done: int, total: int) -> None:
    assert done <= total


def deb(path: Path, members: list[tarfile.TarInfo], content: bytes = b"hello\n") -> Path:
    """Make a package by hand, so that it can hold what dpkg-deb would never pack."""
    data, control = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    about = f"Package: {path.stem}\nVersion: 1\nArchitecture: all\nMaintainer: a\nDescription: a\n".encode()
    with tarfile.open(fileobj=control, mode="w") as tar:
        info = tarfile.TarInfo("./control")
        info.size = len(about)
        tar.addfile(info, io.BytesIO(about))
    with path.open("wb") as out:
        out.write(b"!<arch>\n")
        for name, part in (
            ("debian-binary", b"2.0\n"),
            ("control.tar", control.getvalue()),
            ("data.tar", data.getvalue()),
        ):
            out.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(part):<10}`\n".encode())
            out.write(part + b"\n" * (len(part) % 2))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, to: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, to, mode
    return info


def packed(tree: Tree) -> bytes:
    tree.complete()
    return b"".join(layer.stream(tree, EPOCH))


def unpacked(raw: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return {info.name: info for info in tar}


def test_paths_are_put_where_a_merged_system_has_them(tmp_path: Path) -> None:
    package = deb(tmp_path / "a.deb", [member("./bin/sh"), member("./lib/x/libc.so.6"), member("./usr/bin/git")])
    assert {"usr/bin/sh", "usr/lib/x/libc.so.6", "usr/bin/git"} <= set(debs.read([package], tmp_path / "data").entries)


def test_the_links_of_a_merged_system_come_from_us_and_none_leads_nowhere(tmp_path: Path) -> None:
    there = [member("./lib", tarfile.SYMTYPE, "usr/lib"), member("./usr/lib", tarfile.DIRTYPE), member("./bin/sh")]
    tree = debs.read([deb(tmp_path / "base-files.deb", there)], tmp_path / "data")
    tree.complete()
    system.furnish(tree, recipe())
    found = unpacked(packed(tree))
    assert {name: found[name].linkname for name in ("bin", "lib")} == {"bin": "usr/bin", "lib": "usr/lib"}
    assert "lib64" not in found
    assert found["usr/lib"].isdir()


def recipe(**more: object) -> Recipe:
    users = [{"name": "node", "uid": 1000, "gid": 1000, "home": "/home/node"}]
    folders = [{"path": "/home/node", "uid": 1000, "gid": 1000, "mode": "0700"}]
    links = {"usr/bin/awk": "mawk"}
    given = {"name": "a", "version": "1", "apt": [], "users": users, "directories": folders, "links": links, **more}
    return msgspec.convert(given, Recipe)


def test_the_base_system_has_users_places_and_trust(tmp_path: Path) -> None:
    names = ("b.crt", "a.crt")
    there = [member(f"./usr/share/ca-certificates/mozilla/{name}") for name in names] + [
        member("./var/run", tarfile.DIRTYPE)
    ]
    tree = debs.read([deb(tmp_path / "a.deb", there, b"CERT")], tmp_path / "data")
    system.furnish(tree, recipe(), b"OURS")
    raw = packed(tree)
    found = unpacked(raw)
    assert found["tmp"].mode == 0o1777
    assert (found["home/node"].uid, found["home/node"].mode) == (1000, 0o700)
    assert found["var/run"].linkname == "/run"
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        assert tar.extractfile("etc/ssl/certs/ca-certificates.crt").read() == b"CERT\nCERT\nOURS\n"  # pyright: ignore[reportOptionalMemberAccess]
        assert b"node:x:1000:1000:node:/home/node:" in tar.extractfile("etc/passwd").read()  # pyright: ignore[reportOptionalMemberAccess]


def test_nothing_of_this_computers_own_trust_is_in_an_image_that_did_not_ask_for_it(tmp_path: Path) -> None:
    there = [member("./usr/share/ca-certificates/mozilla/a.crt"), member("./usr/local/share/ca-certificates/b.crt")]
    tree = debs.read([deb(tmp_path / "a.deb", there, b"CERT")], tmp_path / "data")
    system.furnish(tree, recipe())
    blob = tree.entries["etc/ssl/certs/ca-certificates.crt"].blob
    assert blob
    assert blob.content == b"CERT\n"


@pytest.mark.parametrize("name", ["./../etc/passwd", "/a/../../b", "./a/\x1b[2J", "./a/b\nc"])
def test_a_hostile_path_in_a_package_is_refused(tmp_path: Path, name: str) -> None:
    package = deb(tmp_path / "a.deb", [member(name)])
    with pytest.raises(Refused):
        debs.read([package], tmp_path / "data")


def test_a_link_cannot_lead_a_later_file_out_of_the_tree(tmp_path: Path) -> None:
    there = [member("./usr/share/x", tarfile.SYMTYPE, "../../../../../etc"), member("./usr/share/x/passwd")]
    tree = debs.read([deb(tmp_path / "a.deb", there)], tmp_path / "data")
    assert "etc/passwd" in tree.entries
    assert all(not name.startswith(("/", "..")) for name in tree.entries)


def test_links_that_lead_in_a_circle_are_refused(tmp_path: Path) -> None:
    there = [member("./a", tarfile.SYMTYPE, "b"), member("./b", tarfile.SYMTYPE, "a"), member("./a/x")]
    with pytest.raises(Refused):
        debs.read([deb(tmp_path / "a.deb", there)], tmp_path / "data")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(Refused):
        debs.read([deb(tmp_path / "a.deb", [member("./dev/x", kind)])], tmp_path / "data")


def test_a_file_below_a_file_is_refused(tmp_path: Path) -> None:
    tree = debs.read([deb(tmp_path / "a.deb", [member("./a"), member("./a/b")])], tmp_path / "data")
    with pytest.raises(Refused):
        tree.complete()


def test_a_hard_link_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        debs.read([deb(tmp_path / "a.deb", [member("./a", tarfile.LNKTYPE, "./gone")])], tmp_path / "data")


def test_a_broken_package_is_named(tmp_path: Path) -> None:
    package = deb(tmp_path / "a.deb", [member("./a")])
    package.write_bytes(package.read_bytes()[:200])
    with pytest.raises(ActionFailed) as told:
        debs.read([package], tmp_path / "data")
    assert told.value.params["package"] == "a.deb"


def test_hard_links_stay_one_file_and_follow_the_first_of_their_names(tmp_path: Path) -> None:
    there = [member("./bin/z", mode=0o755), member("./usr/bin/a", tarfile.LNKTYPE, "./bin/z", 0o755)]
    found = unpacked(packed(debs.read([deb(tmp_path / "a.deb", there)], tmp_path / "data")))
    assert found["usr/bin/a"].isreg()
    assert (found["usr/bin/z"].islnk(), found["usr/bin/z"].linkname) == (True, "usr/bin/a")


def test_owners_and_modes_are_kept_but_for_ways_to_become_somebody_else(tmp_path: Path) -> None:
    owned = member("./var/mail/x", mode=0o6751)
    owned.gid, owned.mtime = 8, 12345
    found = unpacked(packed(debs.read([deb(tmp_path / "a.deb", [owned])], tmp_path / "data")))["var/mail/x"]
    assert (found.gid, found.mode, found.mtime, found.uname) == (8, 0o751, EPOCH, "")


def test_scanners_find_which_packages_are_in_the_image(tmp_path: Path) -> None:
    tree = debs.read([deb(tmp_path / "libx.deb", [member("./a")])], tmp_path / "data")
    blob = tree.entries["var/lib/dpkg/status.d/libx"].blob
    assert blob
    assert b"Package: libx\nStatus: install ok installed\n" in blob.content


def test_documents_go_and_licences_stay() -> None:
    names = ("usr/share/doc/a/README.gz", "usr/share/doc/a/copyright", "usr/share/man/man1/a.1.gz", "usr/bin/a")
    tree = Tree({name: text("x") for name in names})
    tree.prune(("usr/share/doc/**", "usr/share/man/**"), ("usr/share/doc/*/copyright",))
    assert sorted(tree.entries) == ["usr/bin/a", "usr/share/doc/a/copyright"]


def test_one_star_stays_within_a_name_and_two_cross_slashes() -> None:
    matches = matcher(["app/**/*.map", "lib/*.so"])
    answers = [matches(path) for path in ("app/a.map", "app/b/c.map", "app/a.js", "lib/a.so", "lib/x/a.so")]
    assert answers == [True, True, False, True, False]


def test_a_folder_is_packed_as_roots_whoever_owns_it_here(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir(mode=0o700)
    (tmp_path / "bin" / "run").write_text("x")
    (tmp_path / "bin" / "run").chmod(0o700)
    (tmp_path / "go").symlink_to("bin/run")
    found = unpacked(packed(from_folder(tmp_path, "app")))
    assert {name: (i.uid, i.mode) for name, i in found.items()} == {
        "app": (0, 0o755),
        "app/bin": (0, 0o755),
        "app/bin/run": (0, 0o755),
        "app/go": (0, 0o777),
    }


def test_a_folder_whose_link_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "x").symlink_to("../secret")
    with pytest.raises(Refused):
        from_folder(tmp_path / "app", "app")


def test_what_a_recipe_needs_is_found_through_links_and_what_is_missing_is_named() -> None:
    tree = Tree({"usr/bin/sh": link("dash"), "usr/bin/dash": text("x"), "usr/bin/awk": link("/etc/gone")})
    words = {"cpu": "x64"}
    system.demand([tree], recipe(needs=["bin/sh"]), words)
    with pytest.raises(ActionFailed) as told:
        system.demand([tree], recipe(needs=["usr/bin/awk"]), words)
    assert told.value.params["path"] == "usr/bin/awk"


def test_a_file_that_became_shorter_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1234")
    tree = Tree({"x": Entry("file", blob=Blob(10, tmp_path / "x"))})
    with pytest.raises(OSError, match="shorter"):
        packed(tree)


def test_the_same_tree_is_the_same_layer_whatever_the_order(tmp_path: Path) -> None:
    entries = {f"d/{n}": text(str(n) * 1000) for n in range(50)}
    trees = [Tree(dict(entries)), Tree(dict(reversed(entries.items())))]
    for tree in trees:
        tree.complete()
    one, two = (layer.write(tree, tmp_path / str(n), EPOCH, unheard) for n, tree in enumerate(trees))
    assert (one.diff_id, one.digest, one.size) == (two.diff_id, two.digest, two.size)
    with gzip.open(tmp_path / "0") as whole:
        assert len(whole.read()) == one.full_size


@given(st.text(max_size=40))
def test_no_path_whatever_leads_out(path: str) -> None:
    try:
        found = plain(path)
    except Refused:
        return
    assert not found.startswith("/")
    assert ".." not in found.split("/")


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 5 * PIECE // 2), st.integers(0, 2**32), st.sampled_from([1, 1000, PIECE, PIECE + 7]))
def test_what_is_squeezed_can_be_read_by_any_gzip(size: int, seed: int, cut: int) -> None:
    data = random.Random(seed).randbytes(size // 4) * 4
    cut = max(cut, len(data) // 1000)
    out = io.BytesIO()
    squeezer = Squeezer(out)
    for at in range(0, len(data), cut):
        squeezer.write(data[at : at + cut])
    squeezer.close()
    assert gzip.decompress(out.getvalue()) == data

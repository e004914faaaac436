"""What the maintainer scripts of the packages would have made, made by us instead: no script of a package is ever run.

The links that make /bin, /sbin and /lib part of /usr are made here too.
"""

from collections.abc import Iterator

from fleet.base.errors import ActionFailed
from fleet.images.layer import contents
from fleet.images.recipe import Recipe, User
from fleet.images.tree import MERGED, Entry, Tree, link, text

BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_CERTIFICATES = "usr/share/ca-certificates/mozilla/"
_ROOT = User(name="root", uid=0, gid=0, home="/root", shell="/bin/sh")  # noqa: S604 - a line of passwd
_NOBODY = User(name="nobody", uid=65534, gid=65534, home="/nonexistent")
_FOLDERS = {
    **dict.fromkeys(
        ("dev", "etc", "home", "opt", "proc", "run", "sys", "usr/local/bin", "var/cache", "var/lib", "var/log"), 0o755
    ),
    "root": 0o700,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
    "run/lock": 0o1777,
}
_LINKS = {"var/run": "/run", "var/lock": "/run/lock", "etc/mtab": "../proc/self/mounts"}
_NAMES = (
    "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n"
)


def furnish(tree: Tree, recipe: Recipe, authorities: bytes = b"") -> None:
    """Add what the base system and the recipe ask for besides packages.

    Args:
        tree: the packages' files, with the certificates of ca-certificates still in it.
        recipe: users, directories, links, files.
        authorities: certificates (PEM) that are trusted besides Mozilla's, by explicit wish.
    """
    tree.entries |= {name: link(f"usr/{name}") for name in MERGED if f"usr/{name}" in tree.entries}
    for path, mode in _FOLDERS.items():
        tree.add(path, Entry("dir", mode))
    for path, target in {**_LINKS, **recipe.links}.items():
        tree.entries.pop(
            path, None
        )  # base-files brings /var/run and /var/lock as directories; its script makes links of them
        tree.add(path, link(target))
    _people(tree, recipe)
    _trust(tree, authorities)
    for directory in recipe.directories:
        tree.add(directory.path, Entry("dir", int(directory.mode, 8), directory.uid, directory.gid))
    for path in recipe.mounts:
        tree.add(path, Entry("dir"))
    for file in recipe.ours:
        tree.add(file.to, text(file.content, 0o755 if file.executable else 0o644))


def _people(tree: Tree, recipe: Recipe) -> None:
    people = (_ROOT, *recipe.users, _NOBODY)
    tree.add("etc/passwd", text("".join(f"{p.name}:x:{p.uid}:{p.gid}:{p.name}:{p.home}:{p.shell}\n" for p in people)))
    groups = ("nogroup" if p is _NOBODY else p.name for p in people)
    tree.add("etc/group", text("".join(f"{name}:x:{p.gid}:\n" for name, p in zip(groups, people, strict=True))))
    tree.add("etc/nsswitch.conf", text(_NAMES))


def _trust(tree: Tree, authorities: bytes) -> None:
    """Make the bundle that everything reads; OpenSSL's own default place (Debian: /usr/lib/ssl) leads to it."""
    certificates = [*_mozilla(tree), *([authorities] if authorities else [])]
    if certificates:
        tree.add(BUNDLE, text(b"".join(one.rstrip(b"\n") + b"\n" for one in certificates)))
        tree.add("usr/lib/ssl/cert.pem", link(f"/{BUNDLE}"))


def _mozilla(tree: Tree) -> Iterator[bytes]:
    for path, entry in tree.sorted():
        if path.startswith(_CERTIFICATES) and path.endswith(".crt") and entry.blob:
            yield b"".join(contents(entry.blob))


def demand(trees: list[Tree], recipe: Recipe, words: dict[str, str]) -> None:
    """Check that everything that the recipe needs is there.

    Args:
        trees: the layers' trees, lowest first.
        recipe: its `needs` are looked for.
        words: the values of their placeholders.

    Raises:
        ActionFailed: something is missing.
    """
    whole = Tree({path: entry for tree in trees for path, entry in tree.entries.items()})
    for need in recipe.needs:
        path = need.format(**words)
        if whole.find(path) is None:
            raise ActionFailed("image.incomplete", image=recipe.name, path=path)

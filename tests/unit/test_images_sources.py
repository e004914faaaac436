from pathlib import Path

from fleet.images.apt import configuration
from fleet.images.sources import Source, chosen, codename_and_origins, for_architecture, parse, preferences, render

DEB822 = """# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://vendor.example/linux
Suites: stable
Components: stable

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """
deb [arch=amd64 signed-by=/etc/apt/keyrings/x.gpg] http://mirror.example/ubuntu noble main universe # ours
# deb http://commented.example/ubuntu noble main
deb-src http://mirror.example/ubuntu noble main
deb cdrom:[Debian]/ noble main
deb http://security.example/ubuntu noble-security main
deb https://packages.example/apt cloud-noble main
"""


def test_both_formats_of_apt_are_read() -> None:
    assert parse("a.sources", DEB822)[:2] == [
        Source(
            "http://mirror.example/debian", suite, ("main", "contrib"), "/usr/share/keyrings/debian-archive-keyring.gpg"
        )
        for suite in ("bookworm", "bookworm-updates")
    ]
    assert parse("a.list", ONE_LINE)[0] == Source(
        "http://mirror.example/ubuntu", "noble", ("main", "universe"), "/etc/apt/keyrings/x.gpg"
    )


def test_the_persons_own_mirror_is_taken_and_other_vendors_are_not() -> None:
    assert {source.uri for source in chosen(parse("a.sources", DEB822), "bookworm")} == {"http://mirror.example/debian"}
    assert [source.suite for source in chosen(parse("a.list", ONE_LINE), "noble")] == ["noble", "noble-security"]


def test_a_release_that_is_named_by_its_role_counts_where_no_codename_is_named() -> None:
    named = [Source("http://mirror.example/debian", suite, ("main",)) for suite in ("stable", "stable-security", "sid")]
    assert [source.suite for source in chosen(named, "trixie")] == ["stable", "stable-security"]


def test_a_key_that_stands_in_the_file_itself_is_kept_whole() -> None:
    text = "Types: deb\nURIs: http://a.example\nSuites: noble\nComponents: main\nSigned-By:\n -----BEGIN\n .\n abc\n"
    source = parse("a.sources", text)[0]
    assert source.signed_by == "\n -----BEGIN\n .\n abc"
    assert parse("b.sources", render([source])) == [source]


def test_ubuntu_keeps_other_architectures_elsewhere_and_a_mirror_is_honoured() -> None:
    uris = [
        "http://archive.ubuntu.com/ubuntu/",
        "http://de.archive.ubuntu.com/ubuntu",
        "http://security.ubuntu.com/ubuntu",
    ]
    sources = [Source(uri, "noble", ("main",)) for uri in uris]
    assert {source.uri for source in for_architecture(sources, "arm64")} == {"http://ports.ubuntu.com/ubuntu-ports/"}
    mirror = [Source("https://mirrors.example/ubuntu/", "noble", ("main",))]
    assert for_architecture(mirror, "arm64")[0].uri == "https://mirrors.example/ubuntu-ports/"
    assert for_architecture(for_architecture(mirror, "arm64"), "amd64") == mirror


def test_debian_keeps_every_architecture_in_one_place() -> None:
    source = Source("http://mirror.example/debian", "bookworm", ("main",))
    assert for_architecture([source], "arm64") == for_architecture([source], "amd64") == [source]


def test_a_derivative_takes_the_packages_of_the_ubuntu_that_it_stands_on() -> None:
    mint = {"ID": "linuxmint", "VERSION_CODENAME": "wilma", "UBUNTU_CODENAME": "noble"}
    assert codename_and_origins(mint) == ("noble", ("Ubuntu",))
    assert codename_and_origins({"ID": "debian", "VERSION_CODENAME": "trixie"}) == ("trixie", ("Debian", "Raspbian"))


def test_packages_of_other_origins_are_never_taken() -> None:
    assert preferences(["Debian"]).endswith("Package: *\nPin: release a=*\nPin-Priority: -1\n")


def test_of_the_computers_configuration_only_the_ways_out_are_taken() -> None:
    proxy = 'Acquire::http::Proxy "http://proxy.example:3128";'
    dump = f'{proxy}\nDPkg::Post-Invoke:: "rm -rf /";\nAPT::Architecture "amd64";\n'
    told = configuration(dump, Path("/x"), "arm64")
    assert proxy in told
    assert "rm -rf" not in told
    assert 'APT::Architecture "arm64";' in told

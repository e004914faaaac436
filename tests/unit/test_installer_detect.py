"""First verdicts, from facts as machines give them."""

import pytest

from installer.detect import detect
from installer.facts import Facts

DEBIAN = {"uname_s": "Linux", "os.ID": "debian", "os.VERSION_ID": "12", "bin.apt-get": "/usr/bin/apt-get"}
HERE = {**DEBIAN, "dpkg_arch": "amd64", "uname_m": "x86_64", "bits": "64"}


@pytest.mark.parametrize(
    ("values", "system"),
    [
        (DEBIAN, "debian"),
        ({**DEBIAN, "os.ID": "ubuntu", "os.VERSION_ID": "24.04"}, "ubuntu"),
        ({**DEBIAN, "has./usr/bin/pveversion": "1"}, "proxmox_ve"),
        ({**DEBIAN, "has./usr/trim": "1"}, "fnos"),
        ({**DEBIAN, "uname_r": "6.12.15-production+truenas"}, "truenas"),
        ({**DEBIAN, "has./ugreen": "1", "os.OS_VERSION": "1.19.1.0126"}, "ugos"),
        ({"uname_s": "Linux", "has./usr/syno": "1"}, "dsm"),
        ({"uname_s": "Linux", "has./etc/config/uLinux.conf": "1"}, "qts"),
        ({"uname_s": "Linux", "os.ID": "fedora"}, "rhel-like"),
        ({"uname_s": "Darwin"}, "darwin"),
        ({"uname_s": "Linux"}, "unknown"),
    ],
)
def test_appliances_that_say_debian_are_told_from_debian(values: dict[str, str], system: str) -> None:
    assert detect(Facts(values)).os.value == system


def test_a_debian_without_apt_is_not_sure() -> None:
    assert not detect(Facts({"uname_s": "Linux", "os.ID": "debian"})).os.sure


@pytest.mark.parametrize(
    ("values", "architecture"),
    [
        ({"dpkg_arch": "amd64", "uname_m": "x86_64", "bits": "64"}, "amd64"),
        ({"dpkg_arch": "armhf", "uname_m": "aarch64", "bits": "32"}, "arm/v7"),
        ({"dpkg_arch": "arm64", "docker.info": "28.0 linux/aarch64 overlay2 systemd 2"}, "arm64"),
        ({"dpkg_arch": "amd64", "docker.info": "28.0 linux/armv7l overlay2 systemd 2"}, "arm/v7"),
        ({"uname_m": "aarch64", "bits": "64"}, "arm64"),
        ({"uname_m": "i686", "bits": "32"}, "386"),
        ({"uname_m": "mips", "bits": "32"}, "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_architecture_is_the_engines_then_the_userlands(values: dict[str, str], architecture: str) -> None:
    assert detect(Facts(values)).architecture.value == architecture


@pytest.mark.parametrize(
    ("values", "vm", "container"),
    [
        ({"sdv_vm": "kvm", "sdv_ct": "docker"}, "kvm", "docker"),
        ({"sdv_vm": "none", "sdv_ct": "none"}, "none", "none"),
        ({"sdv_vm": "none", "sdv_ct": "lxc"}, "none", "lxc"),
        ({"has./run/.containerenv": "1"}, "none", "podman"),
        ({"uname_r": "5.15.153.1-microsoft-standard-WSL2"}, "microsoft", "wsl"),
        ({"dmi.sys_vendor": "QEMU"}, "kvm", "none"),
        ({"cpu_flags": "lm hypervisor aes"}, "vm-other", "none"),
    ],
)
def test_virtual_machine_and_container_are_two_questions(values: dict[str, str], vm: str, container: str) -> None:
    verdict = detect(Facts(values))
    assert (verdict.vm.value, verdict.container.value) == (vm, container)


def test_every_conclusion_names_its_evidence() -> None:
    verdict = detect(Facts(HERE))
    for finding in (verdict.os, verdict.version, verdict.architecture):
        assert finding.sure
        assert all(key in HERE for key in finding.evidence)

"""The operating system. Appliances come before os-release: TrueNAS, fnOS, UGOS, OMV and Proxmox say they are Debian."""

import re

from installer.detect.verdict import PARTIAL, Finding, Rule, conclude, known, there
from installer.facts import Facts

_ANY = r".+"
_APPLIANCES = (
    Rule("dsm", 0.99, (*there("/usr/syno"), ("dsm.os_name", "DSM"))),
    Rule("dsm", 0.99, (*there("/usr/syno"), ("dsm.majorversion", _ANY))),
    Rule("dsm", 0.99, there("/usr/syno", "/etc.defaults/VERSION")),
    Rule("dsm", 0.9, there("/usr/syno")),
    Rule("dsm", 0.9, (("dsm.os_name", "DSM"),)),
    Rule("dsm", 0.85, (*there("/etc.defaults/VERSION"), ("dsm.majorversion", _ANY))),
    Rule("qts", 0.98, there("/etc/config/uLinux.conf")),
    Rule("qts", 0.95, there("/etc/config/qpkg.conf")),
    Rule("qts", 0.85, (("qnap.model", _ANY),)),
    Rule("qts", 0.85, (("qnap.Model", _ANY),)),
    Rule("unraid", 0.99, there("/etc/unraid-version")),
    Rule("unraid", 0.95, (("unraid.version", r".*\d.*"),)),
    Rule("truenas", 0.95, (("uname_s", "FreeBSD"), *there("/usr/local/bin/freenas-debug"))),
    Rule("truenas", 0.85, (("uname_s", "FreeBSD"), ("uname_v", r".*truenas.*"))),
    Rule("truenas", 0.99, there("/usr/local/bin/freenas-debug", "/usr/bin/midclt")),
    Rule("truenas", 0.95, there("/usr/local/bin/freenas-debug")),
    Rule("truenas", 0.9, there("/usr/bin/midclt")),
    Rule("fnos", 0.95, there("/usr/trim", "/usr/trim/bin/appcenter-cli")),
    Rule("fnos", 0.95, there("/usr/trim/bin/system_startup.sh")),
    Rule("fnos", 0.95, there("/usr/trim/bin/appcenter-cli")),
    Rule("fnos", 0.95, (*there("/usr/trim"), ("uname_r", r".*-trim.*"))),
    Rule("fnos", 0.9, there("/usr/trim")),
    Rule("ugos", 0.97, (*there("/ugreen"), ("os.OS_VERSION", _ANY))),
    Rule("ugos", 0.6, there("/ugreen")),
    Rule("ugos", 0.6, (("os.OS_VERSION", _ANY), ("os.OS_IS_BETA", _ANY))),
    Rule("zimaos", 0.98, (("os.ID", "zimaos"),)),
    Rule("zimaos", 0.9, (("os.PRETTY_NAME", r"zimaos.*"),)),
    Rule("proxmox_ve", 0.99, there("/usr/bin/pveversion")),
    Rule("proxmox_ve", 0.9, there("/etc/pve/.version")),
    Rule("haos", 0.95, (("os.ID", "haos|hassos"),)),
    Rule("haos", 0.9, (("os.PRETTY_NAME", r"home assistant os.*"),)),
    Rule("openwrt", 0.95, there("/etc/openwrt_release")),
    Rule("openwrt", 0.95, (("os.ID", "openwrt|istoreos|immortalwrt|lede|friendlywrt|qwrt"),)),
    Rule("openwrt", 0.9, (("os.ID_LIKE", r".*\b(openwrt|lede)\b.*"),)),
    Rule("unknown", PARTIAL, there("/usr/bin/ubnt-device-info")),
)
# A kernel is the host's in a container, so these count on the machine itself only.
_KERNELS = (
    Rule("truenas", 0.99, (("uname_r", r".*\+truenas"),)),
    Rule("truenas", 0.9, (("uname_r", r".*truenas.*"),)),
    Rule("fnos", PARTIAL, (("uname_r", r".*-trim.*"),)),
    Rule("dsm", PARTIAL, (("uname_v", r".*\bsynology_\w+.*"),)),
    Rule("dsm", PARTIAL, (("proc_version", r".*\bsynology\b.*"),)),
    Rule("dsm", PARTIAL, there("/proc/sys/kernel/syno_hw_version")),
    Rule("unraid", PARTIAL, (("uname_r", r".*-unraid.*"),)),
)
_FLAVOURS = (
    Rule("dietpi", 0.97, there("/boot/dietpi/.version")),
    Rule("dietpi", 0.85, (("os.PRETTY_NAME", r"dietpi.*"),)),
    Rule("armbian", 0.97, there("/etc/armbian-release")),
    Rule("armbian", 0.95, (("os.PRETTY_NAME", r"armbian.*"),)),
    Rule("armbian", 0.9, (("os.ID", r"armbian"),)),
    Rule("rpi_os", 0.97, there("/etc/rpi-issue")),
    Rule("rpi_os", 0.9, (("os.ID", r"raspbian|raspios"),)),
)
_ROLLING = r"arch|archarm|archlinux|manjaro.*|endeavouros|cachyos|artix|garuda|arcolinux|steamos|biglinux"
_RED = (
    r"rhel|redhat.*|centos|fedora.*|rocky|almalinux|ol|amzn|tencentos|tlinux|opencloudos|alinux|aliyun|anolis|alios"
    r"|virtuozzo|scientific|eurolinux|cloudlinux|miraclelinux|navylinux|circle|springdale|nobara|oracle|xenenterprise"
)
_EULER = r"openeuler|euleros|hce|kylin|culinux|bclinux|ctyunos|kylinsec|uos|uosserver|asianux|isoft|fusionos|h3linux"
_FAMILIES = (
    Rule("alpine", 0.97, (("os.ID", "alpine|postmarketos"),)),
    Rule("arch", 0.97, (("os.ID", _ROLLING),)),
    Rule("suse", 0.97, (("os.ID", r"(open)?suse.*|sles.*|sled|sle-?micro.*|sl-micro"),)),
    Rule("nixos", 0.97, (("os.ID", "nixos"),)),
    Rule("openeuler-like", 0.95, (("os.ID", _EULER),)),
    Rule("rhel-like", 0.97, (("os.ID", _RED),)),
)
_LIKE = (
    Rule("openeuler-like", 0.85, (("os.ID_LIKE", r".*\b(openeuler|euleros|kylin)\b.*"),)),
    Rule("rhel-like", 0.9, (("os.ID_LIKE", r".*\b(rhel|fedora|centos|anolis|opencloudos)\b.*"),)),
    Rule("suse", 0.9, (("os.ID_LIKE", r".*\b(open)?suse\b.*"),)),
    Rule("arch", 0.9, (("os.ID_LIKE", r".*\barch\b.*"),)),
    Rule("alpine", 0.85, (("os.ID_LIKE", r".*\balpine\b.*"),)),
)
# Old systems and small ones without os-release.
_FILES = (
    Rule("openeuler-like", 0.85, there("/etc/openEuler-release")),
    Rule("openeuler-like", 0.85, there("/etc/hce-release")),
    Rule("rhel-like", 0.85, there("/etc/opencloudos-release")),
    Rule("rhel-like", 0.85, there("/etc/tlinux-release")),
    Rule("rhel-like", 0.85, there("/etc/anolis-release")),
    Rule("rhel-like", 0.85, there("/etc/alinux-release")),
    Rule("openeuler-like", PARTIAL, there("/etc/kylin-release")),
    Rule("rhel-like", PARTIAL, there("/etc/redhat-release")),
    Rule("alpine", 0.85, there("/etc/alpine-release")),
    Rule("arch", 0.85, there("/etc/arch-release")),
    Rule("nixos", 0.9, there("/etc/NIXOS")),
)
_BASES = re.compile(r"\b(ubuntu|debian)\b")
_NAMES = {
    "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14", "buster": "10",
    "focal": "20.04", "jammy": "22.04", "noble": "24.04", "bionic": "18.04",
}  # fmt: skip


def system(facts: Facts, container: Finding) -> Finding:
    """Return the system's name; ``unknown`` where there is none for it."""
    kernel = facts.get("uname_s")
    if re.match(r"windows|mingw|msys|cygwin", kernel, re.IGNORECASE):
        return Finding("windows", 0.97, ("uname_s",))
    if kernel == "Darwin":
        return Finding("darwin", 0.99, ("uname_s",))
    found = conclude(_APPLIANCES, facts, _omv(facts))
    if found.evidence:
        return _hero(facts, _both(facts, found))
    inside = container.value not in {"none", "wsl"}
    found = conclude(() if inside else _KERNELS, facts, conclude(_FLAVOURS, facts))
    return found if found.evidence else _distribution(facts)


def _both(facts: Facts, found: Finding) -> Finding:
    """Add the kernel's word where it says the same."""
    same = conclude([rule for rule in _KERNELS if rule.value == found.value], facts)
    if not same.evidence or same.evidence[0] in found.evidence or not found.sure:
        return found
    return Finding(found.value, max(found.confidence, 0.95), (*found.evidence, *same.evidence))


def _hero(facts: Facts, found: Finding) -> Finding:
    """QNAP's system with ZFS is one of its own: its kernel knows ZFS, and its version begins with an h."""
    if found.value != "qts":
        return found
    for key, value in facts.values.items():
        zfs = "zfs" in key.lower() and value not in {"0", "no"}
        if (key.startswith("qnap.") or key == "zfs_pools") and (zfs or re.match(r"h\d|QuTS", value)):
            return Finding("quts_hero", found.confidence, (*found.evidence, key))
    return found


def _omv(facts: Facts) -> Finding:
    """OpenMediaVault, unless its package was removed and only its settings are left (dpkg's ``rc``)."""
    key = "has./etc/openmediavault/config.xml"
    if not facts.has("/etc/openmediavault/config.xml"):
        return Finding("unknown", 0.0)
    package = next((key for key in facts.values if "openmediavault" in key and not key.startswith("has.")), "")
    if package and facts.get(package).startswith(("rc", "un", "0", "no", "deinstall")):
        return Finding("unknown", 0.0)
    return Finding("omv", 0.97 if package else 0.92, (key, package) if package else (key,))


def _distribution(facts: Facts) -> Finding:
    """Return the distribution by os-release, else by old files."""
    name, like = facts.get("os.ID").lower(), facts.get("os.ID_LIKE").lower()
    if name in {"debian", "ubuntu"}:
        return _apt(facts, Finding(name, 0.97, ("os.ID",)))
    if name in {"kylin", "uos"} and ("debian" in like or facts.tool("dpkg") or facts.get("debian_version")):
        return Finding("debian", PARTIAL, known(facts, "os.ID", "os.ID_LIKE", "bin.dpkg", "debian_version"))
    found = conclude(_FAMILIES, facts)
    if found.evidence:
        return found
    base = _BASES.search(like)
    if base:  # Mint says "ubuntu debian", its other edition "debian"
        value = "ubuntu" if "ubuntu" in like else "debian"
        return _apt(facts, Finding(value, 0.85, ("os.ID_LIKE",)))
    return _old(facts, conclude(_LIKE, facts))


def _apt(facts: Facts, found: Finding) -> Finding:
    """Doubt a Debian that has no package manager of Debian's, or that says nothing else of itself."""
    beside = known(facts, "bin.apt-get", "bin.dpkg", "debian_version", "os.VERSION_ID", "os.PRETTY_NAME")
    tools = [key for key in facts.values if key.startswith("bin.")]
    if tools and not known(facts, "bin.apt-get", "bin.dpkg"):
        return found.at_most(0.6)
    return Finding(found.value, found.confidence, (*found.evidence, *beside[:1])) if beside else found.at_most(PARTIAL)


def _old(facts: Facts, found: Finding) -> Finding:
    if found.evidence:
        return found
    found = conclude(_FILES, facts)
    if found.evidence or facts.get("os.ID"):
        return found if found.evidence else Finding("unknown", 0.5, ("os.ID",))
    if facts.get("debian_version"):
        return Finding("debian", 0.7, ("debian_version",))
    return Finding("unknown", 0.2, known(facts, "uname_s"))


def base(facts: Facts) -> str:
    """Return what a system of the Debian family is built on, ``debian`` or ``ubuntu``; empty for other families."""
    name, like = facts.get("os.ID").lower(), facts.get("os.ID_LIKE").lower()
    if name in {"debian", "ubuntu"}:
        return name
    if name == "raspbian":
        return "debian"
    return "ubuntu" if "ubuntu" in like else "debian" if "debian" in like else ""


def version(facts: Facts) -> Finding:
    """Return the base's release number, by its code name where the system counts its own; testing has none."""
    for key in ("os.UBUNTU_CODENAME", "os.DEBIAN_CODENAME"):
        if facts.get(key) in _NAMES and facts.get("os.ID").lower() not in {"debian", "ubuntu"}:
            return Finding(_NAMES[facts.get(key)], 0.9, (key,))
    return conclude((Rule(facts.get("os.VERSION_ID"), 0.97, (("os.VERSION_ID", r"[0-9][0-9.]*"),)),), facts)

"""The operating system. Appliances come before os-release: TrueNAS, fnOS, UGOS and Proxmox say that they are Debian."""

from installer.detect.verdict import Finding, Rule, conclude
from installer.facts import Facts

_THERE = "1"
_APPLIANCES = (
    Rule("dsm", 0.99, (("has./usr/syno", _THERE),)),
    Rule("qts", 0.98, (("has./etc/config/uLinux.conf", _THERE),)),
    Rule("qts", 0.98, (("has./etc/config/qpkg.conf", _THERE),)),
    Rule("unraid", 0.99, (("has./etc/unraid-version", _THERE),)),
    Rule("truenas", 0.99, (("uname_r", r".*\+truenas"),)),
    Rule("truenas", 0.97, (("has./usr/local/bin/freenas-debug", _THERE),)),
    Rule("fnos", 0.95, (("has./usr/trim", _THERE),)),
    Rule("ugos", 0.97, (("has./ugreen", _THERE), ("os.OS_VERSION", r".+"))),
    Rule("zimaos", 0.98, (("os.ID", "zimaos"),)),
    Rule("proxmox_ve", 0.99, (("has./usr/bin/pveversion", _THERE),)),
    Rule("haos", 0.95, (("os.ID", "haos"),)),
    Rule("openwrt", 0.95, (("has./etc/openwrt_release", _THERE),)),
)
_FAMILIES = (
    Rule("darwin", 0.99, (("uname_s", "Darwin"),)),
    *_APPLIANCES,
    Rule("ubuntu", 0.97, (("os.ID", "ubuntu"), ("bin.apt-get", r"/.+"))),
    Rule("debian", 0.97, (("os.ID", "debian"), ("bin.apt-get", r"/.+"))),
    Rule("ubuntu", 0.6, (("os.ID", "ubuntu"),)),
    Rule("debian", 0.6, (("os.ID", "debian"),)),
    Rule("other", 0.9, (("os.ID", r".+"),)),
)


def system(facts: Facts) -> Finding:
    """Return the family: ``debian``, ``ubuntu``, the name of an appliance's system, ``other`` or ``unknown``."""
    return conclude(_FAMILIES, facts)


def version(facts: Facts) -> Finding:
    """Return the release's number as os-release has it; testing releases have none."""
    return conclude((Rule(facts.get("os.VERSION_ID"), 0.97, (("os.VERSION_ID", r"[0-9][0-9.]*"),)),), facts)

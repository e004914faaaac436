"""Is it a virtual machine, and under which hypervisor? Asked apart from whether it is a container: it may be both."""

import re

from installer.detect import clouds
from installer.detect.container import told, wsl_version
from installer.detect.firmware import Firmware
from installer.detect.verdict import PARTIAL, Finding, known
from installer.facts import Facts

# systemd-detect-virt's words (its manual) and ours
_VMS = {
    **{name: name for name in ("kvm", "qemu", "vmware", "microsoft", "xen", "oracle", "amazon", "apple", "vm-other")},
    **dict.fromkeys(("zvm", "powervm", "parallels", "bhyve", "bochs", "uml", "qnx", "acrn", "sre"), "vm-other"),
    "google": "kvm",
}
# product before vendor, as systemd asks (its virt.c)
_FIRMWARE: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (value, name, re.compile(pattern, re.IGNORECASE))
    for value, name, pattern in (
        ("kvm", "product_name", r"^KVM\b|^OpenStack|^KubeVirt|^Google$|^Google Compute Engine|^RHEV|^oVirt|^AHV$"),
        ("kvm", "product_name", r"^Alibaba Cloud|^CVM$|^BCC$|^Droplet|^vServer$"),
        ("vmware", "product_name", r"^VMware|^VMW"),
        ("oracle", "product_name", r"^VirtualBox"),
        ("microsoft", "product_name", r"^Virtual Machine$"),
        ("xen", "product_name", r"^HVM domU"),
        ("apple", "product_name", r"^Apple Virtualization|^VirtualMac"),
        ("vm-other", "product_name", r"^Parallels|^BHYVE|^Bochs"),
        ("amazon", "sys_vendor", r"^Amazon EC2"),
        ("kvm", "sys_vendor", r"^QEMU|^Smdbmds|^Red Hat$|^OpenStack|^KubeVirt|^Nutanix|^oVirt"),
        ("kvm", "sys_vendor", r"^(DigitalOcean|Hetzner|Vultr|Linode|Akamai|UpCloud|Scaleway|NWCS|3DS Outscale)$"),
        ("kvm", "sys_vendor", r"Tencent Cloud|Alibaba Cloud|Huawei ?Cloud|Volc|ByteDance|Baidu|JD ?Cloud|UCloud"),
        ("vmware", "sys_vendor", r"^VMware"),
        ("oracle", "sys_vendor", r"^innotek"),
        ("xen", "sys_vendor", r"^Xen"),
        ("apple", "sys_vendor", r"^Apple Virtualization"),
        ("vm-other", "sys_vendor", r"^Parallels|^BHYVE|^Bochs"),
        ("amazon", "bios_vendor", r"^Amazon EC2"),
        ("kvm", "bios_vendor", r"^(DigitalOcean|Hetzner|Vultr|Scaleway|Google|QEMU)$"),
        ("xen", "bios_vendor", r"^Xen"),
        ("kvm", "bios_vendor", r"^SeaBIOS$"),
        ("vmware", "bios_vendor", r"^VMware"),
        ("oracle", "bios_vendor", r"^innotek"),
        ("microsoft", "bios_version", r"^Hyper-V"),
    )
)


_BOARDS = re.compile(r"asrock|asus|giga|micro-star|msi|super ?micro|dell|fujitsu|intel|quanta|tyan", re.IGNORECASE)


def vm(facts: Facts) -> Finding:
    """Return which hypervisor the machine runs under, ``none`` for none."""
    said = told(facts, _VMS, ("sdv_vm", "sdv"))
    by_firmware = _by_firmware(facts)
    if said and said.value != "none":
        return _sharpened(said, by_firmware)
    if wsl_version(facts):
        return Finding("microsoft" if wsl_version(facts) == 2 else "none", 0.9, ("uname_r",))  # noqa: PLR2004 - WSL 2
    if facts.get("dmi.product_name").endswith(".metal"):  # a cloud's machine that is no virtual one: systemd's virt.c
        return said or Finding("none", 0.85, ("dmi.product_name",))
    if by_firmware:
        return by_firmware.at_most(0.6, *said.evidence) if said else by_firmware
    return said or _by_processor(facts)


def _sharpened(said: Finding, by_firmware: Finding | None) -> Finding:
    """The processor's word is good; the firmware says which cloud's hypervisor it is."""
    if said.value in {"kvm", "vm-other"} and by_firmware and by_firmware.value == "amazon":
        return Finding("amazon", 0.97, (*said.evidence, *by_firmware.evidence))
    return said


def _by_firmware(facts: Facts) -> Finding | None:
    firmware = Firmware(facts)
    for value, name, pattern in _FIRMWARE:
        if pattern.search(firmware.get(name)) and not _only_looks_so(value, name, firmware):
            sure = name in {"product_name", "sys_vendor"}
            return Finding(value, 0.95 if sure else 0.85, (f"dmi.{name}",))
    tagged = clouds.by_tag(facts)
    if tagged:
        return Finding({"azure": "microsoft"}.get(tagged.value, "kvm"), 0.9, tagged.evidence)
    if facts.get("dt.compatible").startswith("linux,dummy-virt"):
        return Finding("kvm", 0.9, ("dt.compatible",))
    return _by_uuid(facts)


def _only_looks_so(value: str, name: str, firmware: Firmware) -> bool:
    """Return whether real machines say this too: rented ones name who rents them out, coreboot boards SeaBIOS."""
    vendor = firmware.get("sys_vendor")
    if value == "kvm" and _BOARDS.match(firmware.get("board_vendor")):
        return True
    if value == "kvm" and name == "bios_vendor":
        return bool(vendor) and vendor not in {"QEMU", "Red Hat", "Bochs"}
    if value == "microsoft" and name == "product_name":
        hyper_v = firmware.get("bios_version").startswith("Hyper-V")
        return not (hyper_v or vendor.startswith(("Microsoft", "American Megatrends")))
    return value == "kvm" and firmware.get("product_name") == "AHV" and not vendor.startswith("Nutanix")


def _by_uuid(facts: Facts) -> Finding | None:
    own = Firmware(facts).get("sys_vendor") not in {"", "Xen", "QEMU"}
    found = None if own else clouds.by_number(facts)
    value = {"aws": "amazon"}.get(found.value, "kvm") if found else ""
    return Finding(value, min(found.confidence, PARTIAL), found.evidence) if found else None


def _by_processor(facts: Facts) -> Finding:
    """Xen's first domain carries the hypervisor's flag as well, though it is the host."""
    if facts.get("hv.type") == "xen":
        own = facts.get("hv.uuid").strip("0-") == "" or facts.has("/proc/xen/capabilities")
        return Finding("none", 0.7, ("hv.type",)) if own else Finding("xen", 0.95, known(facts, "hv.type", "hv.uuid"))
    model = facts.get("cpu_model")
    if re.search(r"QEMU Virtual CPU|Common (32-bit )?KVM processor|KVM64", model, re.IGNORECASE):
        return Finding("kvm", 0.85, ("cpu_model",))
    if re.search(r"\bhypervisor\b", facts.get("cpu_flags")):
        return Finding("vm-other", 0.8, ("cpu_flags",))
    said = known(facts, "cpu_flags", "dmi.sys_vendor", "dmi.product_name", "dt.model", "dmi.board_vendor")
    return Finding("none", 0.9 if said else 0.4, said)

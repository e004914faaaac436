"""Whose data centre does it stand in? By the firmware; a metadata service only confirms, for most clouds have one.

Sources: cloud-init's ds-identify, chef/ohai, elastic/beats, kernel reports; what nobody has captured is worth little.
"""

import re

from installer.detect.firmware import Firmware
from installer.detect.verdict import PARTIAL, UNKNOWN, Finding, Rule, conclude
from installer.facts import Facts

_RULES = (
    Rule("tencent", 0.99, (("dmi.sys_vendor", r".*tencent cloud.*"),)),
    Rule("tencent", 0.9, (("dmi.sys_vendor", "smdbmds"),)),
    Rule("tencent", 0.9, (("dmi.chassis_vendor", "smdbmds|tencent cloud"),)),
    Rule("aliyun", 0.99, (("dmi.product_name", r"alibaba cloud.*"), ("dmi.sys_vendor", r"alibaba cloud.*"))),
    Rule("aliyun", 0.95, (("dmi.product_name", r"alibaba cloud.*"),)),
    Rule("aliyun", 0.95, (("dmi.sys_vendor", r"alibaba cloud.*"),)),
    Rule("huawei", 0.98, (("dmi.sys_vendor", r"huawei ?cloud.*"),)),
    Rule("huawei", 0.98, (("dmi.chassis_asset_tag", r"huawei ?cloud.*"),)),
    Rule("aws", 0.99, (("dmi.sys_vendor", r"amazon ec2"),)),
    Rule("aws", 0.97, (("dmi.bios_vendor", r"amazon ec2"),)),
    Rule("aws", 0.97, (("hv.uuid", r"ec2.*"),)),
    Rule("gcp", 0.99, (("dmi.product_name", r"google compute engine"),)),
    Rule("gcp", 0.95, (("dmi.product_name", "google"),)),
    Rule("azure", 0.99, (("dmi.chassis_asset_tag", r"7783-7084-3265-9085-8269-3286-77"),)),
    Rule("digitalocean", 0.98, (("dmi.sys_vendor", "digitalocean"),)),
    Rule("hetzner", 0.98, (("dmi.sys_vendor", "hetzner"),)),
    Rule("vultr", 0.98, (("dmi.sys_vendor", "vultr"),)),
    Rule("linode", 0.98, (("dmi.sys_vendor", "linode|akamai"),)),
    Rule("scaleway", 0.98, (("dmi.sys_vendor", "scaleway"),)),
    Rule("oracle", 0.95, (("dmi.chassis_asset_tag", r"oraclecloud\.com"),)),
    Rule("volcengine", 0.6, (("dmi.sys_vendor", r".*(volc|bytedance).*"),)),
    Rule("volcengine", 0.6, (("dmi.product_name", r".*volc.*"),)),
    Rule("baidu", 0.4, (("dmi.sys_vendor", r".*baidu.*"),)),
    Rule("baidu", 0.4, (("dmi.product_name", r"bcc|.*baidu.*"),)),
)
_TAGS = tuple(rule for rule in _RULES if any("asset_tag" in key or "chassis" in key for key, _ in rule.when))
_NUMBERS = (
    Rule("aws", 0.85, (("dmi.product_uuid", r"ec2[0-9a-f]{5}-.*"),)),
    Rule("gcp", 0.95, (("dmi.product_serial", r"googlecloud-.*"),)),
    Rule("aws", PARTIAL, (("dmi.product_uuid", r"[0-9a-f]{4}2[0-9a-f]ec-.*"),)),
)
OTHERS = {
    "upcloud": ("dmi.sys_vendor", r"upcloud"),
    "nwcs": ("dmi.sys_vendor", r"nwcs"),
    "exoscale": ("dmi.product_name", r"exoscale.*"),
    "cloudstack": ("dmi.product_name", r"cloudstack.*"),
    "outscale": ("dmi.sys_vendor", r"3ds outscale"),
}
"""Clouds that clawrack has no name for among its own; they are told as traits."""

# What metadata services and cloud-init's `cloud-id` call them.
_CALLED = {
    "tencent": r"tencent|lhins-|qcloud",
    "aliyun": r"aliyun|alibaba|100\.100\.100\.200",
    "huawei": r"huawei",
    "volcengine": r"volc|bytedance|100\.96\.0\.96",
    "baidu": r"baidu",
    "aws": r"\baws|ec2|amazon",
    "gcp": r"gce|gcp|google",
    "azure": r"azure",
    "digitalocean": r"digitalocean",
    "hetzner": r"hetzner",
    "oracle": r"oracle",
    "vultr": r"vultr",
    "linode": r"linode|akamai",
    "scaleway": r"scaleway",
}
_LOCAL = frozenset({"oracle", "apple", "vmware", "microsoft"})
"""Hypervisors that people run at home as well."""


def cloud(facts: Facts, vm: Finding, container: Finding) -> Finding:
    """Return whose cloud it is: ``none`` for somebody's own machine, ``unknown`` for a virtual one of anybody's."""
    if container.value == "wsl" or "microsoft" in facts.get("uname_r").lower():
        return Finding("none", 0.95, ("uname_r", *container.evidence))
    found = conclude(_RULES, facts, by_number(facts) or UNKNOWN)
    second = _second(facts)
    if found.evidence:
        return _confirmed(_in_place(facts, found, vm), second)
    if second:
        return second
    return _nobody(facts, vm)


def by_tag(facts: Facts) -> Finding | None:
    """Return the cloud that the chassis names, if it names one."""
    found = conclude(_TAGS, facts)
    return found if found.evidence else None


def by_number(facts: Facts) -> Finding | None:
    """Return the cloud that the machine's numbers, which root alone may read, speak for.

    One in four thousand machines has such a number by chance, so a maker's name counts for more.
    """
    found = conclude(_NUMBERS, facts)
    chance = found.evidence == ("dmi.product_uuid",) and Firmware(facts).get("sys_vendor") not in {"", "Xen", "QEMU"}
    return found if found.evidence and not chance else None


def _in_place(facts: Facts, found: Finding, vm: Finding) -> Finding:
    """Doubt a cloud's name on what is no virtual machine, but for those that are rented whole."""
    if vm.value == "none" and not facts.get("dmi.product_name").endswith(".metal"):
        return found.at_most(0.7, *vm.evidence)
    return found


def _confirmed(found: Finding, second: Finding | None) -> Finding:
    if second is None:
        return found
    if second.value == found.value:
        return Finding(found.value, max(found.confidence, 0.95), (*found.evidence, *second.evidence))
    return found.at_most(PARTIAL, *second.evidence) if found.confidence >= second.confidence else second


def _second(facts: Facts) -> Finding | None:
    """Return what a metadata service answered (0.95), or what cloud-init found (its id 0.9, its guess 0.7)."""
    for prefix, confidence in (("imds.", 0.95), ("cloud.id", 0.9), ("cloud.ds", 0.7)):
        for key, value in facts.values.items():
            if key.startswith(prefix) and value.lower() not in {"", "none", "0", "no", "failed"}:
                named = _named(f"{key.removeprefix(prefix)} {value}")
                if named:
                    return _past_tailnet(facts, Finding(named, confidence, (key,)))
    return None


def _past_tailnet(facts: Facts, found: Finding) -> Finding:
    """Two clouds' services have addresses of Tailscale's range: there somebody else may have answered."""
    shared = found.value in {"aliyun", "volcengine"} and found.evidence[0].startswith("imds.")
    return found.at_most(PARTIAL, "bin.tailscale") if shared and facts.tool("tailscale") else found


def _named(text: str) -> str:
    return next((name for name, called in _CALLED.items() if re.search(called, text, re.IGNORECASE)), "")


def _nobody(facts: Facts, vm: Finding) -> Finding:
    """Tell a machine of somebody's own from a virtual one that may stand anywhere."""
    other = others(facts)
    if other:
        return Finding("unknown", PARTIAL, (OTHERS[other[0]][0],))
    if vm.value == "none":
        return Finding("none", min(0.95, vm.confidence), vm.evidence)
    if vm.value in _LOCAL or facts.get("cloud.id") in {"nocloud", "none"}:
        return Finding("none", 0.85 if vm.value in {"oracle", "apple"} else 0.6, vm.evidence)
    return Finding("unknown", 0.5, vm.evidence)


def others(facts: Facts) -> tuple[str, ...]:
    """Return the clouds of OTHERS that the firmware names."""
    return tuple(name for name, when in OTHERS.items() if Rule(name, 1.0, (when,)).matches(facts))

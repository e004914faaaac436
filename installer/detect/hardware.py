"""What sort of computer is it? In this order: virtual, device tree, NAS, thin client, battery, models, chassis.

A chassis' type is the weakest word of all: Synology's firmware says Notebook, and so do 19 of 150 mini-PCs sampled
from linuxhw/DMI (CC-BY-4.0); boards in homemade cases say Desktop.
"""

import re

from installer.detect import brands
from installer.detect.firmware import NAMES, Firmware
from installer.detect.verdict import PARTIAL, Finding, known
from installer.facts import Facts

PORTABLE = frozenset({8, 9, 10, 14, 30, 31, 32})
_MINI = frozenset({34, 35, 36})
_SERVER = frozenset({17, 23, 25, 28, 29})
_DESKTOP = frozenset({3, 4, 5, 6, 7, 13, 15, 16, 24})
_NAS_SYSTEMS = frozenset({"dsm", "qts", "quts_hero", "ugos"})
_LOADED = "dsm"
"""The one that people run on computers of other makers (Xpenology)."""
_ARM = re.compile(r"aarch64|armv\d|riscv|mips", re.IGNORECASE)
# batteries of mice, keyboards, pens, game pads and uninterruptible supplies
_OTHERS_BATTERY = re.compile(r"hid|wacom|mouse|keyboard|controller|ups|stylus|headset|sony|nintendo", re.IGNORECASE)
_CHROME = re.compile(r"^google", re.IGNORECASE)
"""Chromeboxes and Chromebooks go by code names, and their chassis' type is seldom right."""
_FRUGAL = re.compile(
    r"\b([NJ]\d{2,4}|i[3579]-\d{4,5}(U|Y|H|HK|HQ|HX|P|G\d)|Ryzen \d( PRO)? \d{4}(U|H|HS|HX)|Atom)\b"
    r"|Ultra \d \d{3}[HUV]",
    re.IGNORECASE,
)
_GREAT = re.compile(
    r"asus|asrock|giga|micro-star|\bmsi\b|super ?micro|dell|hewlett|\bhp|lenovo|acer|fujitsu|intel|apple|biostar|ecs"
    r"|foxconn",
    re.IGNORECASE,
)
_PLAINLY = re.compile(r"notebook|laptop|macbook|latitude|thinkpad|elitebook|probook|zbook", re.IGNORECASE)
_NAMED = ("sys_vendor", "product_name", "product_version", "product_family")
_APPLE_SILICON = (
    (re.compile(r"macbook", re.IGNORECASE), "laptop"),
    (re.compile(r"mac (mini|studio)", re.IGNORECASE), "mini_pc"),
)


def hardware(facts: Facts, os: Finding, vm: Finding, container: Finding) -> Finding:
    """Return what sort of computer it is; in a container that of the machine below, without being sure."""
    if vm.value != "none":
        return Finding("vm", vm.confidence, vm.evidence)
    found = _computer(facts, os)
    return found if container.value in {"none", "wsl"} else found.at_most(0.7, *container.evidence)


def _computer(facts: Facts, os: Finding) -> Finding:
    firmware = Firmware(facts)
    for question in (_tree, _nas, _metal, _board, _thin, _by_system, _portable, _model, _by_chassis):
        found = question(facts, firmware, os)
        if found:
            return found
    return Finding("unknown", 0.2, firmware.told)


def has_battery(facts: Facts) -> bool:
    """Return whether the machine itself has a battery."""
    return facts.said("battery") and not _OTHERS_BATTERY.search(facts.get("battery"))


def _tree(facts: Facts, _firmware: Firmware, os: Finding) -> Finding | None:
    """A device tree names boards; firmware that stands beside it was made up by the boot loader."""
    model = facts.get("dt.model")
    if not model:
        return None
    keys = known(facts, "dt.model", "dt.compatible")
    for pattern, value in _APPLE_SILICON:
        if pattern.search(model):
            return Finding(value, 0.95, keys)
    if os.value in _NAS_SYSTEMS or brands.NAS.search(model):
        return Finding("nas", 0.95, (*keys, *os.evidence))
    if brands.LAPTOP.search(model) or (has_battery(facts) and not brands.SBC.search(model)):
        return Finding("laptop", 0.85 if has_battery(facts) else PARTIAL, (*keys, *known(facts, "battery")))
    return Finding("sbc", 0.95, keys)


def _nas(facts: Facts, firmware: Firmware, os: Finding) -> Finding | None:
    keys = firmware.found(brands.NAS)
    if not keys:
        return None
    same = os.evidence if os.value in _NAS_SYSTEMS else ()
    makers = ("sys_vendor", "product_family", "product_name", "board_vendor", "chassis_vendor")
    sure = len(firmware.found(brands.NAS, makers)) > 0 and not has_battery(facts)
    return Finding("nas", 0.97 if sure else 0.6, (*keys, *same))


def _metal(facts: Facts, _firmware: Firmware, _os: Finding) -> Finding | None:
    if facts.get("dmi.product_name").endswith(".metal"):
        return Finding("server", 0.9, ("dmi.product_name",))
    return None


def _board(facts: Facts, firmware: Firmware, _os: Finding) -> Finding | None:
    """A small board without a device tree to be seen: U-Boot passes names on, UEFI for the Pi 3 said Sony laptop."""
    keys = firmware.found(brands.SBC)
    boot = firmware.get("bios_vendor").lower().startswith("u-boot")
    arm = bool(_ARM.match(facts.get("uname_m")))
    if boot or keys:
        evidence = (*keys, *(("dmi.bios_vendor",) if boot else ()))
        return Finding("sbc", 0.95 if boot and keys else 0.9 if keys else 0.85, evidence)
    portable = firmware.chassis in PORTABLE and not has_battery(facts)
    if arm and portable:
        return Finding("sbc", 0.6, ("uname_m", "dmi.chassis_type"))
    return None


def _thin(_facts: Facts, firmware: Firmware, _os: Finding) -> Finding | None:
    keys = firmware.found(brands.THIN)
    return Finding("thin_client", 0.95, keys) if keys else None


def _portable(facts: Facts, firmware: Firmware, _os: Finding) -> Finding | None:
    """A laptop has a battery or a lid, and says that it is one; neither is enough alone."""
    battery = has_battery(facts)
    marks = (*(("battery",) if battery else ()), *(("lid",) if facts.said("lid") else ()))
    mini, model = firmware.found(brands.MINI), firmware.found(brands.LAPTOP)
    if firmware.chassis not in PORTABLE:
        return _claimed(facts, firmware, model) if battery or firmware.found(_PLAINLY) else None
    chassis = ("dmi.chassis_type",)
    if firmware.found(brands.DESKTOP) and not model:
        return Finding("desktop", 0.6 if battery else 0.85, (*firmware.found(brands.DESKTOP), *marks))
    if mini and not model:
        return _claims_both(battery=battery, evidence=(*mini, *chassis, *marks))
    if marks:
        return Finding("laptop", 0.97 if battery else 0.93, (*marks, *chassis, *model))
    return _bare_portable(facts, firmware, model)


def _claimed(facts: Facts, firmware: Firmware, model: tuple[str, ...]) -> Finding | None:
    """A battery or a laptop's name, in a chassis that says it is none."""
    other = firmware.found(brands.MINI) or firmware.found(brands.DESKTOP) or firmware.found(brands.SERVER)
    if firmware.chassis in _SERVER or (other and not (model and has_battery(facts))):
        return None
    sure = PARTIAL if model and has_battery(facts) else 0.6
    return Finding("laptop", sure, (*known(facts, "battery"), *model, "dmi.chassis_type"))


def _claims_both(*, battery: bool, evidence: tuple[str, ...]) -> Finding:
    return Finding("laptop" if battery else "mini_pc", 0.6 if battery else 0.85, evidence)


def _bare_portable(facts: Facts, firmware: Firmware, model: tuple[str, ...]) -> Finding:
    """No battery and no lid: one that is dead and one that never was look alike."""
    chassis = ("dmi.chassis_type",)
    if model:
        return Finding("laptop", 0.87, (*model, *chassis))
    asked = any(key.startswith(("bin.", "df.", "mem.")) for key in facts.values)
    return Finding("laptop", 0.5 if asked else 0.6, (*chassis, *firmware.named(_NAMED)))


def _model(_facts: Facts, firmware: Firmware, _os: Finding) -> Finding | None:
    """Models that people know, whatever the chassis says."""
    mini, server = firmware.found(brands.MINI), firmware.found(brands.SERVER)
    if mini and firmware.chassis not in _SERVER:
        return Finding("mini_pc", 0.95 if firmware.chassis in _MINI else 0.9, _with_chassis(firmware, mini, _MINI))
    desktop = firmware.found(brands.DESKTOP)
    if server and not desktop:
        whole = firmware.chassis in _SERVER or any(key in firmware.found(brands.SERVER, _NAMED) for key in server)
        return Finding("server", 0.95 if whole else PARTIAL, _with_chassis(firmware, server, _SERVER))
    if desktop and firmware.chassis not in _SERVER | _MINI:
        return Finding("desktop", 0.93, _with_chassis(firmware, desktop, _DESKTOP))
    return None


def _with_chassis(firmware: Firmware, keys: tuple[str, ...], kinds: frozenset[int]) -> tuple[str, ...]:
    return (*keys, "dmi.chassis_type") if firmware.chassis in kinds else keys


def _by_system(facts: Facts, firmware: Firmware, os: Finding) -> Finding | None:
    """A NAS maker's system is on that maker's hardware, whatever its firmware says; DSM where it names nobody else."""
    if os.value == "zimaos" and facts.get("os.MODEL"):
        cube = "cube" in facts.get("os.MODEL").lower()
        return Finding("nas" if cube else "sbc", 0.85, ("os.MODEL",))
    if os.value not in _NAS_SYSTEMS or (os.value == _LOADED and firmware.named()):
        return None
    arm = not firmware.told and bool(_ARM.match(facts.get("uname_m")))
    return Finding("nas", 0.9 if arm else PARTIAL if os.value == _LOADED else min(0.85, os.confidence), os.evidence)


def _small(facts: Facts, firmware: Firmware) -> bool:
    """Return whether a processor made for laptops and boxes stands in a desktop of no great maker's."""
    return bool(_FRUGAL.search(facts.get("cpu_model"))) and not firmware.found(_GREAT, ("sys_vendor", "board_vendor"))


def _by_chassis(facts: Facts, firmware: Firmware, _os: Finding) -> Finding | None:
    """Say what the chassis says, surer where the maker filled in anything at all."""
    named = firmware.named(NAMES)
    if firmware.chassis in _DESKTOP and _small(facts, firmware):
        return Finding("mini_pc", 0.7, ("cpu_model", "dmi.chassis_type", *named[:1]))
    for kinds, value in ((_MINI, "mini_pc"), (_SERVER, "server"), (_DESKTOP, "desktop")):
        if firmware.chassis in kinds:
            doubt = named in {(), ("dmi.board_name",)} or firmware.found(_CHROME, ("sys_vendor", "product_family"))
            return Finding(value, 0.6 if doubt else 0.85, ("dmi.chassis_type", *named[:2]))
    if named:
        return Finding("desktop", 0.5, named)
    return None

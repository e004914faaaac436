"""What the firmware says of a machine (DMI), with what is no answer left out."""

import re
from collections.abc import Iterable

from installer.facts import Facts

NAMES = ("sys_vendor", "product_name", "product_version", "product_family", "board_vendor", "board_name")
# What makers leave where they should have filled in a name. The first lines: fastfetch, common/impl/smbios.c; the last
# two: seen in linuxhw/DMI (CC-BY-4.0).
_JUNK = re.compile(
    r"to be (filled|set).*|oem.*|o\.e\.m\.?.*|.*\bby o\.?e\.?m\.?|system (product|name|version|manufacturer).*"
    r"|default.*|none|n/?a|-+|not (specified|applicable|available|set|defined).*|unknow.*|invalid|all series|standard"
    r"|type1.*|[0x. ]*|undefined|empty|null|x+\.?x*|(123|012)[0-9.\-]*|\$\(default_string\)|filled by oem.*"
    r"|aptio crb|cherry ?trail cr|.*\bcrb|ami corporation|reference"
    r"|type2 - .*|(chassis|base board|board|product|bios) ?(manufacturer|version|name|vendor).*|sku|test|\W*",
    re.IGNORECASE,
)


class Firmware:
    """The DMI values of one machine, junk as empty."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def get(self, name: str) -> str:
        """Return a value, empty where the maker did not fill it in."""
        text = self._facts.get(f"dmi.{name}").strip(" \N{REPLACEMENT CHARACTER}")
        return "" if _JUNK.fullmatch(text) else text

    @property
    def chassis(self) -> int:
        """The chassis' type as SMBIOS numbers them; 2, which means unknown, where none is told."""
        text = self._facts.get("dmi.chassis_type")
        return int(text) & 0x7F if text.isascii() and text.isdigit() else 2

    def found(self, pattern: re.Pattern[str], names: Iterable[str] = NAMES) -> tuple[str, ...]:
        """Return the keys whose values the pattern is found in."""
        return tuple(f"dmi.{name}" for name in names if pattern.search(self.get(name)))

    def named(self, names: Iterable[str] = NAMES) -> tuple[str, ...]:
        """Return the keys that the maker filled in."""
        return tuple(f"dmi.{name}" for name in names if self.get(name))

    @property
    def told(self) -> tuple[str, ...]:
        """The keys that there are at all."""
        return tuple(key for key in self._facts.values if key.startswith("dmi."))

"""Makers and models, as their firmware spells them: lists of patterns, one file for each sort of computer.

Spellings: linuxhw/DMI (CC-BY-4.0), and makers' own names for what they sell.
"""

import re
from pathlib import Path

_HERE = Path(__file__).parent


def _read(name: str) -> re.Pattern[str]:
    rows = (_HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return re.compile("|".join(f"(?:{row})" for row in rows if row and not row.startswith("#")), re.IGNORECASE)


NAS, THIN, SERVER, SBC = _read("nas"), _read("thin_client"), _read("server"), _read("sbc")
MINI, LAPTOP, DESKTOP = _read("mini_pc"), _read("laptop"), _read("desktop")

"""The tiny kind as a test wants it: another version, another schema, a fault; a folder for CLAWRACK_KINDS."""

import re
import shutil
from pathlib import Path

SOURCE = Path(__file__).with_name("tinykind")
NAME = "tinykind"


def place(folder: Path, *, version: str = "1", schema: int = 1, fault: str = "", patience: int = 12) -> str:
    """Write the kind into `folder`, in place of the one that is there; return what CLAWRACK_KINDS is to be.

    Args:
        folder: of kinds; made where it is missing.
        version: of the kind and of its image; each is a build of its own.
        schema: that this build brings its state to; it refuses a newer one.
        patience: seconds until the gate is closed.
        fault: see tinykind/tiny.py; it is in the configuration, so that the same image can be well or not.
    """
    there = folder / NAME
    shutil.rmtree(there, ignore_errors=True)
    shutil.copytree(SOURCE, there, ignore=shutil.ignore_patterns("__pycache__"))
    _replace(there / "kind.yaml", r'^version: "1"', f'version: "{version}"')
    _replace(there / "kind.yaml", "startup_timeout: 12", f"startup_timeout: {patience}")
    _replace(there / "image.yaml", r'^version: "1"', f'version: "{version}"')
    _replace(there / "image.yaml", r'TINY_VERSION: "1"', f'TINY_VERSION: "{version}"')
    _replace(there / "image.yaml", r'TINY_SCHEMA: "1"', f'TINY_SCHEMA: "{schema}"')
    _replace(there / "config" / "tiny.json.j2", r'"fault": ""', f'"fault": "{fault}"')
    return str(folder)


def _replace(file: Path, pattern: str, text: str) -> None:
    changed, count = re.subn(pattern, text, file.read_text(), flags=re.MULTILINE)
    assert count == 1, f"{file}: {pattern}"
    file.write_text(changed)

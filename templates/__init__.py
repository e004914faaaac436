"""What is filled in or sent to machines: kinds, providers, guard, meter, personas, words.

This module is the only logic here: it finds the files, wherever the package is installed.
"""

from pathlib import Path

_ROOT = Path(__file__).resolve().parent


def path(*parts: str) -> Path:
    """Return the path of a template, for example ``path("kinds", "openclaw")``.

    Raises:
        FileNotFoundError: there is no such template.
    """
    found = _ROOT.joinpath(*parts)
    if not found.exists():
        raise FileNotFoundError(found)
    return found


def text(*parts: str) -> str:
    """Return the UTF-8 text of a template.

    Raises:
        FileNotFoundError: there is no such template.
    """
    return path(*parts).read_text(encoding="utf-8")

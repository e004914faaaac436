"""Text from elsewhere, made harmless for a terminal.

Rich and Textual pass escape sequences through even with markup off (seen with Textual 8.2.8 and Rich 15), so
everything that a machine says goes through here before it is shown or kept.
"""

import unicodedata

_MOST_LINES = 20_000
_DIGITS = 19  # of a number of 64 bits
_KEPT = {"\n", "\t"}
# Cc: C0 and C1 controls. Cf: bidi overrides, zero-width. Cs: lone surrogates. Co, Cn: private, unassigned.
# Zl, Zp: odd line ends.
_HOSTILE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def clean(text: str | bytes, limit: int = 4096) -> str:
    """Return at most ``limit`` characters of the text with every control, bidi and invisible character as ``�``."""
    if isinstance(text, bytes):
        text = text[: limit * 4].decode("utf-8", errors="replace")
    shown = text.replace("\r\n", "\n")
    cut = shown[:limit] + ("…" if len(shown) > limit else "")
    return cut if cut.isascii() and cut.isprintable() else "".join(map(_harmless, cut))


def line(text: str | bytes, limit: int = 200) -> str:
    """Return the text cleaned, on one line."""
    return " ".join(clean(text, limit).split())


def pairs(out: bytes, limit: int = 1000) -> list[tuple[str, str]]:
    """Return the ``key=value`` lines of an output in their order, each cleaned and of at most ``limit`` characters."""
    split = (line(raw, limit).partition("=") for raw in out.split(b"\n")[:_MOST_LINES] if b"=" in raw)
    return [(key, value) for key, sign, value in split if sign]


def number(text: str) -> int | None:
    """Return a whole number that was said; None where it is none, or longer than one of 64 bits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else None


def _harmless(char: str) -> str:
    return char if char in _KEPT or unicodedata.category(char) not in _HOSTILE else "\N{REPLACEMENT CHARACTER}"

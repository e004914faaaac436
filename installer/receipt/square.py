"""A QR code in half blocks: two rows of modules in one line, with the quiet zone that scanners need."""

import segno

QUIET = 4
"""Modules of nothing around it (ISO/IEC 18004, 6.3.8)."""
_INK = "\x1b[30;47m"  # dark on light, whatever the terminal's own colours are
_OFF = "\x1b[0m"
_BLOCKS = {(0, 0): " ", (0, 1): "▄", (1, 0): "▀", (1, 1): "█"}


def square(text: str, *, colour: bool = False) -> list[str]:
    """Return the lines of a QR code.

    Without colours ink is dark: right on paper, and on a light terminal. On a dark one it is reversed, which the
    standard allows and phones read; with colours it is dark on light everywhere.

    Args:
        text: what it holds; the version is the smallest that bears it.
        colour: whether a terminal is written to that knows colours.
    """
    code = segno.make_qr(text, error="l")  # what room is left goes into a higher level of correction by itself
    rows = [tuple(int(bool(dark)) for dark in row) for row in code.matrix_iter(scale=1, border=QUIET)]
    if len(rows) % 2:
        rows.append((0,) * len(rows[0]))
    lines = ["".join(map(_block, upper, lower)) for upper, lower in zip(rows[::2], rows[1::2], strict=True)]
    return [f"{_INK}{line}{_OFF}" for line in lines] if colour else lines


def _block(upper: int, lower: int) -> str:
    return _BLOCKS[upper, lower]

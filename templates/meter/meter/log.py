"""One line to stdout for what happens: numbers and names, never what was asked or answered."""

import contextlib
import traceback


def line(event: str, **fields: object) -> None:
    """Print ``event key=value …`` at once; a reader that is gone does not stop the meter."""
    with contextlib.suppress(OSError, ValueError):
        print(event, *(f"{key}={_plain(value)}" for key, value in fields.items()), flush=True)


def mistake(error: Exception) -> None:
    """Print where the meter itself went wrong: the kind of error and the line of code, without its values."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    line("mistake", error=type(error).__name__, file=where.filename, line=where.lineno)


def _plain(value: object) -> str:
    text = str(value)
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return f'"{plain}"' if " " in plain or not plain else plain

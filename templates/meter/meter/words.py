"""What the meter says to people, in both languages; the texts themselves are in words.json."""

import functools
import json
import pkgutil

LANGUAGES = ("en", "zh")


@functools.cache
def catalogue() -> dict[str, dict[str, str]]:
    """Return language → key → text."""
    return json.loads(pkgutil.get_data(__package__ or "meter", "words.json") or b"{}")


def say(key: str, language: str | None = None, **params: object) -> str:
    """Return the text of a key with its ``{placeholders}`` filled.

    Without a language (nobody has asked anything yet) both are given, one after the other.

    Raises:
        KeyError: there is no such text, or a placeholder is not filled.
    """
    wanted = LANGUAGES if language is None else (language,)
    return " ".join(catalogue()[one][key].format(**params) for one in wanted)

"""Every text a person reads, in the language that they read.

The catalogues are templates/words/LANGUAGE/*.yaml, flat maps of dotted keys to texts with ``{placeholders}``.
"""

import functools
import os
import string

import yaml

import templates
from fleet.base.clean import line

LANGUAGES = ("en", "zh")
LONGEST = 1000  # characters of one value
_chosen: list[str] = []


def choose(language: str) -> None:
    """Speak this language from now on (``en`` or ``zh``)."""
    _chosen[:] = [language]


def language() -> str:
    """Return the language in use: chosen, ``CLAWRACK_LANG``, or the locale's; English where none is told."""
    if _chosen:
        return _chosen[0]
    names = ("CLAWRACK_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    told = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return "zh" if told.lower().startswith("zh") else "en"


@functools.cache
def catalogue(code: str) -> dict[str, str]:
    """Return all the texts of one language, by key.

    Raises:
        ValueError: two files hold the same key.
    """
    texts: dict[str, str] = {}
    for path in sorted(templates.path("words", code).glob("*.yaml")):
        part: dict[str, str] = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader()) or {}  # noqa: S506 - a safe loader
        twice = texts.keys() & part.keys()
        if twice:
            raise ValueError(f"{path}: {min(twice)} is in another file too")
        texts |= part
    return texts


def _loader() -> type[yaml.SafeLoader]:
    """Return libyaml's safe loader where it is there (ten times faster), else Python's."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def find(key: str) -> str | None:
    """Return the text of a key in the language in use, unfilled, or None."""
    return catalogue(language()).get(key)


def say(key: str, **params: object) -> str:
    """Return the text of a key with its placeholders filled; each value is cleaned, and stays on one line.

    So nothing that a machine says can pass for a line of ours.

    Raises:
        KeyError: there is no such text, or a placeholder has no value.
    """
    text = catalogue(language())[key]
    return text.format(**{name: line(str(value), LONGEST) for name, value in params.items()})


def placeholders(text: str) -> frozenset[str]:
    """Return the names of the placeholders in a text."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)

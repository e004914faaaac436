"""What looks like a secret or like somebody's, whether we know it or not: found by its shape.

A shape gives either ``HIDDEN``, which says nothing, or a name that is the same wherever the value stands: ``addr-3``.
"""

import ipaddress
import itertools
import re
from collections.abc import Callable
from typing import Literal

from fleet.base.secret import HIDDEN

Sort = Literal["secret", "email", "phone", "address", "mac", "id", "user"]
Rename = Callable[[Sort, str], str]
Shape = tuple[Sort, re.Pattern[str], Callable[[re.Match[str], Rename], str]]

_NUMERIC = 8  # digits: shorter ones after `token=` count something
_SEGMENT = 16  # characters: a word that is shorter is not taken for random
_TOKEN = 24  # letters and digits: of a word with hyphens
_CHANGES = 4  # between letters and digits, or small and capital ones …
_SHARE = 0.42  # … and of the letters, where there are no digits: a nameLikeThis has fewer
_PUBLIC = frozenset({"169.254.169.254", "100.100.100.200", "100.96.0.96", "168.63.129.16"})
"""Clouds' metadata services; the firewall's rules name them."""
_NAMES = (
    r"pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?|authorization|cookie"
)
SECRET_NAME = re.compile(rf"(?i)(?:^|[^a-z])(?:{_NAMES})s?$")
OWNED_NAME = re.compile(r"(?i)serial|uuid|asset|machine[-_]?id|^boot$|^hv\.uuid$")


def _hide(found: re.Match[str], rename: Rename) -> str:
    """Hide the group ``it``, or all of it."""
    group = "it" if "it" in found.re.groupindex else 0
    begin, end = (at - found.start() for at in found.span(group))
    whole = found.group()
    return whole[:begin] + rename("secret", whole[begin:end]) + whole[end:]


def _said(found: re.Match[str], rename: Rename) -> str:
    """Hide what follows a name like ``token=``, but not a small number, a word of ours, or what is hidden already."""
    it = found["it"].strip("\"'")
    known = HIDDEN in it or it in {"", "true", "false", "null", "none", "yes", "no"} or it.endswith((".json", ".env"))
    return found.group() if known or (it.isdigit() and len(it) < _NUMERIC) else _hide(found, rename)


def _random(found: re.Match[str], rename: Rename) -> str:
    word = found.group()
    random = any(looks_random(part) for part in re.split(r"[-_./+=]", word))
    return rename("secret", word) if random or any(_is_token(part) for part in re.split(r"[./+=]", word)) else word


def looks_random(word: str) -> bool:
    """Return whether letters and digits follow each other as nobody would write them."""
    if len(word) < _SEGMENT:
        return False
    sorts, changes = _mixture(word)
    return changes >= (_CHANGES if "d" in sorts else max(_CHANGES, _SHARE * len(sorts)))


def _is_token(word: str) -> bool:
    """Return whether it is random though hyphens cut it short: base64 for addresses has hyphens anywhere."""
    sorts, changes = _mixture(word)
    return len(sorts) >= _TOKEN and len({*sorts}) == 3 and changes >= _SHARE * len(sorts)  # noqa: PLR2004 - all sorts


def _mixture(word: str) -> tuple[list[str], int]:
    """Return of each letter whether it is a digit, small or capital, and how often that changes."""
    sorts = ["d" if c.isdigit() else "u" if c.isupper() else "l" for c in word if c.isalnum()]
    return sorts, sum(a != b for a, b in itertools.pairwise(sorts))


def _address(found: re.Match[str], rename: Rename) -> str:
    text = found.group()
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    plain = address.is_loopback or address.is_unspecified or text in _PUBLIC or text == "255.255.255.255"
    return text if plain else rename("address", text)


def _named(sort: Sort) -> Callable[[re.Match[str], Rename], str]:
    def named(found: re.Match[str], rename: Rename) -> str:
        group = "it" if "it" in found.re.groupindex else 0
        begin, end = (at - found.start() for at in found.span(group))
        whole = found.group()
        return whole[:begin] + rename(sort, whole[begin:end]) + whole[end:]

    return named


SHAPES: tuple[Shape, ...] = (
    ("secret", re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL), _hide),
    ("secret", re.compile(r"(?i)\b(?:bearer|basic)\s+(?P<it>[\w.+/=~-]{6,})"), _hide),
    ("secret", re.compile(rf"(?i)(?:{_NAMES})s?[\"']?\s*[:=]\s*(?P<it>\"[^\"\n]*\"|'[^'\n]*'|[^\s,;}}]+)"), _said),
    ("secret", re.compile(r"(?<=://)(?P<it>[^/@\s\"']+)(?=@)"), _hide),
    (
        "secret",
        re.compile(
            r"\b(?:sk|pk|rk)-[\w-]{8,}|\bgh[pousr]_\w{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bxox[a-z]-[\w-]{8,}"
            r"|\b(?:AKIA|ASIA|LTAI|AKID)\w{10,}|\bAIza[\w-]{20,}|\bhf_\w{16,}|\btskey-[\w-]{8,}|\beyJ[\w-]{8,}\.[\w.-]+"
            r"|\b\d{6,12}:[A-Za-z0-9_-]{30,}|\bAAAA[BC]3NzaC1[\w+/=]+"
        ),
        _hide,
    ),
    ("email", re.compile(r"[\w.+-]{1,64}@(?![\w-]+\.(?:service|timer|socket)\b)[\w-]+(?:\.[\w-]+)+"), _named("email")),
    ("id", re.compile(r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), _named("id")),
    (
        "mac",
        re.compile(r"(?i)(?<![0-9a-f:-])(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?![0-9a-f:-])"),
        _named("mac"),
    ),
    (
        "address",
        re.compile(r"(?i)(?<![\w:.])(?=[0-9a-f:.]*:[0-9a-f:.]*:)[0-9a-f:]{2,}(?:\.[0-9]+){0,3}(?![\w:])"),
        _address,
    ),
    ("address", re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)"), _address),
    (
        "id",
        re.compile(r"(?i)\b(?:serial(?: ?(?:number|no\.?))?|s/n|asset tag)[\"']?\s*[:=#]\s*[\"']?(?P<it>[\w./-]{3,})"),
        _named("id"),
    ),
    ("id", re.compile(r"(?i)(?<![\w:])(?:[0-9a-f]{32,128})(?!\w)"), _named("id")),
    ("secret", re.compile(r"(?<![\w/+:])[A-Za-z0-9_+/=-]{20,}(?![\w/+])"), _random),
    ("user", re.compile(r"(?:/home|/Users|/var/services/homes|/share/homes)/(?P<it>[^/\s:\"',]+)"), _named("user")),
    (
        "phone",
        re.compile(r"(?<![\w.])\+\d[\d ()-]{7,16}\d(?!\w)|(?<![\w.+-])1[3-9]\d(?:\d{8}|([ -])\d{4}\1\d{4})(?![\w.-])"),
        _named("phone"),
    ),
    ("secret", re.compile(r"(?<!\w)[1-9]\d{5}(?:19|20)\d{9}[\dXx](?!\w)"), _hide),
)


def cover(text: str, rename: Rename) -> str:
    """Return the text with all that has such a shape replaced."""
    for _, pattern, made in SHAPES:
        text = pattern.sub(lambda found, made=made: made(found, rename), text)
    return text

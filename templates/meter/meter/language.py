"""In which language a person asked: their own words, without the envelope an agent puts around them."""

import re

_CURRENT = re.compile(r"^\[current message[^\]\n]*\]", re.IGNORECASE | re.MULTILINE)
_TAGGED = re.compile(r"<(system-reminder|context|metadata)\b[^>]*>.*?</\1>", re.DOTALL | re.IGNORECASE)
_FENCED = re.compile(r"^```.*?(?:^```[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_LABEL = re.compile(r"^[^\n]*\(untrusted[^)\n]*\)[ \t]*:.*$", re.MULTILINE | re.IGNORECASE)
_SYSTEM = re.compile(r"^System(?: \([^)\n]*\))?:.*$", re.MULTILINE)
_BRACKETED = re.compile(r"^(?:[ \t]*\[[^\]\n]*\])+", re.MULTILINE)
_INTERNAL = re.compile(r"<<<BEGIN_([A-Z_]{1,60})>>>.*?<<<END_\1>>>", re.DOTALL)
_RUNTIME = re.compile(r"^Runtime: .*$", re.MULTILINE)
_ENVELOPE = (_INTERNAL, _RUNTIME, _TAGGED, _FENCED, _LABEL, _SYSTEM, _BRACKETED)

_LOOKED_AT = 16_384
"""Characters from the end: enough for any envelope, and no pattern can be made to take long over them."""

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA_OR_HANGUL = re.compile("[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")


def own_words(text: str) -> str:
    """Return what the person wrote, without metadata blocks, timestamps and history.

    The forms are those of OpenClaw's inbound context: ``[Current message …]`` after the history, labels such as
    ``Sender (untrusted metadata):`` with a fenced block, ``System: …`` lines, leading ``[Telegram … 10:00 UTC]``, a
    closing ``Runtime: …`` line, and ``<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>`` blocks (all seen with 2026.9.6).
    Where nothing would be left, the text is returned as it is; of a very long one, its end.
    """
    return spoken(text) or text[-_LOOKED_AT:].strip()


def spoken(text: str) -> str:
    """Return what the person wrote, and nothing where the text is an envelope alone."""
    bare = _CURRENT.split(text[-_LOOKED_AT:])[-1]
    for part in _ENVELOPE:
        bare = part.sub("", bare)
    return bare.strip()


def language_of(text: str) -> str:
    """Return ``"zh"`` where the person's own words hold Han and neither kana nor hangul, else ``"en"``."""
    words = own_words(text)
    if _HAN.search(words) and not _KANA_OR_HANGUL.search(words):
        return "zh"
    return "en"

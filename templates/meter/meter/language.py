"""In which language a person asked: their own words, without the envelope an agent puts around them."""

import re
from collections import defaultdict, deque

_CURRENT = re.compile(r"^\[current message[^\]\n]*\]", re.IGNORECASE | re.MULTILINE)
_TAGGED = (
    re.compile(r"<(system-reminder|context|metadata)\b[^<>]*>", re.IGNORECASE),
    re.compile(r"</(system-reminder|context|metadata)>", re.IGNORECASE),
)
_FENCED = re.compile(r"^```.*?(?:^```[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_LABEL = re.compile(r"\(untrusted[^()]*\)[ \t]*:", re.IGNORECASE)
_SYSTEM = re.compile(r"^System(?: \([^)\n]*\))?:.*$", re.MULTILINE)
_BRACKETED = re.compile(r"^(?:[ \t]*\[[^\]\n]*\])+", re.MULTILINE)
_INTERNAL = (re.compile(r"<<<BEGIN_([A-Z_]{1,60})>>>"), re.compile(r"<<<END_([A-Z_]{1,60})>>>"))
_RUNTIME = re.compile(r"^Runtime: .*$", re.MULTILINE)

LOOKED_AT = 16_384
"""Characters from the end: enough for any envelope. What looks at them takes time in proportion, whatever they are."""

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA_OR_HANGUL = re.compile("[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")


def own_words(text: str) -> str:
    """Return what the person wrote, without metadata blocks, timestamps and history.

    The forms are those of OpenClaw's inbound context: ``[Current message …]`` after the history, labels such as
    ``Sender (untrusted metadata):`` with a fenced block, ``System: …`` lines, leading ``[Telegram … 10:00 UTC]``, a
    closing ``Runtime: …`` line, and ``<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>`` blocks (all seen with 2026.9.6).
    Where nothing would be left, the text is returned as it is; of a very long one, its end.
    """
    return spoken(text) or text[-LOOKED_AT:].strip()


def spoken(text: str) -> str:
    """Return what the person wrote, and nothing where the text is an envelope alone."""
    bare = _CURRENT.split(text[-LOOKED_AT:])[-1]
    bare = _RUNTIME.sub("", _without_blocks(bare, *_INTERNAL))
    bare = _FENCED.sub("", _without_blocks(bare, *_TAGGED))
    bare = "\n".join("" if _LABEL.search(line) else line for line in bare.split("\n"))
    return _BRACKETED.sub("", _SYSTEM.sub("", bare)).strip()


def _without_blocks(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> str:
    """Cut each block from its opening to the next closing of that name; one pass over either, so nothing is slow."""
    closings: dict[str, deque[tuple[int, int]]] = defaultdict(deque)
    for found in closing.finditer(text):
        closings[found[1].lower()].append(found.span())
    kept: list[str] = []
    at = 0
    for begins in opening.finditer(text):
        if begins.start() < at:
            continue
        if end := _first_after(closings.get(begins[1].lower()), begins.end()):
            kept.append(text[at : begins.start()])
            at = end
    return "".join(kept) + text[at:]


def _first_after(spans: deque[tuple[int, int]] | None, position: int) -> int:
    """Return where the first span from a position on ends, else 0; what lies before it is never looked at again."""
    while spans and spans[0][0] < position:
        spans.popleft()
    return spans[0][1] if spans else 0


def language_of(text: str) -> str:
    """Return ``"zh"`` where the person's own words hold Han and neither kana nor hangul, else ``"en"``."""
    words = own_words(text)
    if _HAN.search(words) and not _KANA_OR_HANGUL.search(words):
        return "zh"
    return "en"

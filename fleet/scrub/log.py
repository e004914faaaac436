"""An agent's log without what was said to it or by it.

What an agent writes is not ours to know: some write whole messages. So of each line there remain its time and those
words that are on a list of words about programs (words.txt). Nothing between quotes remains, no long number, and
of a line that speaks of messages, or in which most words are others, its length alone.
"""

import re
from pathlib import Path
from typing import Any, cast

import msgspec

_TIME = re.compile(
    r"^\W{0,2}(?P<it>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|\d\d:\d\d:\d\d(?:[.,]\d+)?)"
)
_QUOTED = re.compile(
    r"\"[^\"]*(?:\"|$)|`[^`]*(?:`|$)|(?<!\w)'[^']*(?:'|$)|[\u201c\u300c][^\u201d\u300d]*(?:[\u201d\u300d]|$)"
)
_WORD = re.compile(r"\w+(?:\.\d+)*")
_NUMBER = re.compile(r"\d{1,3}(?:ms|s|m|h|kb|mb|gb)?|\d{1,4}(?:\.\d{1,4}){1,3}", re.IGNORECASE)
_SHARE = 0.6  # of the words that must be on the list
_GAP = "…"
WORDS = frozenset(Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split())
"""What programs write of themselves."""
_SAID = re.compile(
    r"(?i)\b(?:messages?|says?|said|sa(?:ying|id)|prompts?|texts?|contents?|repl(?:y|ies|ied)|answers?|questions?|asks?|asked"
    r"|chats?|bod(?:y|ies)|inputs?|outputs?|assistant|conversations?|transcripts?|quer(?:y|ies)|results?|arguments?|args"
    r"|params?|payloads?|memor(?:ies|ised|ized)|notes?|titles?|subjects?|summar(?:y|ies)|translat\w+)\b|消息|内容|回复|提问|回答"
)
"""What programs write where they pass on what was said."""


_FIELDS = (
    ("time", "ts", "timestamp", "date"),
    ("level", "severity"),
    ("subsystem", "module", "logger"),
    ("msg", "message", "event", "error", "err"),
    ("code", "status"),
)
"""Of a line that is a JSON object; of each group the first that is there."""


def without_content(row: str) -> str:
    """Return a line of an agent's log with nothing of what was said in it."""
    row = _from_json(row)
    at = _TIME.match(row)
    rest = row[at.end() :] if at else row
    head = f"{at['it']} " if at else ""
    words = _WORD.findall(_QUOTED.sub(" ", rest))
    known = [word for word in words if _plain(word)]
    if _SAID.search(rest) or not known or len(known) < _SHARE * len(words):
        return f"{head}({len(rest.strip())})"
    return head + " ".join(_kept(_QUOTED.sub(f" {_GAP} ", rest)))


def _from_json(row: str) -> str:
    """Return a line that is a JSON object as plain text; any other as it is."""
    if not row.startswith("{"):
        return row
    try:
        told = cast("dict[str, Any]", msgspec.json.decode(row.encode("utf-8", "replace")))
    except msgspec.DecodeError:
        return row
    chosen = (next((told[key] for key in group if isinstance(told.get(key), (str, int))), "") for group in _FIELDS)
    return " ".join(str(value) for value in chosen if value != "")


def _plain(word: str) -> bool:
    return word.lower() in WORDS or bool(_NUMBER.fullmatch(word))


def _kept(text: str) -> list[str]:
    """Return the words that may be shown, and one gap for those between them."""
    kept: list[str] = []
    for word in re.findall(rf"{_WORD.pattern}|{_GAP}", text):
        shown = word if _plain(word) else _GAP
        if shown != _GAP or kept[-1:] != [_GAP]:
            kept.append(shown)
    return kept

r"""Known values found in a text, however they are written there: as they are, over several lines, escaped, encoded.

A value is looked for in several *views* of the text: without its white space; with escapes (``%41``, ``\u0041``,
``\x41``, ``&#65;``) undone; and with whatever could be base64 or hexadecimal decoded. All is done on bytes, without
regard to ASCII case. What is found is covered in the text itself. A long value is found by its parts too, for a log
may cut it, and put words of its own in between.
"""

import binascii
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping

from fleet.scrub.views import Span, mapped_views, views

LEAST = 6  # bytes: what is shorter is no secret, and would be found everywhere
_PART = 8  # bytes of a part that gives a value away …
_STEP = 4  # … begun every so many bytes
_LONG = 16  # bytes: shorter values have no parts
_HEAD = 24  # bytes that a value is first looked for by
_WORD = re.compile(rb"[A-Za-z0-9+/_-]{%d,}" % _PART)


class Values:
    """Values to be covered, each with what takes its place.

    Args:
        secrets: values of which no part may stay either.
        hidden: what takes a secret's place.
        names: values that are known by another name outside, and that name.
    """

    def __init__(self, secrets: Iterable[str], hidden: str, names: Mapping[str, str]) -> None:
        self._hidden = hidden
        secret = {_squeezed(value): hidden for value in secrets}
        every = {_squeezed(value): cover for value, cover in names.items()} | secret
        self._covers = {value: cover for value, cover in every.items() if len(value) >= LEAST}
        heads: dict[bytes, list[bytes]] = {}
        for value in self._covers:
            heads.setdefault(value[:_HEAD], []).append(value)
        self._heads = {head: sorted(values, key=len, reverse=True) for head, values in heads.items()}
        self._pattern = re.compile(_either(sorted(self._heads))) if heads else None
        self._parts = {part: cover for value, cover in secret.items() for part in _parts(value)}
        self._seen: dict[bytes, str | None] = {}

    def cover(self, text: str, tell: Callable[[str], None]) -> str:
        """Return the text with each value covered; ``tell`` hears what took its place."""
        raw = text.encode("utf-8", "replace")
        for spans in (self._plain, self._spans, self._fragments):
            raw = _covered(raw, spans(raw), tell)
        return raw.decode("utf-8", "replace")

    def holds(self, text: str) -> bool:
        """Return whether a value is in the text."""
        raw = text.encode("utf-8", "replace")
        return bool(self._spans(raw)) or any(True for _ in self._fragments(raw))

    def _plain(self, raw: bytes) -> list[tuple[Span, str]]:
        """Return the values that stand there as they are, which is nearly all."""
        return [((begin, end), cover) for begin, end, cover in self._matches(raw)] if self._pattern else []

    def _spans(self, raw: bytes) -> list[tuple[Span, str]]:
        if not self._pattern or not any(self._pattern.search(view) for view in views(raw)):
            return []
        found: list[tuple[Span, str]] = []
        for view, at in mapped_views((raw, [(i, i + 1) for i in range(len(raw))])):
            found += [((at[begin][0], at[end - 1][1]), cover) for begin, end, cover in self._matches(view)]
        return found

    def _matches(self, view: bytes) -> Iterator[tuple[int, int, str]]:
        assert self._pattern  # noqa: S101 - see _spans
        begin = 0
        low = view.lower()
        while match := self._pattern.search(low, begin):
            begin = match.start()
            whole = next((v for v in self._heads[match.group()] if low.startswith(v, begin)), match.group())
            end = begin + len(whole)
            cover = self._covers.get(whole) or self._covers[self._heads[match.group()][0]]
            if cover == self._hidden or not _amid_digits(low, begin, end):
                yield begin, end, cover
            begin = end

    def _fragments(self, raw: bytes) -> Iterator[tuple[Span, str]]:
        """Yield the words that hold a part of a long value."""
        for word in _WORD.finditer(raw) if self._parts else ():
            low = word.group().lower()
            if low not in self._seen:
                windows = (low[i : i + _PART] for i in range(len(low) - _PART + 1))
                self._seen[low] = next((self._parts[part] for part in windows if part in self._parts), None)
            cover = self._seen[low]
            if cover is not None:
                yield word.span(), cover


def _covered(raw: bytes, spans: Iterable[tuple[Span, str]], tell: Callable[[str], None]) -> bytes:
    """Return the text with the spans replaced; of those that overlap the first, made as long as all of them."""
    merged: list[tuple[Span, str]] = []
    for (begin, end), cover in sorted(spans, key=lambda found: (found[0][0], -found[0][1])):
        if merged and begin < merged[-1][0][1]:
            merged[-1] = (merged[-1][0][0], max(end, merged[-1][0][1])), merged[-1][1]
        else:
            merged.append(((begin, end), cover))
    pieces: list[bytes] = []
    done = 0
    for (begin, end), cover in merged:
        pieces += [raw[done:begin], cover.encode()]
        done = end
        tell(cover)
    return b"".join((*pieces, raw[done:]))


def _amid_digits(text: bytes, begin: int, end: int) -> bool:
    """Return whether a number goes on beyond what was found: 10.0.0.1 is not in 10.0.0.12."""
    before, after = text[begin - 1 : begin + 1] if begin else b"", text[end - 1 : end + 1]
    return (len(before) > 1 and before.isdigit()) or (len(after) > 1 and after.isdigit())


def _squeezed(value: str) -> bytes:
    return b"".join(value.encode("utf-8", "replace").split()).lower()


def _parts(value: bytes) -> set[bytes]:
    """Return parts of a long value, as it is and encoded, such that any longer piece of it holds one of them."""
    if len(value) < _LONG:
        return set()
    forms = [
        value,
        binascii.hexlify(value),
        *(b64encode(b"\0" * n + value)[4 if n else 0 : -4].lower() for n in range(3)),
    ]
    return {form[i : i + _PART] for form in forms for i in range(0, len(form) - _PART + 1, _STEP)}


def _either(words: list[bytes]) -> bytes:
    """Return a pattern for any of the words, which share beginnings: tried one by one they would take too long."""
    if len(words) == 1:
        return re.escape(words[0])
    branches: dict[bytes, list[bytes]] = {}
    for word in words:
        branches.setdefault(word[:1], []).append(word[1:])
    ends = branches.pop(b"", None)
    inner = b"|".join(re.escape(first) + _either(rest) for first, rest in branches.items())
    return b"(?:" + inner + b")" + (b"?" if ends else b"") if inner else b""

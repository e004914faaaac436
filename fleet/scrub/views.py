r"""A text in every form in which something could stand in it: without white space, with escapes undone, decoded.

Each form is made twice. Quickly, to see whether there is anything to find; and then with the place in the text that
each byte came from.
"""

import binascii
import re
import sys
from collections.abc import Iterator

DEPTH = 2  # encodings within one another
_ESCAPES = 3  # escapes of escapes
_ESCAPE = re.compile(
    rb"%(?P<url>[0-9A-Fa-f]{2})|\\x(?P<hex>[0-9A-Fa-f]{2})|\\(?P<plain>[\"'/\\])|\\[nrt]"
    rb"|(?P<json>\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4})"
    rb"|&#x(?P<html>[0-9A-Fa-f]{1,6});|&#(?P<decimal>[0-9]{1,7});|&(?P<name>amp|lt|gt|quot|apos);"
)
_NAMES = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}")
_HEX = re.compile(rb"(?:[0-9A-Fa-f](?:0x|[\s:,-])*){12,}")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
Span = tuple[int, int]
View = tuple[bytes, list[Span]]


# ---- views, quick: only whether something is there -------------------------------------------------------------------


def views(raw: bytes, depth: int = DEPTH) -> Iterator[bytes]:
    """Yield the text in every form in which a value could stand in it."""
    plain = b"".join(raw.split())
    yield plain.lower()
    for _ in range(_ESCAPES):
        undone = _ESCAPE.sub(lambda found: _meant(found) or b"", raw)
        if undone == raw:
            break
        raw, plain = undone, b"".join(undone.split())
        yield plain.lower()
    if depth:
        for inner in _decoded(plain):
            yield from views(inner, depth - 1)


def _decoded(plain: bytes) -> Iterator[bytes]:
    for run in _BASE64.finditer(plain):
        for shift in range(4):
            yield _from_base64(run.group()[shift:])
    for run in _HEX.finditer(plain):
        digits = re.sub(rb"0x|[:,-]", b"", run.group())
        for shift in range(2):
            yield binascii.unhexlify(digits[shift : len(digits) - (len(digits) - shift) % 2])


def _from_base64(run: bytes) -> bytes:
    whole = run.translate(_URL_SAFE)
    whole = whole[: len(whole) - 1] if len(whole) % 4 == 1 else whole
    return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))


def _meant(found: re.Match[bytes]) -> bytes | None:
    """Return what an escape stands for; nothing for the end of a line or a tab."""
    part, text = found.lastgroup, found.group(found.lastgroup) if found.lastgroup else b""
    if part in {"url", "hex"}:
        return bytes([int(text, 16)])
    if part == "plain":
        return text
    if part == "name":
        return _NAMES[text]
    if part == "json":  # one character beyond the first plane takes two
        return text.decode("unicode_escape").encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    number = int(text, 10 if part == "decimal" else 16) if part else 0
    return chr(number).encode("utf-8", "replace") if 0 < number <= sys.maxunicode else None


# ---- views, with the place in the text that each byte came from ------------------------------------------------------


def mapped_views(view: View, depth: int = DEPTH) -> Iterator[View]:
    """Yield the same forms as `views`, each with the place in the text that its bytes came from."""
    plain = _without_space(view)
    yield plain
    for _ in range(_ESCAPES):
        undone = _mapped_undone(view)
        if undone[0] == view[0]:
            break
        view, plain = undone, _without_space(undone)
        yield plain
    if depth:
        for inner in _mapped_decoded(plain):
            yield from mapped_views(inner, depth - 1)


def _without_space(view: View) -> View:
    raw, at = view
    kept = [i for i, byte in enumerate(raw) if not bytes([byte]).isspace()]
    return bytes(raw[i] for i in kept), [at[i] for i in kept]


def _mapped_undone(view: View) -> View:
    raw, at = view
    pieces: list[bytes] = []
    places: list[Span] = []
    done = 0
    for found in _ESCAPE.finditer(raw):
        meant = _meant(found) or b""
        pieces += [raw[done : found.start()], meant]
        places += at[done : found.start()] + [(at[found.start()][0], at[found.end() - 1][1])] * len(meant)
        done = found.end()
    return b"".join((*pieces, raw[done:])), places + at[done:]


def _mapped_decoded(view: View) -> Iterator[View]:
    raw, at = view
    for run in _BASE64.finditer(raw):
        for shift in range(4):
            begin = run.start() + shift
            inner = _from_base64(run.group()[shift:])
            last = run.end() - 1
            ends = [min(begin + i * 4 // 3 + 1, last) for i in range(len(inner))]
            yield inner, [(at[begin + i * 4 // 3][0], at[end][1]) for i, end in enumerate(ends)]
    for run in _HEX.finditer(raw):
        text = run.group()
        odd = {i for found in re.finditer(rb"0x|[:,-]", text) for i in range(*found.span())}
        kept = [run.start() + i for i in range(len(text)) if i not in odd]
        digits = bytes(raw[i] for i in kept)
        for shift in range(2):
            inner = binascii.unhexlify(digits[shift : len(digits) - (len(digits) - shift) % 2])
            pairs = [(kept[shift + 2 * i], kept[shift + 2 * i + 1]) for i in range(len(inner))]
            yield inner, [(at[first][0], at[second][1]) for first, second in pairs]

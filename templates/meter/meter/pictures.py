"""How many pictures a question shows, however it spells them: each costs tokens that its bytes do not tell. Pure."""

from typing import cast

from .fields import Fields

_TYPES = ("image", "input_image", "video", "input_video", "audio", "input_audio", "file", "input_file", "document")
"""How the ``type`` of such a part begins, in either style; a film, a sound or a file may be told by an address, too."""
_FIELDS = frozenset({"image", "image_url", "video_url", "audio_url"})
"""Servers of one's own (vLLM) take a part without a type, by the name of its field."""


def pictures(value: object) -> int:
    """Count the parts that are not text, at any depth of a request's messages."""
    found, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            fields = cast("Fields", one)
            found += _shows(fields)
            waiting += [inner for inner in fields.values() if isinstance(inner, dict | list)]
        elif isinstance(one, list):
            waiting += cast("list[object]", one)
    return found


def _shows(part: Fields) -> bool:
    kind = part.get("type")
    return (isinstance(kind, str) and kind.startswith(_TYPES)) or not _FIELDS.isdisjoint(part)

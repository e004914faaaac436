"""What machines said, made harmless before it is in a row."""

from typing import Any, TypeVar

import msgspec

from fleet.base.clean import line

LONGEST = 200  # characters of one value
MOST = 1000  # values of one list
LARGEST = 10**15  # tokens, calls, bytes: more than any ledger holds
Value = TypeVar("Value", bound=msgspec.Struct)


def tidy(value: Value) -> Value:
    """Return a flat struct with every text cleaned and cut, and every number within reason."""
    fields = {name: _tidy(getattr(value, name)) for name in value.__struct_fields__}
    return type(value)(**fields)


def _tidy(value: Any) -> Any:  # noqa: ANN401 - the field's type is the struct's affair
    match value:
        case str():
            return value if _plain(value) else line(value, LONGEST)
        case bool() | float() | None:
            return value
        case int():
            return max(-LARGEST, min(value, LARGEST))
        case tuple():
            return tuple(_tidy(part) for part in value[:MOST])  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def _plain(text: str) -> bool:
    """Return whether cleaning would change nothing: so it is with nearly all, and a fleet says a great deal."""
    return len(text) <= LONGEST and text.isascii() and text.isprintable() and " " not in text

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
    values = msgspec.structs.astuple(value)
    if _plain(values):
        return value
    return type(value)(**dict(zip(value.__struct_fields__, map(_tidy, values), strict=True)))


def _plain(values: tuple[Any, ...]) -> bool:
    """Return whether cleaning would change nothing: so it is with nearly all, and a fleet says a great deal."""
    texts = [value for value in values if type(value) is str]
    whole = "".join(texts)
    return (
        whole.isascii()
        and whole.isprintable()
        and " " not in whole
        and max(map(len, texts), default=0) <= LONGEST
        and all(-LARGEST <= value <= LARGEST for value in values if type(value) is int)
        and not any(type(value) is tuple for value in values)
    )


def _tidy(value: Any) -> Any:  # noqa: ANN401 - the field's type is the struct's affair
    match value:
        case str():
            return line(value, LONGEST)
        case bool() | float() | None:
            return value
        case int():
            return max(-LARGEST, min(value, LARGEST))
        case tuple():
            return tuple(_tidy(part) for part in value[:MOST])  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value

"""What is read out of somebody's JSON without trusting its shape. Pure."""

import re
from collections.abc import Mapping
from typing import cast

Fields = dict[str, object]


def fields_of(value: object) -> Fields:
    """Return an object of JSON; an empty one where it is none."""
    return cast("Fields", value) if isinstance(value, dict) else {}


def matching(pattern: re.Pattern[str], entry: Mapping[str, object], field: str) -> str:
    """Return a text that has a form.

    Raises:
        ValueError: it has not, or is no text, or missing.
    """
    value = entry.get(field)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{field}: missing or malformed")
    return value

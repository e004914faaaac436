"""Moments as a person writes them: ``2h`` ago, ``10:00``, ``2026-11-21T10:00``. Pure: what time it is now is told."""

import re
from datetime import datetime, timedelta

from fleet.base.errors import BadInput

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_AGO = re.compile(r"(?:\d{1,6}[dhms]){1,4}")
_PART = re.compile(r"(\d+)([dhms])")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})?)?")
_FRACTION = re.compile(r"\.(\d{1,6})\d*")


def moment(text: str, now: datetime, option: str) -> datetime:
    """Return the moment that a text means, in the time zone of ``now`` where it names none.

    Args:
        text: so long ago (``2h``, ``1h30m``, ``3d``); a time of the day, the last one (``10:00``); or a date with or
            without a time (``2026-11-21``, ``2026-11-21T10:00``, with ``Z`` or ``+08:00``).
        now: with its time zone.
        option: for the message.

    Raises:
        BadInput: it is none of these.
    """
    try:
        if _AGO.fullmatch(text):
            return now - timedelta(**_spans(text))
        if found := _CLOCK.fullmatch(text):
            return _last(now, int(found[1]), int(found[2]), int(found[3] or 0))
        if _DATE.fullmatch(text):
            told = datetime.fromisoformat(_FRACTION.sub(lambda m: f".{m[1]:0<6}", text))
            return told if told.tzinfo else told.replace(tzinfo=now.tzinfo)
    except (ValueError, OverflowError):
        pass
    raise BadInput("logs.bad_time", option=option, text=text)


def _spans(text: str) -> dict[str, float]:
    parts = [(_UNITS[unit], int(number)) for number, unit in _PART.findall(text)]
    if len({unit for unit, _ in parts}) < len(parts):
        raise ValueError(text)
    return {unit: float(number) for unit, number in parts}


def _last(now: datetime, hour: int, minute: int, second: int) -> datetime:
    today = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return today if today <= now else today - timedelta(days=1)

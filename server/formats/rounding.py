"""The precision of every number that answers show: the only place where they are rounded."""

from __future__ import annotations


def seconds(value: float) -> float:
    """Round a time in seconds to the millisecond."""
    return round(value, 3)


def whole_milliseconds(value: float) -> int:
    """Convert a time in seconds to whole milliseconds, as subtitles show it."""
    return round(value * 1000)


def milliseconds(value: float) -> float:
    """Round a duration in milliseconds to the microsecond."""
    return round(value, 3)


def seconds_of_stages(value: float) -> float:
    """Convert the duration of stages from milliseconds to seconds, rounded to the microsecond."""
    return round(value / 1000, 6)


def ratio(value: float) -> float:
    """Round a real-time factor to four decimals."""
    return round(value, 4)
